"""``churnkit doctor``."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

from churnkit._extras import pip_command
from churnkit.cli.options import AsJson, open_registry
from churnkit.cli.output import print_error, print_json, print_next, print_table
from churnkit.errors import ChurnkitError

__all__ = ["doctor"]

# Package, its extra (None: a core dependency), its use.
_PACKAGES = (
    ("numpy", None, "scoring"),
    ("pandas", None, "tables"),
    ("pyarrow", None, "tables and files"),
    ("pandera", None, "schemas"),
    ("scikit-learn", None, "training"),
    ("lightgbm", None, "training"),
    ("mlflow", "train", "tracking and the model registry"),
    ("matplotlib", "train", "plots of a training run"),
    ("bentoml", "serve", "the prediction service"),
    ("numba", "fast", "faster bulk scoring and explanations"),
    ("catboost", "accurate", "CatBoost trees in the accurate profile"),
    ("optuna", "train", "hyperparameter search"),
)


def doctor(as_json: AsJson = False) -> None:
    """Print versions, paths and stores, and check the registry, the journal and the recipes.

    The exit code is 1 if a check fails.
    """
    from churnkit import __version__
    from churnkit.bundle.registry.mlflow import without_password
    from churnkit.core.project import find_project

    project = find_project()
    packages = [_describe_package(*package) for package in _PACKAGES]
    missing = sorted({p["extra"] for p in packages if p["version"] is None and p["extra"]})
    problems: list[str] = []
    summary: dict[str, Any] = {
        "churnkit": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "project": str(project.root),
        "recipes": [recipe.stem for recipe in project.recipes()],
        "store": without_password(project.tracking_uri),
        "models": [] if _version("mlflow") is None else _list_models(problems),
        "journal": _check_journal(problems),
        "public data": os.environ.get("CHURNKIT_DATA_DIR") or "not set (CHURNKIT_DATA_DIR)",
        "free disk": f"{shutil.disk_usage(project.root).free / 1e9:.1f} GB",
    }
    problems += _check_recipes(project.recipes())
    if as_json:
        print_json(
            {**summary, "packages": packages, "missing_extras": missing, "problems": problems}
        )
        if problems:
            raise typer.Exit(1)
        return
    print_table(
        "Installation",
        ("Item", "Value"),
        [
            (name, ", ".join(value) or "none" if isinstance(value, list) else value)
            for name, value in summary.items()
        ],
    )
    print_table(
        "Packages",
        ("Package", "Version", "Used for"),
        [(p["package"], p["version"] or "missing", p["purpose"]) for p in packages],
    )
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(1)
    if missing:
        print_next(pip_command(*missing))
    else:
        print_next(_next_command(summary))


def _next_command(summary: dict[str, Any]) -> str:
    models = summary["models"]
    if isinstance(models, list) and models:
        return f"churnkit score CUSTOMERS.csv -o scores.csv --model {models[0]}"
    return "churnkit train" if summary["recipes"] else "churnkit demo"


def _describe_package(package: str, extra: str | None, purpose: str) -> dict[str, Any]:
    return {"package": package, "version": _version(package), "extra": extra, "purpose": purpose}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _list_models(problems: list[str]) -> list[str] | str:
    try:
        with open_registry() as registry:
            return registry.models()
    except ChurnkitError as error:
        problems.append(str(error))
        return str(error)


def _check_journal(problems: list[str]) -> str:
    """Open the journal that the environment names; a project's own is created when needed."""
    from churnkit.journal import Journal
    from churnkit.journal.journal import JOURNAL_VARIABLE

    if not os.environ.get(JOURNAL_VARIABLE):
        return f"not set ({JOURNAL_VARIABLE})"
    try:
        with Journal.open() as journal:
            return journal.url
    except ChurnkitError as error:
        problems.append(str(error))
        return str(error)


def _check_recipes(recipes: list[Path]) -> list[str]:
    """Return why recipes cannot be loaded, their schemas included."""
    from churnkit.pipeline import load_recipe

    problems = []
    for recipe in recipes:
        try:
            load_recipe(recipe)
        except ChurnkitError as error:
            problems.append(str(error))
    return problems

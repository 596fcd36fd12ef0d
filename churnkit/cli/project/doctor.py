"""``churnkit doctor``."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from typing import Any

from churnkit._extras import pip_command
from churnkit.cli.options import AsJson, open_registry
from churnkit.cli.output import print_json, print_next, print_table
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
    """Print versions, paths and stores, and which packages are missing."""
    from churnkit import __version__
    from churnkit.bundle.registry.mlflow import without_password
    from churnkit.core.project import find_project

    project = find_project()
    packages = [_describe_package(*package) for package in _PACKAGES]
    missing = sorted({p["extra"] for p in packages if p["version"] is None and p["extra"]})
    summary: dict[str, Any] = {
        "churnkit": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "project": str(project.root),
        "recipes": [recipe.stem for recipe in project.recipes()],
        "store": without_password(project.tracking_uri),
        "models": [] if _version("mlflow") is None else _list_models(),
        "public data": os.environ.get("CHURNKIT_DATA_DIR") or "not set (CHURNKIT_DATA_DIR)",
        "free disk": f"{shutil.disk_usage(project.root).free / 1e9:.1f} GB",
    }
    if as_json:
        print_json({**summary, "packages": packages, "missing_extras": missing})
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


def _list_models() -> list[str] | str:
    try:
        with open_registry() as registry:
            return registry.models()
    except ChurnkitError as error:
        # A broken store is part of the diagnosis.
        return str(error)

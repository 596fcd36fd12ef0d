"""``churnkit doctor``."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Any

from churnkit._extras import pip_command
from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_table
from churnkit.errors import ChurnkitError

__all__ = ["doctor"]

# Package, the extra that brings it (None: the core), what it is for.
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
    ("numba", "fast", "quicker bulk scoring and reasons"),
    ("catboost", "accurate", "one more kind of trees in the accurate profile"),
    ("optuna", "train", "searching settings within a budget"),
)


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which store is used, and what is missing."""
    from churnkit import __version__
    from churnkit.bundle.registry.mlflow import without_password
    from churnkit.core.project import find_project

    project = find_project()
    packages = [_package(*package) for package in _PACKAGES]
    facts: dict[str, Any] = {
        "churnkit": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "project": str(project.root),
        "recipes": [recipe.stem for recipe in project.recipes()],
        "store": without_password(project.tracking_uri),
        "models": _models(packages),
        "public data": os.environ.get("CHURNKIT_DATA_DIR") or "not set (CHURNKIT_DATA_DIR)",
        "free disk": f"{shutil.disk_usage(project.root).free / 1e9:.1f} GB",
    }
    missing = sorted({p["extra"] for p in packages if p["version"] is None and p["extra"]})
    if as_json:
        print_json({**facts, "packages": packages, "missing_extras": missing})
        return
    print_table(
        "churnkit doctor",
        ("what", "is"),
        [
            (name, ", ".join(fact) or "none" if isinstance(fact, list) else fact)
            for name, fact in facts.items()
        ],
    )
    print_table(
        "packages",
        ("package", "version", "for"),
        [(p["package"], p["version"] or "missing", p["purpose"]) for p in packages],
    )
    if missing:
        print_next(pip_command(*missing))
    elif not facts["recipes"]:
        print_next("churnkit demo")
    else:
        print_next("churnkit train")


def _package(package: str, extra: str | None, purpose: str) -> dict[str, Any]:
    from importlib import metadata

    try:
        version: str | None = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = None
    return {"package": package, "version": version, "extra": extra, "purpose": purpose}


def _models(packages: list[dict[str, Any]]) -> list[str] | str:
    if any(p["package"] == "mlflow" and p["version"] is None for p in packages):
        return []
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow

    try:
        with quiet_mlflow():
            return Registry().models()
    except ChurnkitError as error:
        # The doctor reports what is broken, and goes on.
        return str(error)

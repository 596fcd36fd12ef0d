"""The git commit of a recipe, as tags of a run."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from churnkit.bundle.registry.mlflow import without_password

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["git_tags"]

_TIMEOUT_SECONDS = 10.0


def git_tags(folder: Path) -> dict[str, str]:
    """Return MLflow's tags for the commit of a folder; none outside a repository.

    Parameters
    ----------
    folder
        With the recipe.

    Returns
    -------
    dict
        The commit, the branch, whether files of the folder's repository differ from the commit, and
        the address of ``origin`` without credentials.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    tags = {
        "mlflow.source.git.commit": commit,
        "mlflow.source.git.branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"),
        "mlflow.source.git.dirty": str(bool(_git(folder, "status", "--porcelain"))).lower(),
        "mlflow.source.git.repoURL": without_password(
            _git(folder, "config", "--get", "remote.origin.url")
        ),
    }
    return {name: value for name, value in tags.items() if value}


def _git(folder: Path, *arguments: str) -> str:
    """Return the output of a git command; empty if it fails."""
    program = shutil.which("git")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            [program, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

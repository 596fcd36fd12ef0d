"""Template files of new projects, from the installed wheel or from a clone of the repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from churnkit.errors import ChurnkitError

__all__ = ["copy_templates", "serving_folder", "template_folder"]


def template_folder() -> Path:
    """Return the folder with the templates ``schemas/``, ``training/`` and ``serving/``.

    Raises
    ------
    ChurnkitError
        If the installation is incomplete.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "_project", package.parent):
        if (folder / "training").is_dir() and (folder / "serving").is_dir():
            return folder
    raise ChurnkitError(
        "the project templates are missing from this installation: reinstall it with pip"
    )


def copy_templates(names: list[str], target: Path) -> None:
    """Copy template files into a project; existing files are kept."""
    source = template_folder()
    for name in names:
        file = target / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, file)


def serving_folder(project: Path) -> Path:
    """Return a project's ``serving/``, or the template if it has none."""
    folder = project / "serving"
    return folder if (folder / "bentofile.yaml").is_file() else template_folder() / "serving"

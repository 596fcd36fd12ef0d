"""The files of a new project: in a wheel they travel along, in a clone they are the clone's."""

from __future__ import annotations

import shutil
from pathlib import Path

from churnkit.errors import ChurnkitError

__all__ = ["copy_templates", "serving_folder", "template_folder"]


def template_folder() -> Path:
    """Return the folder that holds ``schemas/``, ``training/`` and ``serving/``.

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
        "this installation of churnkit lacks its project templates: install it again with pip"
    )


def copy_templates(names: list[str], target: Path) -> None:
    """Copy template files into a project; files that are there stay as they are.

    Parameters
    ----------
    names
        Files, named from the template folder: ``training/demo.py``.
    target
        The project's folder.
    """
    source = template_folder()
    for name in names:
        place = target / name
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, place)


def serving_folder(project: Path) -> Path:
    """Return a project's own ``serving/``, or the template where it has none."""
    own = project / "serving"
    return own if (own / "bentofile.yaml").is_file() else template_folder() / "serving"

"""Where a churnkit project keeps its things: the folder, its store, its registry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["STORE_FOLDER", "Project", "find_project"]

STORE_FOLDER = ".churnkit"
_MARKS = (STORE_FOLDER, "training")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with ``schemas/``, ``training/`` and ``serving/``, and its store beside them.

    Parameters
    ----------
    root
        The project's folder.
    """

    root: Path

    @property
    def store(self) -> Path:
        """The folder of the default store: MLflow's SQLite file and its artefacts."""
        return self.root / STORE_FOLDER

    @property
    def tracking_uri(self) -> str:
        """MLflow's own setting if there is one, else the SQLite file in the store."""
        chosen = os.environ.get("MLFLOW_TRACKING_URI")
        return chosen or self.default_uri

    @property
    def database(self) -> Path:
        """The default store's SQLite file."""
        return self.store / "mlflow.db"

    @property
    def default_uri(self) -> str:
        """MLflow's address of the default store."""
        return f"sqlite:///{self.database}"

    @property
    def artifacts(self) -> Path:
        """Where runs keep their files when the default store is used."""
        return self.store / "artifacts"

    def recipes(self) -> list[Path]:
        """List the recipe files of ``training/``."""
        folder = self.root / "training"
        return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def find_project(start: str | os.PathLike[str] | None = None) -> Project:
    """Find the project that holds a folder: the nearest one upwards, else the folder itself."""
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if any((folder / mark).is_dir() for mark in _MARKS):
            return Project(folder)
    return Project(here)

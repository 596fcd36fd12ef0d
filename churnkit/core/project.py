"""Project folders: root, store and MLflow location."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["STORE_FOLDER", "Project", "find_project"]

STORE_FOLDER = ".churnkit"
_MARKS = (STORE_FOLDER, "training")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with ``schemas/``, ``training/``, ``serving/`` and a store.

    Parameters
    ----------
    root
        The project's folder.
    """

    root: Path

    @property
    def store(self) -> Path:
        """Folder of the default store: MLflow's SQLite file and artifacts."""
        return self.root / STORE_FOLDER

    def make_store(self) -> Path:
        """Create the store if it is missing, for its owner alone: it holds customers' data."""
        self.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.store

    @property
    def tracking_uri(self) -> str:
        """``MLFLOW_TRACKING_URI`` if set, else the SQLite file in the store."""
        return os.environ.get("MLFLOW_TRACKING_URI") or self.default_uri

    @property
    def database(self) -> Path:
        """SQLite file of the default store."""
        return self.store / "mlflow.db"

    @property
    def default_uri(self) -> str:
        """Tracking URI of the default store."""
        return f"sqlite:///{self.database}"

    @property
    def artifacts(self) -> Path:
        """Artifact folder of the default store."""
        return self.store / "artifacts"

    def recipes(self) -> list[Path]:
        """Return the recipe files of ``training/``, sorted."""
        folder = self.root / "training"
        return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def find_project(start: str | os.PathLike[str] | None = None) -> Project:
    """Return the nearest project at or above a folder; the folder itself if there is none.

    Parameters
    ----------
    start
        Folder to start from; the working folder by default.

    Returns
    -------
    Project
    """
    start_folder = Path(start or Path.cwd()).resolve()
    for folder in (start_folder, *start_folder.parents):
        if any((folder / mark).is_dir() for mark in _MARKS):
            return Project(folder)
    return Project(start_folder)

"""The champion's bundle in a folder of its own, so that workers follow it without MLflow."""

from __future__ import annotations

import contextlib
import shutil
import threading
from typing import TYPE_CHECKING

from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from churnkit.bundle.registry.mlflow import Registry

__all__ = ["Mirror"]

_KEPT = 2


class Mirror:
    """Copies what an alias points at, and points a link at the newest copy.

    Parameters
    ----------
    registry
        It is asked.
    name, alias
        Of the model.
    folder
        Where the copies and the link ``current`` are.
    """

    def __init__(self, registry: Registry, name: str, alias: str, folder: Path) -> None:
        self._registry = registry
        self._name, self._alias = name, alias
        self._folder = folder
        self._copies: list[Path] = []
        self.link = folder / "current"

    def look(self) -> bool:
        """Ask once; return whether the link points at another version now.

        Raises
        ------
        ChurnkitError
            If the registry does not answer, or the files cannot be fetched.
        """
        version = self._registry.version(self._name, self._alias)
        copy = self._folder / f"version-{version.version}"
        if self.link.is_symlink() and self.link.readlink() == copy:
            return False
        if not copy.exists():
            aside = self._folder / f"fetched-{version.version}"
            shutil.rmtree(aside, ignore_errors=True)
            # As it is, links and all: who loads it refuses what is no bundle.
            shutil.copytree(self._registry.bundle(version), aside, symlinks=True)
            aside.rename(copy)
        new = self._folder / "next"
        new.unlink(missing_ok=True)
        new.symlink_to(copy)
        new.replace(self.link)
        self._copies = [*(old for old in self._copies if old != copy), copy]
        for old in self._copies[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self._copies = self._copies[-_KEPT:]
        return True

    @contextlib.contextmanager
    def following(self, seconds: float, said: Callable[[str], None]) -> Iterator[None]:
        """Ask every so often, in a thread, while the block runs.

        Parameters
        ----------
        seconds
            Between two questions.
        said
            Takes a line when the version has changed, or cannot be asked for.
        """
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(seconds):
                try:
                    with quiet_mlflow():
                        changed = self.look()
                    if changed:
                        said(f"{self._name}@{self._alias} has changed")
                except (ChurnkitError, OSError) as error:
                    said(f"newer versions cannot be asked for: {error}")

        thread = threading.Thread(target=run, name="churnkit-mirror", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(5.0)

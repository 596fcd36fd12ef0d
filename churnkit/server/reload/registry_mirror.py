"""A local copy of the champion's bundle, so that workers follow it without MLflow."""

from __future__ import annotations

import contextlib
import shutil
import threading
from typing import TYPE_CHECKING

from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.errors import ChurnkitError
from churnkit.server.reload.model_sources import version_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from churnkit.bundle.registry.mlflow import Registry, Version

__all__ = ["RegistryMirror"]

_COPIES = 2
# A version without a bundle, which another program registered, is fetched so many times.
_ATTEMPTS = 3


class RegistryMirror:
    """Copies the bundle that an alias points at, and points a link at the newest copy."""

    def __init__(self, registry: Registry, name: str, alias: str, folder: Path) -> None:
        self._registry = registry
        self._name, self._alias = name, alias
        self._folder = folder
        self._copies: list[Path] = []
        self._failed = ("", 0)
        self.link: Path = folder / "current"

    def look(self) -> bool:
        """Look once; return whether the link points at another version now.

        Raises
        ------
        ChurnkitError
            If the registry does not answer, or the files cannot be fetched.
        """
        version = self._registry.version(self._name, self._alias)
        copy = self._folder / f"version-{version.version}"
        if self.link.is_symlink() and self.link.readlink() == copy:
            return False
        if self._failed == (version.version, _ATTEMPTS):
            return False
        if not copy.exists():
            attempts = self._failed[1] if self._failed[0] == version.version else 0
            self._failed = (version.version, attempts + 1)
            self._fetch(version, copy)
            version_file(copy).write_text(version.version, encoding="ascii")
        self._failed = ("", 0)
        link = self._folder / "next"
        link.unlink(missing_ok=True)
        link.symlink_to(copy)
        link.replace(self.link)
        self._copies = [*(old for old in self._copies if old != copy), copy]
        for old in self._copies[:-_COPIES]:
            shutil.rmtree(old, ignore_errors=True)
            version_file(old).unlink(missing_ok=True)
        self._copies = self._copies[-_COPIES:]
        return True

    def _fetch(self, version: Version, copy: Path) -> None:
        """Copy a version's bundle; a failed copy leaves nothing behind."""
        partial = self._folder / "partial"
        download = self._folder / "download"
        try:
            download.mkdir(exist_ok=True)
            source = self._registry.bundle(version, folder=download)
            # Links are copied as links: loading refuses a bundle that holds any.
            shutil.copytree(source, partial, symlinks=True)
            partial.rename(copy)
        finally:
            for folder in (partial, download):
                shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def following(self, seconds: float, report: Callable[[str], None]) -> Iterator[None]:
        """Poll the registry in a thread while the block runs.

        Parameters
        ----------
        seconds
            Time between two looks.
        report
            Takes a line when the version has changed, or the registry cannot be reached.
        """
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(seconds):
                try:
                    with quiet_mlflow():
                        changed = self.look()
                    if changed:
                        report(f"{self._name}@{self._alias} has changed")
                except (ChurnkitError, OSError) as error:
                    report(f"the registry cannot be reached: {error}")

        thread = threading.Thread(target=run, name="churnkit-mirror", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(5.0)

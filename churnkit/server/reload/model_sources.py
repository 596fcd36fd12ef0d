"""Sources of newer versions: a bundle's folder, or an alias of the registry."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from churnkit.bundle.format.manifest import SEAL
from churnkit.bundle.model import RetentionModel
from churnkit.errors import BundleError

if TYPE_CHECKING:
    from churnkit.core.project import Project

__all__ = ["AliasSource", "FolderSource", "ModelSource", "model_source", "version_file"]

_ALIAS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+))?")


class ModelSource(Protocol):
    """A name that refers to another version of a model from time to time."""

    def identity(self) -> str:
        """Return which version it refers to, without loading it."""
        ...

    def registered_version(self) -> str | None:
        """Return its version in the registry, if it is registered."""
        ...

    def load(self) -> RetentionModel:
        """Load that version, digests and signature verified."""
        ...


class FolderSource:
    """A bundle's folder, or a symbolic link that is moved to newer ones."""

    def __init__(self, path: Path, signer: str | None = None) -> None:
        self._path = path
        self._signer = signer

    def identity(self) -> str:
        """Return the bundle's digest."""
        try:
            with (self._path / SEAL).open("rb") as stream:
                return "sha256:" + stream.read(64).decode("ascii", "replace")
        except OSError as error:
            raise BundleError(f"{self._path} has no readable {SEAL}") from error

    def registered_version(self) -> str | None:
        """Return the version that a mirror of the registry noted beside its copy."""
        try:
            return version_file(self._path.resolve()).read_text(encoding="ascii")
        except (OSError, ValueError):
            return None

    def load(self) -> RetentionModel:
        """Load the bundle that the path refers to now."""
        return RetentionModel.load(
            self._path.resolve(), signer=self._signer, registered_version=self.registered_version()
        )


class AliasSource:
    """A registered model by its alias."""

    def __init__(
        self,
        name: str,
        alias: str = "champion",
        *,
        project: Project | None = None,
        signer: str | None = None,
    ) -> None:
        from churnkit.bundle.registry.mlflow import Registry

        self._registry = Registry(project)
        self._name, self._alias, self._signer = name, alias, signer

    def registered_version(self) -> str:
        """Return the version that the alias points at."""
        return self._registry.version(self._name, self._alias).version

    def identity(self) -> str:
        """Return the digest of the version that the alias points at."""
        version = self._registry.version(self._name, self._alias)
        return version.digest or f"version {version.version}"

    def load(self) -> RetentionModel:
        """Load the version that the alias points at, resolved once."""
        version = self._registry.version(self._name, self._alias)
        with tempfile.TemporaryDirectory() as folder:
            bundle = self._registry.bundle(version, folder=Path(folder))
            return RetentionModel.load(
                bundle, signer=self._signer, registered_version=version.version
            )


def version_file(copy: Path) -> Path:
    """Return the file beside a copied bundle that holds its version in the registry.

    Examples
    --------
    >>> version_file(Path("version-3")).name
    'version-3.registered'
    """
    return copy.with_name(f"{copy.name}.registered")


def model_source(
    name: str, *, project: Project | None = None, signer: str | None = None
) -> ModelSource | None:
    """Return the source that a name refers to; None if its version never changes.

    Examples
    --------
    >>> model_source("models:/telco/3") is None
    True
    """
    match = _ALIAS.fullmatch(name)
    if match:
        return AliasSource(
            match["name"], match["alias"] or "champion", project=project, signer=signer
        )
    if name.startswith(("models:", "bento:")):
        return None
    return FolderSource(Path(name), signer)

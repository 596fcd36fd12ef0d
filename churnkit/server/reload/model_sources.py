"""Where newer versions of a model come from: a bundle's folder, or an alias of the registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from churnkit.bundle.model import RetentionModel
from churnkit.errors import BundleError

if TYPE_CHECKING:
    from churnkit.core.project import Project

__all__ = ["AliasSource", "FolderSource", "Source", "source_of"]

_ALIAS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+))?")
_SEAL = "manifest.sha256"


class Source(Protocol):
    """Something that means one version of a model now, and another one later."""

    def identity(self) -> str:
        """Tell which version it means, without loading it."""
        ...

    def load(self) -> RetentionModel:
        """Load that version, digests and signature verified."""
        ...


class FolderSource:
    """A bundle's folder, or a link to one that is set to another when there is a newer version.

    Parameters
    ----------
    path
        The folder or the link.
    signer
        The public key that must have signed it.
    """

    def __init__(self, path: Path, signer: str | None = None) -> None:
        self._path = path
        self._signer = signer

    def identity(self) -> str:
        """Return the bundle's digest as its seal has it."""
        try:
            with (self._path / _SEAL).open("rb") as stream:
                return "sha256:" + stream.read(64).decode("ascii", "replace")
        except OSError as error:
            raise BundleError(f"{self._path} has no {_SEAL} that can be read") from error

    def load(self) -> RetentionModel:
        """Load the bundle that the path means at this moment."""
        return RetentionModel.load(self._path.resolve(), signer=self._signer)


class AliasSource:
    """A registered model by its alias.

    Parameters
    ----------
    name, alias
        As the registry knows them.
    project
        Whose registry is asked; found from the working folder if None.
    signer
        The public key that must have signed it.
    """

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

    def identity(self) -> str:
        """Return the version that the alias points at."""
        version = self._registry.version(self._name, self._alias)
        return version.digest or f"version {version.version}"

    def load(self) -> RetentionModel:
        """Load the version that the alias points at, resolved once."""
        version = self._registry.version(self._name, self._alias)
        return RetentionModel.load(self._registry.bundle(version), signer=self._signer)


def source_of(
    said: str, *, project: Project | None = None, signer: str | None = None
) -> Source | None:
    """Return what a text means as a source; None if that can never come to mean another version.

    Examples
    --------
    >>> source_of("models:/telco/3") is None
    True
    """
    match = _ALIAS.fullmatch(said)
    if match:
        return AliasSource(
            match["name"], match["alias"] or "champion", project=project, signer=signer
        )
    if said.startswith(("models:", "bento:")):
        return None
    return FolderSource(Path(said), signer)

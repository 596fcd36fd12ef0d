"""The model registry: MLflow's names, versions and aliases."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.bundle.registry.champion_history import read_champions, write_champions
from churnkit.bundle.registry.connection import all_pages, check_connection
from churnkit.bundle.training_members import (
    MEMBERS_ARTIFACT,
    SALT_TAG,
    read_members,
    salt_fingerprint,
)
from churnkit.core.project import Project, find_project
from churnkit.errors import ChurnkitError, MissingExtraError, ModelNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CHALLENGER", "CHAMPION", "Registry", "Version", "without_password"]

CHAMPION = "champion"
CHALLENGER = "challenger"
BUNDLE_ARTIFACT = "bundle"
_DIGEST_TAG = "churnkit.bundle"
# Libraries whose errors MLflow passes through.
_STORES = {"alembic", "mlflow", "requests", "sqlalchemy"}
_NO_SUCH = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of a model.

    Parameters
    ----------
    name, version
        In MLflow.
    aliases
        ``champion``, ``challenger``, or none.
    digest
        The bundle's digest, ``sha256:...``.
    run_id
        The training run.
    source
        Location of the files in MLflow.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    digest: str | None
    run_id: str | None
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the version as JSON-able data."""
        return {
            "name": self.name,
            "version": self.version,
            "aliases": list(self.aliases),
            "digest": self.digest,
            "run_id": self.run_id,
        }


class Registry:
    """The model registry of a project: MLflow, by default in a SQLite store of the project.

    Parameters
    ----------
    project
        Whose store is used; found from the working folder if None.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """

    def __init__(self, project: Project | None = None) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtraError("train", "mlflow") from error
        self.project: Project = project or find_project()
        # A tracking URI that the embedding program has set takes precedence.
        self.uri: str = (
            mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else self.project.tracking_uri
        )
        self.registry_uri: str = _chosen_registry() or self.uri
        self._missing_store = self._default_database()

    @cached_property
    def client(self) -> Any:
        """MLflow's client; creating it opens the store, and creates an empty one if need be."""
        import mlflow

        for uri in dict.fromkeys((self.uri, self.registry_uri)):
            check_connection(uri)
        with self.mlflow_errors():
            if self.project.default_uri in {self.uri, self.registry_uri}:
                self.project.make_store()
            return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.registry_uri)

    def _default_database(self) -> Path | None:
        """Return the default store's file if it is in use and does not exist yet."""
        used = self.registry_uri == self.project.default_uri
        return self.project.database if used and not self.project.database.exists() else None

    @contextmanager
    def mlflow_errors(self) -> Iterator[None]:
        """Turn MLflow's errors into refusals that name the store, without its password."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, ImportError | OSError) and _library(error) not in _STORES:
                raise
            raise ChurnkitError(
                f"the model registry at {without_password(self.registry_uri)} does not answer "
                f"({_error_name(error)}): check the address and the permissions"
            ) from error

    def models(self) -> list[str]:
        """List the registered names.

        Raises
        ------
        ChurnkitError
            If the registry does not answer.
        """
        if self.is_missing():
            return []
        with self.mlflow_errors():
            return sorted(model.name for model in all_pages(self.client.search_registered_models))

    def is_missing(self) -> bool:
        """Return whether the default store does not exist yet: MLflow would create an empty one, slowly."""
        return self._missing_store is not None and not self._missing_store.exists()

    def only_model(self) -> str:
        """Return the project's only registered model.

        Raises
        ------
        ModelNotFoundError
            If there is none, or more than one.
        """
        names = self.models()
        if len(names) == 1:
            return names[0]
        if not names:
            raise ModelNotFoundError(
                f"no model is registered in {self.project.root}: run churnkit train"
            )
        raise ModelNotFoundError(
            f"{len(names)} models are registered ({', '.join(names)}): choose one with --model"
        )

    def version(self, name: str, alias: str = CHAMPION) -> Version:
        """Return a version by its alias or number.

        Parameters
        ----------
        name
            Of the model.
        alias
            Alias or version number.

        Returns
        -------
        Version

        Raises
        ------
        ModelNotFoundError
            If the model, alias or version is not registered.
        """
        from mlflow.exceptions import MlflowException

        if self.is_missing():
            raise ModelNotFoundError(
                f"no model is registered in {self.project.root}: run churnkit train"
            )
        with self.mlflow_errors():
            try:
                if alias.isdecimal():
                    version = self.client.get_model_version(name, alias)
                else:
                    version = self.client.get_model_version_by_alias(name, alias)
            except MlflowException as error:
                if error.error_code not in _NO_SUCH:
                    raise
                raise ModelNotFoundError(self._missing_message(name, alias)) from error
        return _to_version(version)

    def _missing_message(self, name: str, alias: str) -> str:
        names = self.models()
        if name not in names:
            others = f"registered: {', '.join(names)}" if names else "none is registered"
            return f"there is no model '{name}' ({others}): run churnkit train or churnkit models"
        if alias.isdecimal():
            numbers = ", ".join(version.version for version in self.versions(name))
            return f"model '{name}' has no version {alias}: choose one of {numbers}"
        reason = "no version has passed its promotion gate, or the alias was removed"
        latest = next((version.version for version in self.versions(name)), "VERSION")
        return (
            f"model '{name}' has no '{alias}': {reason}. To use version {latest} as it is, add "
            f"--model models:/{name}/{latest}; to make it the champion, churnkit models promote "
            f"{latest} --model {name}; to get a better one, change its recipe and train again"
        )

    def versions(self, name: str) -> list[Version]:
        """List every version of a model, the newest first."""
        if self.is_missing():
            return []
        with self.mlflow_errors():
            matches = all_pages(self.client.search_model_versions, f"name = '{name}'")
            # A search returns no aliases; a request for each version does.
            versions = [self.client.get_model_version(name, match.version) for match in matches]
        return sorted(map(_to_version, versions), key=lambda v: -int(v.version))

    def bundle(self, version: Version, *, folder: Path | None = None) -> Path:
        """Return a folder with the version's bundle, downloaded if the store is remote.

        Parameters
        ----------
        version
            The version.
        folder
            Existing folder for the download; a temporary one that stays if None.

        Raises
        ------
        ModelNotFoundError
            If the files cannot be fetched.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        source = self._source(version)
        is_local = source.startswith(("/", "file:"))
        try:
            files = mlflow.artifacts.download_artifacts(
                artifact_uri=source,
                tracking_uri=self.uri,
                dst_path=None if folder is None or is_local else str(folder),
            )
        except (MlflowException, OSError) as error:
            raise ModelNotFoundError(
                f"the files of {version.name} version {version.version} cannot be fetched from "
                f"{without_password(version.source)} ({_error_name(error)}): retrain, or restore "
                "them"
            ) from error
        return Path(files) / "artifacts" / BUNDLE_ARTIFACT

    def members(self, version: Version, salt: bytes) -> NDArray[np.uint64] | None:
        """Return the salted hashes of a version's training customers.

        Sorted; None if there are none, or they have another salt than `salt`.
        """
        from mlflow.exceptions import MlflowException

        try:
            tags = self.client.get_run(version.run_id).data.tags
        except MlflowException:
            return None
        if tags.get(SALT_TAG, salt_fingerprint(salt)) != salt_fingerprint(salt):
            return None
        with tempfile.TemporaryDirectory() as folder:
            file = self.artifact(version, MEMBERS_ARTIFACT, folder=Path(folder))
            return None if file is None else read_members(file)

    def artifact(self, version: Version, path: str, *, folder: Path) -> Path | None:
        """Return a file or folder logged with a version's run, downloaded to `folder`; or None."""
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            return Path(
                mlflow.artifacts.download_artifacts(
                    run_id=version.run_id,
                    artifact_path=path,
                    tracking_uri=self.uri,
                    dst_path=str(folder),
                )
            )
        except (MlflowException, OSError):
            return None

    def _source(self, version: Version) -> str:
        uri: str = self.client.get_model_version_download_uri(version.name, version.version)
        return uri

    def tag_digest(self, name: str, version: str, digest: str) -> None:
        """Tag a version with its bundle's digest."""
        with self.mlflow_errors():
            self.client.set_model_version_tag(name, version, _DIGEST_TAG, digest)

    def promote(self, name: str, version: str, alias: str = CHAMPION) -> None:
        """Point an alias at a version; champions are listed in order, for `rollback`."""
        with self.mlflow_errors():
            if alias == CHAMPION:
                champions = read_champions(self.client, name)
                with suppress(ModelNotFoundError):
                    current = self.version(name, CHAMPION).version
                    champions += [] if champions[-1:] == [current] else [current]
                champions += [] if champions[-1:] == [version] else [version]
                write_champions(self.client, name, champions)
            self.client.set_registered_model_alias(name, alias, version)

    def rollback(self, name: str) -> Version:
        """Restore the champion that the current one replaced.

        Returns
        -------
        Version
            The champion now.

        Raises
        ------
        ModelNotFoundError
            If there is no champion, it replaced none, the one that it replaced was deleted, or
            the alias was moved by another program.
        """
        champion = self.version(name, CHAMPION).version
        with self.mlflow_errors():
            champions = read_champions(self.client, name)
        choose = "choose a version with churnkit models promote"
        if champions and champions[-1] != champion:
            raise ModelNotFoundError(
                f"the champion of '{name}' was moved from version {champions[-1]} to {champion} by "
                f"another program, so that no earlier champion is known: {choose}"
            )
        if len(champions) < 2:
            raise ModelNotFoundError(
                f"version {champion} of '{name}' replaced no champion: {choose}"
            )
        earlier = champions[-2]
        if earlier not in {version.version for version in self.versions(name)}:
            raise ModelNotFoundError(
                f"version {earlier} of '{name}', the champion before {champion}, was deleted: "
                f"{choose}"
            )
        with self.mlflow_errors():
            self.client.set_registered_model_alias(name, CHAMPION, earlier)
            write_champions(self.client, name, champions[:-1])
        return self.version(name, CHAMPION)


def without_password(uri: str) -> str:
    """Return an address without its credentials.

    Examples
    --------
    >>> without_password("postgresql://churn:secret@db/mlflow")
    'postgresql://***@db/mlflow'
    """
    return re.sub(r"//[^/@]*@", "//***@", uri)


def _chosen_registry() -> str | None:
    """Return the registry that the environment or the embedding program has set, if any."""
    import mlflow

    registry: str = mlflow.get_registry_uri()
    # By default MLflow's registry is its tracking store.
    return registry if registry != mlflow.get_tracking_uri() else None


def _library(error: Exception) -> str:
    return type(error).__module__.partition(".")[0]


def _error_name(error: Exception) -> str:
    code = getattr(error, "error_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def _to_version(version: Any) -> Version:
    return Version(
        name=version.name,
        version=str(version.version),
        aliases=tuple(sorted(version.aliases or ())),
        digest=(version.tags or {}).get(_DIGEST_TAG),
        run_id=version.run_id,
        source=os.fspath(version.source or ""),
    )

"""Load a model by its URI: a folder, a registered model, or a model in BentoML's store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.bundle.model import RetentionModel
from churnkit.errors import MissingExtraError, ModelNotFoundError

if TYPE_CHECKING:
    import os

    from churnkit.core.project import Project

__all__ = ["load"]

_REGISTERED = re.compile(
    r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]{1,9}))?"
)
_BENTO = "bento:"


def load(
    source: str | os.PathLike[str] | None = None,
    *,
    project: Project | None = None,
    signer: str | os.PathLike[str] | None = None,
    require_golden: bool = True,
) -> RetentionModel:
    """Load a trained model.

    Parameters
    ----------
    source
        A bundle's folder; a registered model (``models:/telco@champion``, ``models:/telco/3``,
        ``models:/telco`` for its champion); a model in BentoML's store (``bento:telco:latest``);
        None for the champion of the project's only model.
    project
        Whose registry is used; found from the working folder if None.
    signer
        File with the public key that must have signed the bundle; None accepts any bundle.
    require_golden
        Refuse a bundle without golden rows, whose scores cannot be checked.

    Returns
    -------
    RetentionModel
        The loaded model.

    Raises
    ------
    ModelNotFoundError
        If the model does not exist.
    BundleError
        If the files were changed after they were saved, are of a newer format, are not signed
        by the signer, exceed a limit, or have no golden rows.
    """
    if source is None or (isinstance(source, str) and source.startswith("models:/")):
        folder, version = _registered_folder(source, project)
    elif isinstance(source, str) and source.startswith(_BENTO):
        folder, version = _bento_folder(source.removeprefix(_BENTO)), None
    else:
        folder, version = Path(source), None
        if not folder.exists():
            raise ModelNotFoundError(
                f"there is no bundle at {folder}; for a registered model write "
                "models:/NAME@champion"
            )
    return RetentionModel.load(
        folder, signer=signer, registered_version=version, require_golden=require_golden
    )


def _registered_folder(source: str | None, project: Project | None) -> tuple[Path, str]:
    from churnkit.bundle.registry.mlflow import CHAMPION, Registry

    registry = Registry(project)
    if source is None:
        name, version = registry.only_model(), CHAMPION
    else:
        match = _REGISTERED.fullmatch(source)
        if match is None:
            raise ModelNotFoundError(
                f"'{source}' is not a registered model: write models:/NAME@ALIAS or "
                "models:/NAME/VERSION"
            )
        name, version = match["name"], match["alias"] or match["version"] or CHAMPION
    registered = registry.version(name, version)
    return registry.bundle(registered), registered.version


def _bento_folder(tag: str) -> Path:
    try:
        import bentoml
    except ImportError as error:
        raise MissingExtraError("serve", "bentoml") from error
    try:
        stored = bentoml.models.get(tag)
    except bentoml.exceptions.NotFound as error:
        raise ModelNotFoundError(
            f"BentoML's store has no model '{tag}': run churnkit serve, or bentoml models list"
        ) from error
    except (bentoml.exceptions.BentoMLException, ValueError) as error:
        raise ModelNotFoundError(
            f"'{tag}' is not a model of BentoML's store: write bento:NAME or bento:NAME:VERSION"
        ) from error
    return Path(stored.path_of("bundle"))

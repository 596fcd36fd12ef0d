"""Find the model that a project's service serves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from churnkit.bundle import RetentionModel, load
from churnkit.core.project import find_project
from churnkit.server.bento.model_store import store_model

__all__ = ["MODEL_SETTING", "ServiceModel", "find_model"]

MODEL_SETTING = "CHURNKIT_MODEL"
_BENTO = "bento.yaml"


@dataclass(frozen=True)
class ServiceModel:
    """A model and its tag in BentoML's store.

    Parameters
    ----------
    model
        Loaded and verified.
    packed
        Its tag, if it comes from a Bento.
    source
        Source of newer versions: a bundle's folder, or a registered model by alias; None for a
        packed model.
    """

    model: RetentionModel
    packed: str | None = None
    source: str | None = None

    @cached_property
    def tag(self) -> str:
        """The model's tag in BentoML's store, where it is stored if need be."""
        return self.packed or store_model(self.model, name=self.model.name)


def find_model(service_file: str | os.PathLike[str]) -> ServiceModel:
    """Find the model for a service.

    Parameters
    ----------
    service_file
        The service's ``__file__``.

    Returns
    -------
    ServiceModel
        The model that ``CHURNKIT_MODEL`` names (as for `churnkit.load`); else the model packed
        in the Bento that contains the file; else the champion of the project's only model.

    Raises
    ------
    ModelNotFoundError
        If the model does not exist, or the project has no champion.
    BundleError
        If the model's files were changed after they were saved.
    """
    folder = Path(service_file).resolve().parent
    project = find_project(folder)
    signer = os.environ.get("CHURNKIT_SIGNER") or None
    source = os.environ.get(MODEL_SETTING)
    if source:
        packed = source.removeprefix("bento:") if source.startswith("bento:") else None
        model = load(source, project=project, signer=signer)
        return ServiceModel(model, packed, None if packed else source)
    packed = _packed(folder.parent / _BENTO)
    if packed:
        return ServiceModel(load(f"bento:{packed}", signer=signer), packed)
    model = load(project=project, signer=signer)
    return ServiceModel(model, source=f"models:/{model.name}")


def _packed(description: Path) -> str | None:
    """Return the tag of the model in a Bento, from its description."""
    if not description.is_file():
        return None
    bento = yaml.safe_load(description.read_text(encoding="utf-8"))
    entries = [bento, *(bento.get("services") or [])]
    tags = [str(model["tag"]) for entry in entries for model in entry.get("models") or []]
    return tags[0] if tags else None

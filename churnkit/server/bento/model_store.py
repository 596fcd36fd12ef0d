"""Bundles in BentoML's model store: the same bundle always under the same tag."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml

from churnkit.bundle.model import RetentionModel
from churnkit.errors import BundleError
from churnkit.server.loaded_model import short_version

if TYPE_CHECKING:
    import os

__all__ = ["bento_name", "store_model"]

_BUNDLE = "bundle"


def bento_name(name: str) -> str:
    """Return a registered name as BentoML can spell it.

    Examples
    --------
    >>> bento_name("Telco churn (EU)")
    'telco-churn-eu'
    """
    spelled = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    return spelled[:60].rstrip("-._") or "model"


def store_model(source: RetentionModel | str | os.PathLike[str], *, name: str) -> str:
    """Put a bundle into BentoML's model store, if it is not there yet.

    Parameters
    ----------
    source
        A loaded model, or a bundle's folder.
    name
        The model's name in the store, as `bento_name` spells it.

    Returns
    -------
    Its tag, ``name:version``; the version is the start of the bundle's digest.

    Raises
    ------
    BundleError
        If the bundle does not verify, or the model was never saved.
    """
    model = source if isinstance(source, RetentionModel) else RetentionModel.load(source)
    version = short_version(model)
    if version is None:
        raise BundleError(f"model '{model.name}' was never saved: save it, then load it again")
    tag = f"{bento_name(name)}:{version}"
    if _is_stored(tag):
        return tag
    labels = {"framework": "churnkit", "bundle": version}
    try:
        with (
            tempfile.TemporaryDirectory() as aside,
            bentoml.models.create(tag, labels=labels) as stored,
        ):
            saved = model.save(Path(aside) / _BUNDLE)
            if saved.digest != model.digest:
                raise BundleError(f"model '{model.name}' does not save as it was: train again")
            (Path(aside) / _BUNDLE).rename(stored.path_of(_BUNDLE))
    except bentoml.exceptions.BentoMLException:
        # Another process, such as a second worker, may have stored the same bundle meanwhile.
        if not _is_stored(tag):
            raise
    return tag


def _is_stored(tag: str) -> bool:
    try:
        bentoml.models.get(tag)
    except bentoml.exceptions.NotFound:
        return False
    return True

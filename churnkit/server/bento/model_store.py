"""Store bundles in BentoML's model store, each under one tag."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml

from churnkit.bundle.model import RetentionModel
from churnkit.errors import BundleError

if TYPE_CHECKING:
    import os

__all__ = ["bento_name", "store_model"]

_BUNDLE = "bundle"


def bento_name(name: str) -> str:
    """Return a name in the characters that BentoML allows.

    Examples
    --------
    >>> bento_name("Telco churn (EU)")
    'telco-churn-eu'
    """
    allowed = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")
    return allowed[:60].rstrip("-._") or "model"


def store_model(source: RetentionModel | str | os.PathLike[str], *, name: str) -> str:
    """Store a bundle in BentoML's model store, unless it is there.

    Parameters
    ----------
    source
        A loaded model, or a bundle's folder.
    name
        The model's name; see `bento_name`.

    Returns
    -------
    str
        Its tag, ``name:version``; the version is the start of the bundle's digest.

    Raises
    ------
    BundleError
        If the bundle does not verify, or the model was never saved.
    """
    model = source if isinstance(source, RetentionModel) else RetentionModel.load(source)
    version = model.version
    if version is None:
        raise BundleError(f"model '{model.name}' has never been saved: save it, then load it")
    tag = f"{bento_name(name)}:{version}"
    if _is_stored(tag):
        return tag
    labels = {"framework": "churnkit", "bundle": version}
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            bentoml.models.create(tag, labels=labels) as stored,
        ):
            saved = model.save(Path(folder) / _BUNDLE)
            if saved.digest != model.digest:
                raise BundleError(
                    f"model '{model.name}' saves to another digest than it was loaded from: retrain"
                )
            (Path(folder) / _BUNDLE).rename(stored.path_of(_BUNDLE))
    except bentoml.exceptions.BentoMLException:
        # A second worker may have stored the same bundle meanwhile.
        if not _is_stored(tag):
            raise
    return tag


def _is_stored(tag: str) -> bool:
    try:
        bentoml.models.get(tag)
    except bentoml.exceptions.NotFound:
        return False
    return True

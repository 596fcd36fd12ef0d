"""Read an optional part of a bundle, and compare its scores of the golden rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["check_part", "read_document"]

_TOLERANCE = 1e-12


def read_document(
    name: str, files: Mapping[str, bytes], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, Any] | None:
    """Return the JSON object of a part; None if the bundle has no such part.

    Raises
    ------
    BundleError
        If there are arrays without the document, or it is no object.
    """
    if name not in files:
        if arrays:
            raise BundleError(f"the bundle lacks {name}: retrain")
        return None
    document = json.loads(files[name])
    if not isinstance(document, dict):
        raise BundleError(f"{name} is not a JSON object: retrain")
    return document


def check_part(
    title: str,
    read: int,
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    arrays: Mapping[str, NDArray[Any]],
    *,
    features: int,
    golden: NDArray[np.float64] | None,
) -> None:
    """Check the columns of a part, and its scores of the golden rows against those stored.

    Parameters
    ----------
    title
        Of the part in messages, such as ``the hazard model``.
    read
        Number of columns that it reads.
    score
        Returns the scores of rows.
    arrays
        Of the part, with the stored scores as ``golden``.
    features
        Number of columns that the contract encodes.
    golden
        The golden rows, if any.

    Raises
    ------
    BundleError
        If the columns or the scores differ.
    """
    if read != features:
        raise BundleError(f"{title} reads {read} columns, the contract encodes {features}: retrain")
    if golden is None:
        return
    with np.errstate(all="ignore"):
        scores = score(golden)
    stored = arrays.get("golden", np.empty(0))
    if stored.shape != scores.shape or not np.allclose(scores, stored, rtol=0, atol=_TOLERANCE):
        raise BundleError(
            f"{title} does not score the golden rows as it did when the bundle was saved: this "
            "machine or this version of churnkit computes differently; retrain"
        )

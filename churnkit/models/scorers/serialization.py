"""Reading a model's settings and arrays from a file that anybody may have written.

Each value is checked before it is used; what does not fit is refused by its name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["read_array", "read_choice", "read_integer", "read_number"]


def read_choice(settings: Mapping[str, Any], name: str, *, among: Sequence[str]) -> str:
    """Return a setting that is one of a few words.

    Raises
    ------
    BundleError
        It is missing or another word.

    Examples
    --------
    >>> read_choice({"method": "platt"}, "method", among=("platt", "beta"))
    'platt'
    """
    found = settings.get(name)
    if not isinstance(found, str) or found not in among:
        raise BundleError(f"the saved setting {name!r} is none of {', '.join(among)}")
    return found


def read_integer(settings: Mapping[str, Any], name: str, *, low: int, high: int) -> int:
    """Return a setting that is a whole number from `low` to `high`.

    Raises
    ------
    BundleError
        It is missing, no whole number, or outside.

    Examples
    --------
    >>> read_integer({"n_features": 3}, "n_features", low=1, high=9)
    3
    """
    found = settings.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
        raise BundleError(f"the saved setting {name!r} is no whole number from {low} to {high}")
    return found


def read_number(settings: Mapping[str, Any], name: str) -> float:
    """Return a setting that is a finite number.

    Raises
    ------
    BundleError
        It is missing, no number, or not finite.

    Examples
    --------
    >>> read_number({"bias": -0.5}, "bias")
    -0.5
    """
    found = settings.get(name)
    if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found):
        raise BundleError(f"the saved setting {name!r} is no finite number")
    return float(found)


def read_array(
    arrays: Mapping[str, NDArray[Any]], name: str, *, dtype: str, size: int | None = None
) -> NDArray[Any]:
    """Return a one-dimensional array of a known type; floats must be finite.

    Parameters
    ----------
    arrays
        The arrays that were read.
    name
        Which one.
    dtype
        Its type, exactly, such as ``"float64"``.
    size
        Its length, if it is known.

    Raises
    ------
    BundleError
        It is missing, or of another type, shape or length, or not finite.

    Examples
    --------
    >>> read_array({"knots": np.array([0.0, 1.0])}, "knots", dtype="float64", size=2)
    array([0., 1.])
    """
    found = arrays.get(name)
    if not isinstance(found, np.ndarray):
        raise BundleError(f"the saved array {name!r} is missing")
    if found.dtype != np.dtype(dtype) or found.ndim != 1:
        raise BundleError(f"the saved array {name!r} is not one-dimensional {dtype}")
    if size is not None and len(found) != size:
        raise BundleError(f"the saved array {name!r} has {len(found)} items, not {size}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise BundleError(f"the saved array {name!r} holds values that are not finite")
    return np.ascontiguousarray(found)

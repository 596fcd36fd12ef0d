"""Checked access to the settings and arrays of an untrusted model file.

Each value is checked before use; the error names the setting.
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
    """Return a setting that is one of the names in `among`.

    Raises
    ------
    BundleError
        It is missing or a different value.

    Examples
    --------
    >>> read_choice({"method": "platt"}, "method", among=("platt", "beta"))
    'platt'
    """
    value = settings.get(name)
    if not isinstance(value, str) or value not in among:
        raise BundleError(f"the saved setting {name!r} must be one of {', '.join(among)}")
    return value


def read_integer(settings: Mapping[str, Any], name: str, *, low: int, high: int) -> int:
    """Return a setting that is an integer from `low` to `high`.

    Raises
    ------
    BundleError
        It is missing, not an integer, or out of range.

    Examples
    --------
    >>> read_integer({"n_features": 3}, "n_features", low=1, high=9)
    3
    """
    value = settings.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BundleError(f"the saved setting {name!r} must be an integer from {low} to {high}")
    return value


def read_number(settings: Mapping[str, Any], name: str) -> float:
    """Return a setting that is a finite number.

    Raises
    ------
    BundleError
        It is missing, not a number, or not finite.

    Examples
    --------
    >>> read_number({"bias": -0.5}, "bias")
    -0.5
    """
    value = settings.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise BundleError(f"the saved setting {name!r} must be a finite number")
    return float(value)


def read_array(
    arrays: Mapping[str, NDArray[Any]], name: str, *, dtype: str, size: int | None = None
) -> NDArray[Any]:
    """Return a one-dimensional array of the given type; floats must be finite.

    Parameters
    ----------
    arrays
        The arrays of the file.
    name
        Name of the array.
    dtype
        Its exact type, such as ``"float64"``.
    size
        Its length; not checked if not given.

    Raises
    ------
    BundleError
        It is missing, has a different type, shape or length, or is not finite.

    Examples
    --------
    >>> read_array({"knots": np.array([0.0, 1.0])}, "knots", dtype="float64", size=2)
    array([0., 1.])
    """
    array = arrays.get(name)
    if not isinstance(array, np.ndarray):
        raise BundleError(f"the saved array {name!r} is missing")
    if array.dtype != np.dtype(dtype) or array.ndim != 1:
        raise BundleError(f"the saved array {name!r} is not one-dimensional {dtype}")
    if size is not None and len(array) != size:
        raise BundleError(f"the saved array {name!r} has {len(array)} items, not {size}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BundleError(f"the saved array {name!r} has values that are not finite")
    return np.ascontiguousarray(array)

"""Training ranges of features, rounded so that no single value is disclosed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["training_ranges"]

_MIN_CUSTOMERS = 10
_DIGITS = 2


def training_ranges(
    X: NDArray[np.float64], *, categorical: Collection[int] = ()
) -> NDArray[np.float64]:
    """Compute the range of each column, without its extreme values.

    The limits are the tenth smallest and the tenth largest number, rounded outwards to two
    significant digits, so no limit is one customer's number.

    Parameters
    ----------
    X
        Encoded training rows, shape (n, f).
    categorical
        Indices of the columns with category codes.

    Returns
    -------
    numpy.ndarray
        Lower and upper limits, shape (f, 2); infinite for categories, and for columns with
        fewer than 20 numbers.

    Examples
    --------
    >>> training_ranges(np.arange(1000.0)[:, None])
    array([[  9., 990.]])
    """
    ranges = np.tile([-np.inf, np.inf], (X.shape[1], 1))
    for column in set(range(X.shape[1])) - set(categorical):
        numbers = np.sort(X[:, column][np.isfinite(X[:, column])])
        if len(numbers) >= 2 * _MIN_CUSTOMERS:
            ranges[column] = (
                _round(numbers[_MIN_CUSTOMERS - 1], np.floor),
                _round(numbers[-_MIN_CUSTOMERS], np.ceil),
            )
    return ranges


def _round(number: float, rounding: np.ufunc) -> float:
    if number == 0:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(number))) - _DIGITS + 1)
    return float(rounding(number / step) * step)

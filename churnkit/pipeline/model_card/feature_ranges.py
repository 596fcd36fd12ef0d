"""Which numbers a model was trained on, told without telling any customer's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["training_ranges"]

_CUSTOMERS = 10
_DIGITS = 2


def training_ranges(
    X: NDArray[np.float64], *, categorical: Collection[int] = ()
) -> NDArray[np.float64]:
    """Find for each column the range that all but a few training customers lie in.

    The limits are the tenth least and the tenth greatest number, rounded away from each other
    to two digits: no limit is one customer's number.

    Parameters
    ----------
    X
        Encoded training rows, (n, f).
    categorical
        The columns that hold codes of categories.

    Returns
    -------
    (f, 2): least and greatest; infinite for categories, and where too few customers have a
    number.

    Examples
    --------
    >>> training_ranges(np.arange(1000.0)[:, None])
    array([[  9., 990.]])
    """
    ranges = np.tile([-np.inf, np.inf], (X.shape[1], 1))
    for column in set(range(X.shape[1])) - set(categorical):
        known = np.sort(X[:, column][np.isfinite(X[:, column])])
        if len(known) >= 2 * _CUSTOMERS:
            ranges[column] = (
                _round(known[_CUSTOMERS - 1], np.floor),
                _round(known[-_CUSTOMERS], np.ceil),
            )
    return ranges


def _round(number: float, to: np.ufunc) -> float:
    if number == 0:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(number))) - _DIGITS + 1)
    return float(to(number / step) * step)

"""Weighted quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["weighted_quantiles"]


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], shares: ArrayLike
) -> NDArray[np.float64]:
    """Return the smallest values with at least the given shares of the weight at or below them.

    An integer weight is equivalent to repeating the value.

    Parameters
    ----------
    values, weights : (n,) with n of at least 1 and weights above 0
    shares : (k,) between 0 and 1

    Returns
    -------
    quantiles : (k,) elements of `values`

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), [0.25, 0.5])
    array([1., 2.])
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    # Slightly below each share: rounding of the sums must not select the next value.
    targets = np.asarray(shares, dtype=np.float64) * cumulative[-1] * (1 - 1e-12)
    quantiles: NDArray[np.float64] = values[order][np.searchsorted(cumulative, targets)]
    return quantiles

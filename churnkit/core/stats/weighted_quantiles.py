"""Quantiles of weighted values, in which a weight of two is the value twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["weighted_quantiles"]


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], shares: ArrayLike
) -> NDArray[np.float64]:
    """Return the smallest value that has at least each share of the weight at or below it.

    Parameters
    ----------
    values, weights : (n,) one or more, weights above zero
    shares : (k,) from 0 to 1

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), [0.25, 0.5])
    array([1., 2.])
    """
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order])
    # A hair below each share, or the rounding of a sum would move it to the next value.
    wanted = np.asarray(shares, dtype=np.float64) * passed[-1] * (1 - 1e-12)
    found: NDArray[np.float64] = values[order][np.searchsorted(passed, wanted)]
    return found

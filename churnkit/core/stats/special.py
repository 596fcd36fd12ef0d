"""Numerically stable special functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NORMAL_95", "expit", "softplus", "wilson_interval"]

# The 97.5% quantile of the standard normal distribution: half the width of a 95% interval.
NORMAL_95 = 1.959963984540054


def softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``log(1 + exp(x))`` without overflow.

    Examples
    --------
    >>> softplus(np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    value: NDArray[np.float64] = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
    return value


def expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-x))`` without overflow, precise for very negative `x`.

    Examples
    --------
    >>> expit(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    value: NDArray[np.float64] = np.exp(x - softplus(x))
    return value


def wilson_interval(
    rate: NDArray[np.float64] | float, size: NDArray[np.float64] | float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95% score interval of a proportion, sound at 0 and 1 and in small samples.

    Parameters
    ----------
    rate : (n,) proportions
    size : (n,) numbers of trials, above 0; an effective size need not be whole

    Returns
    -------
    low, high : (n,) bounds between 0 and 1

    References
    ----------
    E. B. Wilson (1927), JASA 22(158), doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson_interval(np.array([0.0]), np.array([10.0]))
    >>> low, high.round(4)
    (array([0.]), array([0.2775]))
    """
    rate, size = np.asarray(rate, dtype=np.float64), np.asarray(size, dtype=np.float64)
    z = NORMAL_95
    center = (rate + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(rate * (1 - rate) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)

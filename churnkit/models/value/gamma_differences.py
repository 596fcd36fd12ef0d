"""Differences of log-gamma and digamma functions at large arguments, without cancellation.

The asymptotic series are subtracted term by term: subtracting the function values would lose most
digits of a survival ratio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import digamma, gammaln

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["digamma_difference", "log_gamma_difference"]

_LARGE = 20.0  # the series below are exact to machine precision from here on


def log_gamma_difference(z: NDArray[np.float64], alpha: Any) -> NDArray[np.float64]:
    """Return ``log(gamma(z + alpha) / gamma(z))``, (n,), for z (n,) and alpha (n,) or a number above 0.

    Examples
    --------
    >>> log_gamma_difference(np.array([2.0, 1e18]), 1.0) - np.log([2.0, 1e18])
    array([0., 0.])
    """
    large = np.maximum(z, _LARGE)
    series = (
        (large + alpha - 0.5) * np.log1p(alpha / large)
        + alpha * (np.log(large) - 1)
        + _log_gamma_remainder(large + alpha)
        - _log_gamma_remainder(large)
    )
    difference: NDArray[np.float64] = np.where(z >= _LARGE, series, gammaln(z + alpha) - gammaln(z))
    return difference


def digamma_difference(z: NDArray[np.float64], alpha: Any) -> NDArray[np.float64]:
    """Return ``digamma(z + alpha) - digamma(z)``, (n,), for z (n,) and alpha (n,) or a number above 0.

    Examples
    --------
    >>> bool(np.isclose(digamma_difference(np.array([1e18]), 1.0)[0], 1e-18, rtol=1e-12))
    True
    """
    large = np.maximum(z, _LARGE)
    series = (
        np.log1p(alpha / large)
        + alpha / (2 * large * (large + alpha))
        + _digamma_remainder(large + alpha)
        - _digamma_remainder(large)
    )
    difference: NDArray[np.float64] = np.where(z >= _LARGE, series, digamma(z + alpha) - digamma(z))
    return difference


def _log_gamma_remainder(z: NDArray[np.float64]) -> NDArray[np.float64]:
    square = 1 / z**2
    remainder: NDArray[np.float64] = (
        1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))
    ) / z
    return remainder


def _digamma_remainder(z: NDArray[np.float64]) -> NDArray[np.float64]:
    square = 1 / z**2
    remainder: NDArray[np.float64] = -square * (
        1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240))
    )
    return remainder

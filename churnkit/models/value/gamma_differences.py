"""Differences of gamma functions at large arguments, without cancellation.

Survival is a ratio of gamma functions, and the chance to leave in one period the difference of
two survivals: subtracting large logarithms there would leave few digits, or none. Instead the
asymptotic series are subtracted term by term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma, gammaln

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["digamma_step", "log_gamma_step"]

_LARGE = 20.0  # from here on the series below are exact to the last digits


def log_gamma_step(z: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Return ``log(gamma(z + alpha) / gamma(z))``, (n,), for z (n,) and alpha above 0.

    Examples
    --------
    >>> log_gamma_step(np.array([2.0, 1e18]), 1.0) - np.log([2.0, 1e18])
    array([0., 0.])
    """
    large = np.maximum(z, _LARGE)
    series = (
        (large + alpha - 0.5) * np.log1p(alpha / large)
        + alpha * (np.log(large) - 1)
        + _log_gamma_rest(large + alpha)
        - _log_gamma_rest(large)
    )
    step: NDArray[np.float64] = np.where(z >= _LARGE, series, gammaln(z + alpha) - gammaln(z))
    return step


def digamma_step(z: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Return ``digamma(z + alpha) - digamma(z)``, (n,), for z (n,) and alpha above 0.

    Examples
    --------
    >>> bool(np.isclose(digamma_step(np.array([1e18]), 1.0)[0], 1e-18, rtol=1e-12))
    True
    """
    large = np.maximum(z, _LARGE)
    series = (
        np.log1p(alpha / large)
        + alpha / (2 * large * (large + alpha))
        + _digamma_rest(large + alpha)
        - _digamma_rest(large)
    )
    step: NDArray[np.float64] = np.where(z >= _LARGE, series, digamma(z + alpha) - digamma(z))
    return step


def _log_gamma_rest(z: NDArray[np.float64]) -> NDArray[np.float64]:
    square = 1 / z**2
    rest: NDArray[np.float64] = (
        1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))
    ) / z
    return rest


def _digamma_rest(z: NDArray[np.float64]) -> NDArray[np.float64]:
    square = 1 / z**2
    rest: NDArray[np.float64] = -square * (
        1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240))
    )
    return rest

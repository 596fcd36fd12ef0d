"""Maximum likelihood estimation of positive parameters.

The search runs on the logarithms of the parameters, with gradients in closed form.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize
from scipy.special import ndtri
from sklearn.exceptions import ConvergenceWarning

from churnkit.core.stats.interval import Interval
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["MaximumLikelihood", "maximize_likelihood"]

# Bound of the log parameters: beyond e ** 14, about a million, a parameter counts as unbounded.
_MAX_LOG = 14.0
_NEWTON_STEPS = 30


@dataclass(frozen=True)
class MaximumLikelihood:
    """Maximum likelihood estimate with its covariance.

    Parameters
    ----------
    names
        Of the parameters.
    estimate : (k,) on the natural scale
    covariance : (k, k) of the log parameters
        The inverse of the observed information; NaN if the likelihood is flat.
    log_likelihood
        At the estimate.
    at_edge
        Parameters that the data do not bound.
    """

    names: tuple[str, ...]
    estimate: NDArray[np.float64]
    covariance: NDArray[np.float64]
    log_likelihood: float
    at_edge: tuple[str, ...] = ()

    def standard_errors(self) -> NDArray[np.float64]:
        """Return the parameters' standard errors (k,), by the delta method."""
        with np.errstate(invalid="ignore"):
            errors: NDArray[np.float64] = self.estimate * np.sqrt(np.diag(self.covariance))
        return errors

    def intervals(self, level: float) -> dict[str, Interval]:
        """Return Wald intervals, symmetric on the log scale."""
        if not 0 < level < 1:
            raise ModelDataError(f"level must be between 0 and 1, got {level}")
        factors = np.exp(ndtri((1 + level) / 2) * self.standard_errors() / self.estimate)
        return {
            name: Interval(float(value), float(value / factor), float(value * factor))
            for name, value, factor in zip(self.names, self.estimate, factors, strict=True)
        }

    def draws(self, count: int, seed: int) -> NDArray[np.float64]:
        """Draw parameters (count, k) from the normal distribution of their logarithms."""
        if not np.isfinite(self.covariance).all():
            raise ModelDataError(
                "the likelihood is flat in "
                + ", ".join(self.at_edge or self.names)
                + ", so there are no intervals: use more customers or a longer history"
            )
        generator = np.random.default_rng(seed)
        # The symmetric root does not depend on the signs of the eigenvectors.
        scale, directions = np.linalg.eigh(self.covariance)
        root = (directions * np.sqrt(np.maximum(scale, 0.0))) @ directions.T
        steps = generator.standard_normal((count, len(self.estimate))) @ root
        drawn: NDArray[np.float64] = self.estimate * np.exp(steps)
        return drawn


def maximize_likelihood(
    log_likelihood: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    names: Sequence[str],
    starts: Sequence[Sequence[float]],
    *,
    weight: float,
) -> MaximumLikelihood:
    """Maximize a log-likelihood.

    L-BFGS-B from each start, then Newton steps from the best result, with the Hessian from
    differences of the gradient.

    Parameters
    ----------
    log_likelihood
        Returns the value and its gradient (k,) at parameters (k,) on the natural scale.
    names
        Of the parameters.
    starts
        Starting points.
    weight
        Number of customers in the likelihood.

    Returns
    -------
    MaximumLikelihood

    Warns
    -----
    ConvergenceWarning
        A parameter diverges to infinity or to zero.
    """

    def loss(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        natural = np.exp(logs)
        value, gradient = log_likelihood(natural)
        return -value / weight, -gradient * natural / weight

    bounds = [(-_MAX_LOG, _MAX_LOG)] * len(names)
    results = [
        optimize.minimize(
            loss,
            np.log(np.asarray(start, dtype=np.float64)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 1000, "ftol": 1e-11, "gtol": 1e-5},
        )
        for start in starts
    ]
    best = min(results, key=lambda result: float(result.fun))
    logs, curvature = _refine(loss, np.asarray(best.x, dtype=np.float64))
    edge = tuple(name for name, log in zip(names, logs, strict=True) if abs(log) > _MAX_LOG - 0.5)
    if edge:
        warnings.warn(
            f"the data do not determine {', '.join(edge)}: a simpler model fits equally well. "
            "Use more customers or a longer history before relying on the parameters",
            ConvergenceWarning,
            stacklevel=4,
        )
    return MaximumLikelihood(
        tuple(names),
        np.exp(logs),
        _covariance(curvature * weight),
        -loss(logs)[0] * weight,
        edge,
    )


def _refine(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    logs: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    value, gradient = loss(logs)
    curvature = _curvature(loss, logs)
    for _ in range(_NEWTON_STEPS):
        if np.abs(gradient).max() < 1e-12 or np.linalg.eigvalsh(curvature)[0] <= 1e-12:
            break
        step = np.clip(logs - np.linalg.solve(curvature, gradient), -_MAX_LOG, _MAX_LOG)
        step_value, step_gradient = loss(step)
        # Near the optimum, rounding hides improvements of the value but not of the gradient.
        worse = step_value > value + 1e-13 * (1 + abs(value))
        if worse or not np.abs(step_gradient).max() < np.abs(gradient).max():
            break
        logs, value, gradient = step, step_value, step_gradient
        curvature = _curvature(loss, logs)
    return logs, curvature


def _curvature(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    logs: NDArray[np.float64],
) -> NDArray[np.float64]:
    step = 1e-4
    differences = np.array(
        [
            (loss(logs + shift)[1] - loss(logs - shift)[1]) / (2 * step)
            for shift in np.eye(len(logs)) * step
        ]
    )
    symmetric: NDArray[np.float64] = (differences + differences.T) / 2
    return symmetric


def _covariance(information: NDArray[np.float64]) -> NDArray[np.float64]:
    smallest = np.linalg.eigvalsh(information)[0]
    if not smallest > 1e-9 * max(1.0, float(np.abs(information).max())):
        return np.full_like(information, np.nan)
    covariance: NDArray[np.float64] = np.linalg.inv(information).astype(np.float64)
    return (covariance + covariance.T) / 2

"""Maximum likelihood for models whose parameters are all positive.

The search runs on the logarithms of the parameters, so that no bound can be crossed, with the
gradients that each model gives in closed form.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize
from scipy.special import ndtri
from sklearn.exceptions import ConvergenceWarning

from churnkit.evaluation import Interval
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["MaximumLikelihood", "maximize_likelihood"]

# e ** 14 is a million: beyond it, and below its inverse, a parameter says "infinite" or "none".
_REACH = 14.0
_NEWTON_STEPS = 30


@dataclass(frozen=True)
class MaximumLikelihood:
    """The parameters at the maximum, and how sharply the data point to them.

    Parameters
    ----------
    names
        Of the parameters.
    estimate : (k,) natural scale
    covariance : (k, k) of the parameters' logarithms
        The inverse of the observed information; NaN where the likelihood is flat.
    log_likelihood
        At the estimate.
    at_edge
        Parameters that the data push beyond every finite value.
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
        """Return Wald intervals, symmetric on the scale of the logarithms."""
        if not 0 < level < 1:
            raise ModelDataError(f"level is {level}, and must lie between 0 and 1")
        reach = ndtri((1 + level) / 2) * self.standard_errors() / self.estimate
        return {
            name: Interval(float(value), float(value * np.exp(-each)), float(value * np.exp(each)))
            for name, value, each in zip(self.names, self.estimate, reach, strict=True)
        }

    def draws(self, count: int, seed: int) -> NDArray[np.float64]:
        """Draw parameters (count, k) from the normal law of their logarithms."""
        if not np.isfinite(self.covariance).all():
            raise ModelDataError(
                "the likelihood is flat in "
                + ", ".join(self.at_edge or self.names)
                + ", so there are no intervals: give the model more customers or a longer history"
            )
        generator = np.random.default_rng(seed)
        # The symmetric root is one and the same whatever the signs of the eigenvectors.
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
    """Find the parameters of the highest likelihood.

    L-BFGS-B comes near from each start; Newton steps, whose curvature is taken from
    differences of the gradient, settle the best of them.

    Parameters
    ----------
    log_likelihood
        Gives the value and its gradient (k,) at parameters (k,), both on the natural scale.
    names
        Of the parameters.
    starts
        Where to begin.
    weight
        How many customers the likelihood sums over.

    Warns
    -----
    ConvergenceWarning
        A parameter runs to infinity or to zero: the data hold too little to place it.
    """

    def loss(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        natural = np.exp(logs)
        value, gradient = log_likelihood(natural)
        return -value / weight, -gradient * natural / weight

    bounds = [(-_REACH, _REACH)] * len(names)
    tried = [
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
    best = min(tried, key=lambda each: float(each.fun))
    logs, curvature = _settled(loss, np.asarray(best.x, dtype=np.float64))
    edge = tuple(name for name, at in zip(names, logs, strict=True) if abs(at) > _REACH - 0.5)
    if edge:
        warnings.warn(
            f"the data do not bound {', '.join(edge)}: a simpler model says the same. "
            "Take more customers or a longer history before you trust the parameters",
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


def _settled(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    logs: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    value, gradient = loss(logs)
    curvature = _curvature(loss, logs)
    for _ in range(_NEWTON_STEPS):
        if np.abs(gradient).max() < 1e-12 or np.linalg.eigvalsh(curvature)[0] <= 1e-12:
            break
        reached = np.clip(logs - np.linalg.solve(curvature, gradient), -_REACH, _REACH)
        moved_value, moved_gradient = loss(reached)
        # Rounding hides an improvement of the value long before one of the gradient.
        worse = moved_value > value + 1e-13 * (1 + abs(value))
        if worse or not np.abs(moved_gradient).max() < np.abs(gradient).max():
            break
        logs, value, gradient = reached, moved_value, moved_gradient
        curvature = _curvature(loss, logs)
    return logs, curvature


def _curvature(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    logs: NDArray[np.float64],
) -> NDArray[np.float64]:
    step = 1e-4
    found = np.array(
        [
            (loss(logs + each)[1] - loss(logs - each)[1]) / (2 * step)
            for each in np.eye(len(logs)) * step
        ]
    )
    symmetric: NDArray[np.float64] = (found + found.T) / 2
    return symmetric


def _covariance(information: NDArray[np.float64]) -> NDArray[np.float64]:
    least = np.linalg.eigvalsh(information)[0]
    if not least > 1e-9 * max(1.0, float(np.abs(information).max())):
        return np.full_like(information, np.nan)
    covariance: NDArray[np.float64] = np.linalg.inv(information).astype(np.float64)
    return (covariance + covariance.T) / 2

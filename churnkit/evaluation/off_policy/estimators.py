"""Estimators of a policy's value from another policy's log, as means over rows.

Each is linearized to one contribution per row, so that two policies can be compared row by row.
With ``w = policy / propensity`` of the logged arm, ``r`` the reward and ``q`` its prediction:

=============  ==================================================================
dm             ``mean(sum_a policy_a q_a)``
ips            ``mean(w r)``
snips          ``sum(w r) / sum(w)``
dr             ``dm + mean(w (r - q))``
sndr           ``dm + sum(w (r - q)) / sum(w)``
switch_dr      as dr, without the rows of ``w > tau``
dr_shrinkage   as dr, with ``lambda w / (w ** 2 + lambda)`` for w
=============  ==================================================================

References
----------
Dudik, Erhan, Langford, Li (2014), Statistical Science 29, doi:10.1214/14-STS500.
Wang, Agarwal, Dudik (2017), ICML, arXiv:1612.01205 (switch).
Su, Dimakopoulou, Krishnamurthy, Dudik (2020), ICML, arXiv:1907.09623 (shrinkage).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["ESTIMATORS", "EstimatorRows", "estimator_rows", "on_policy_rows"]

ESTIMATORS = ("dm", "ips", "snips", "dr", "sndr", "switch_dr", "dr_shrinkage")
_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class EstimatorRows:
    """An estimator on the rows of a log.

    Attributes
    ----------
    rows : (n,) contribution of each row, linearized; their mean is the estimate
    weight : (n,) change of the contribution per unit of the row's reward
    setting
        The tuned weight of ``switch_dr`` and ``dr_shrinkage``.
    """

    rows: NDArray[np.float64]
    weight: NDArray[np.float64]
    setting: float | None = None

    @property
    def value(self) -> float:
        """The estimate."""
        return float(self.rows.mean())

    def __sub__(self, other: EstimatorRows) -> EstimatorRows:
        return EstimatorRows(self.rows - other.rows, self.weight - other.weight)


def estimator_rows(
    log: PolicyLog, policy: NDArray[np.float64], expected: NDArray[np.float64]
) -> dict[str, EstimatorRows]:
    """Return all estimators of a policy's value.

    Parameters
    ----------
    log
        Logged decisions.
    policy : (n, arms) probabilities of the policy to be evaluated
    expected : (n, arms) predicted rewards, each by a model that did not see its row

    Returns
    -------
    dict
        Name to `EstimatorRows`.

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> log = PolicyLog.from_columns([0, 1, 1], [0.5, 0.5, 0.5], [0.0, 1.0, 0.0])
    >>> estimators = estimator_rows(log, np.tile([0.0, 1.0], (3, 1)), np.full((3, 2), 0.5))
    >>> {name: round(estimators[name].value, 4) for name in ("dm", "ips", "snips", "dr")}
    {'dm': 0.5, 'ips': 0.6667, 'snips': 0.5, 'dr': 0.5}
    """
    rows = np.arange(len(log))
    weight = policy[rows, log.action] / log.propensity
    normalized = weight / max(float(weight.mean()), _TINY)
    model = np.einsum("na,na->n", policy, expected)
    residual = log.reward - expected[rows, log.action]
    switched, threshold = _tune(model, residual, weight, _switch)
    shrunk, strength = _tune(model, residual, weight, _shrink)
    mean_reward = float((normalized * log.reward).mean())
    mean_residual = float((normalized * residual).mean())
    # A ratio of means R = mean(w r) / mean(w) has the linearized rows R + w (r - R) / mean(w).
    return {
        "dm": EstimatorRows(model, np.zeros(len(log))),
        "ips": EstimatorRows(weight * log.reward, weight),
        "snips": EstimatorRows(mean_reward + normalized * (log.reward - mean_reward), normalized),
        "dr": EstimatorRows(model + weight * residual, weight),
        "sndr": EstimatorRows(
            model + mean_residual + normalized * (residual - mean_residual), normalized
        ),
        "switch_dr": EstimatorRows(model + switched * residual, switched, threshold),
        "dr_shrinkage": EstimatorRows(model + shrunk * residual, shrunk, strength),
    }


def on_policy_rows(log: PolicyLog) -> EstimatorRows:
    """Return the mean reward of the log as an estimator."""
    return EstimatorRows(log.reward, np.ones(len(log)))


def _switch(weight: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    return np.where(weight <= at, weight, 0.0)


def _shrink(weight: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    # A weight of `at` is halved: lambda is its square.
    return at**2 * weight / (weight**2 + at**2) if np.isfinite(at) else weight


def _tune(
    model: NDArray[np.float64],
    residual: NDArray[np.float64],
    weight: NDArray[np.float64],
    modify: Callable[[NDArray[np.float64], float], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], float]:
    """Modify the weights so that squared bias plus variance is least.

    The bias is bounded on the same rows: the mean of ``(modified - weight) * residual`` plus its
    standard error. Unmodified weights, which are unbiased, are a candidate too.
    """
    positive = weight[weight > 0]
    candidates = [np.inf]
    if len(positive):
        candidates += np.unique(np.quantile(positive, _QUANTILES)).tolist()
        candidates += [10 * float(positive.max()), 100 * float(positive.max())]
    best, least, setting = weight, np.inf, np.inf
    for candidate in candidates:
        modified = modify(weight, candidate)
        difference = (modified - weight) * residual
        bias = abs(float(difference.mean())) + float(difference.std()) / np.sqrt(len(weight))
        error = bias**2 + float(np.var(model + modified * residual)) / len(weight)
        if error < least:
            best, least, setting = modified, error, candidate
    return best, setting

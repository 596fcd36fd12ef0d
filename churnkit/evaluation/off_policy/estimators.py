"""Estimators of a policy's value from another policy's log, as sums over rows.

Each is a sum of ratios of row sums, so one resampling scheme serves them all and two policies
can be compared row by row. With ``w = policy / propensity`` of the logged arm, ``r`` the reward
and ``q`` its prediction:

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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["ESTIMATORS", "EstimatorTerms", "RowSums", "estimator_terms"]

ESTIMATORS = ("dm", "ips", "snips", "dr", "sndr", "switch_dr", "dr_shrinkage")
_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


class RowSums(NamedTuple):
    """The ratio ``sum(numerator) / sum(denominator)``; a denominator of None counts rows."""

    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class EstimatorTerms:
    """An estimator on the rows of a log: the ratios that it sums, and its tuned setting."""

    terms: tuple[RowSums, ...]
    setting: float | None = None

    @property
    def value(self) -> float:
        """The estimate."""
        return sum(
            float(
                term.numerator.mean()
                if term.denominator is None
                else term.numerator.sum() / max(float(term.denominator.sum()), _TINY)
            )
            for term in self.terms
        )

    @property
    def rows(self) -> NDArray[np.float64]:
        """Contribution of each row, (n,), linearized: their mean is the estimate."""
        total = np.zeros(len(self.terms[0].numerator))
        for term in self.terms:
            if term.denominator is None:
                total += term.numerator
            else:
                mean = max(float(term.denominator.mean()), _TINY)
                ratio = float(term.numerator.mean()) / mean
                total += ratio + (term.numerator - ratio * term.denominator) / mean
        return total


_TINY = float(np.finfo(np.float64).tiny)


def estimator_terms(
    log: PolicyLog, policy: NDArray[np.float64], expected: NDArray[np.float64]
) -> dict[str, EstimatorTerms]:
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
        Name to `EstimatorTerms`.

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> log = PolicyLog.from_columns([0, 1, 1], [0.5, 0.5, 0.5], [0.0, 1.0, 0.0])
    >>> terms = estimator_terms(log, np.tile([0.0, 1.0], (3, 1)), np.full((3, 2), 0.5))
    >>> {name: round(terms[name].value, 4) for name in ("dm", "ips", "snips", "dr")}
    {'dm': 0.5, 'ips': 0.6667, 'snips': 0.5, 'dr': 0.5}
    """
    rows = np.arange(len(log))
    weight = policy[rows, log.action] / log.propensity
    model = np.einsum("na,na->n", policy, expected)
    residual = log.reward - expected[rows, log.action]
    switched, threshold = _tune(model, residual, weight, _switch)
    shrunk, strength = _tune(model, residual, weight, _shrink)
    return {
        "dm": EstimatorTerms((RowSums(model),)),
        "ips": EstimatorTerms((RowSums(weight * log.reward),)),
        "snips": EstimatorTerms((RowSums(weight * log.reward, weight),)),
        "dr": EstimatorTerms((RowSums(model + weight * residual),)),
        "sndr": EstimatorTerms((RowSums(model), RowSums(weight * residual, weight))),
        "switch_dr": EstimatorTerms((RowSums(model + switched * residual),), threshold),
        "dr_shrinkage": EstimatorTerms((RowSums(model + shrunk * residual),), strength),
    }


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

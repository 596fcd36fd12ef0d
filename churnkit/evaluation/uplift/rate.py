"""Doubly robust scores, the value of a policy, and rank-weighted average treatment effects.

A score estimates one customer's outcome under one action, from an experiment with known
propensities and a predicted outcome; it is unbiased if either is right:

    score[i, a] = forecast[i, a] + 1{treatment[i] = a} (y[i] - forecast[i, a]) / propensity[i]
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.validation import EvaluationError, refuse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Rate", "doubly_robust_scores", "paired_value", "rank_average_effect", "toc_curve"]


def doubly_robust_scores(
    y: ArrayLike, treatment: ArrayLike, propensity: ArrayLike, forecast: ArrayLike
) -> NDArray[np.float64]:
    """Estimate each customer's outcome under each action of an experiment: (n, arms).

    Parameters
    ----------
    y : (n,)
        Outcomes.
    treatment : (n,)
        Arms, 0 for control.
    propensity : (n,)
        Probability of the assigned arm.
    forecast : (n, arms)
        Outcomes predicted by a model that did not see the row.

    Returns
    -------
    (n, arms)
        Score of each customer under each arm.

    Raises
    ------
    EvaluationError
        Shapes differ, or a propensity is not above 0 and at most 1.

    References
    ----------
    J. Robins, A. Rotnitzky, L. Zhao, Estimation of regression coefficients when some regressors
    are not always observed, JASA 1994, doi:10.1080/01621459.1994.10476818.

    Examples
    --------
    >>> doubly_robust_scores([1.0, 0.0], [1, 0], [0.5, 0.5], [[0.25, 0.5], [0.25, 0.5]]).tolist()
    [[0.25, 1.5], [-0.25, 0.5]]
    """
    outcome, chance = (np.asarray(part, dtype=np.float64) for part in (y, propensity))
    scores = np.array(forecast, dtype=np.float64)
    arm = np.asarray(treatment, dtype=np.int64)
    if scores.ndim != 2 or not outcome.shape == chance.shape == arm.shape == scores.shape[:1]:
        raise EvaluationError("y, treatment and propensity must be (n,), forecast (n, arms)")
    if len(arm) and not 0 <= arm.min() <= arm.max() < scores.shape[1]:
        raise EvaluationError("treatment contains an arm that forecast has no column for")
    refuse(~((chance > 0.0) & (chance <= 1.0)), "propensities are not above 0 and at most 1")
    rows = np.arange(len(arm))
    scores[rows, arm] += (outcome - scores[rows, arm]) / chance
    return scores


def paired_value(
    scores: NDArray[np.float64],
    action: ArrayLike,
    baseline: ArrayLike = 0,
    *,
    groups: NDArray[np.int64] | None = None,
    level: float = 0.95,
) -> Interval:
    """Estimate the gain of a policy over a baseline per customer, with a paired interval.

    Both are measured on the same customers, so decisions that they share add no noise.

    Parameters
    ----------
    scores : (n, arms)
        Result of `doubly_robust_scores`, or amounts of money made of them.
    action : (n,) or int
        The policy's arm.
    baseline : (n,) or int
        The baseline's arm.
    groups : (n,)
        Number of each row's customer, from 0.
    level
        Confidence level of the interval.

    Returns
    -------
    Interval
        Mean gain per customer, with its interval.

    Examples
    --------
    >>> scores = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, -1.0]])
    >>> paired_value(scores, [1, 1, 0]).value
    1.0
    """
    rows = np.arange(len(scores))
    arms = [np.broadcast_to(np.asarray(arm, np.int64), rows.shape) for arm in (action, baseline)]
    gained = scores[rows, arms[0]] - scores[rows, arms[1]]
    value = float(gained.mean())
    spread = NormalDist().inv_cdf(0.5 + level / 2) * _standard_error(gained, groups)
    return Interval(value, value - spread, value + spread)


@dataclass(frozen=True, slots=True)
class Rate(Result):
    """A rank-weighted average effect: above zero if customers ranked higher gain more.

    Parameters
    ----------
    target
        ``"autoc"`` for effects that are large for few, ``"qini"`` for effects spread over many.
    estimate
        The effect with its half-sample interval.
    """

    target: str
    estimate: Interval

    @property
    def found(self) -> bool:
        """True if the interval lies above zero: effects differ, and the ranking predicts them."""
        return self.estimate.low > 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able data."""
        return {"target": self.target, **self.estimate.to_dict(), "found": self.found}


def toc_curve(effect: ArrayLike, priority: ArrayLike) -> NDArray[np.float64]:
    """Compute the targeting operator characteristic, (n,).

    Entry k is the mean effect among the k + 1 customers of highest priority minus that of all.

    Parameters
    ----------
    effect : (n,)
        Doubly robust scores of the effect: of an action minus those of control.
    priority : (n,)
        Predicted effect; ties share their mean.

    Returns
    -------
    (n,)
        Difference at each rank.

    Examples
    --------
    >>> toc_curve([3.0, 1.0, -1.0], [0.9, 0.5, 0.1]).tolist()
    [2.0, 1.0, 0.0]
    """
    scores, rank = (np.asarray(part, dtype=np.float64) for part in (effect, priority))
    if scores.shape != rank.shape or scores.ndim != 1 or not len(scores):
        raise EvaluationError(f"effect {scores.shape} and priority {rank.shape} must be (n,)")
    order = np.argsort(-rank, kind="stable")
    return _toc(scores[order], rank[order])


def rank_average_effect(
    effect: ArrayLike,
    priority: ArrayLike,
    *,
    target: Literal["autoc", "qini"] = "autoc",
    groups: NDArray[np.int64] | None = None,
    resamples: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> Rate:
    """Test whether effects differ in the predicted order.

    ``AUTOC = integral of TOC(q) dq``, ``QINI = integral of q TOC(q) dq`` over shares q. The
    standard error is that over half-samples of the customers.

    Parameters
    ----------
    effect, priority
        As `toc_curve`; the predictions must not have seen the rows.
    target
        Weighting of the ranks.
    groups : (n,)
        Number of each row's customer, from 0; rows of a customer are drawn together.
    resamples, seed, level
        Number of half-samples, their seed, and the confidence level.

    Returns
    -------
    Rate
        The estimate with its interval.

    References
    ----------
    S. Yadlowsky, S. Fleming, N. Shah, E. Brunskill, S. Wager, Evaluating treatment
    prioritization rules via rank-weighted average treatment effects, JASA 2025,
    doi:10.1080/01621459.2024.2393466.

    Examples
    --------
    >>> rate = rank_average_effect(np.linspace(1, 0, 100), np.linspace(1, 0, 100))
    >>> round(rate.estimate.value, 2), rate.found
    (0.25, True)
    """
    if target not in {"autoc", "qini"}:
        raise EvaluationError(f"target must be 'autoc' or 'qini', got {target!r}")
    scores, rank = (np.asarray(part, dtype=np.float64) for part in (effect, priority))
    value = _rate(toc_curve(scores, rank), target)
    order = np.argsort(-rank, kind="stable")
    scores, rank = scores[order], rank[order]
    member = order if groups is None else np.asarray(groups)[order]
    rng, count = np.random.default_rng(seed), int(member.max()) + 1
    replicates = np.empty(resamples)
    for at in range(resamples):
        rows = (rng.permutation(count) < count // 2)[member]
        replicates[at] = _rate(_toc(scores[rows], rank[rows]), target) if rows.any() else value
    spread = NormalDist().inv_cdf(0.5 + level / 2) * float(replicates.std())
    return Rate(target, Interval(value, value - spread, value + spread))


def _toc(scores: NDArray[np.float64], rank: NDArray[np.float64]) -> NDArray[np.float64]:
    new = np.append(True, rank[1:] != rank[:-1])
    starts = np.flatnonzero(new)
    if len(starts) < len(rank):
        sizes = np.diff(np.append(starts, len(rank)))
        scores = np.repeat(np.add.reduceat(scores, starts) / sizes, sizes)
    tops: NDArray[np.float64] = np.cumsum(scores) / np.arange(1, len(scores) + 1)
    toc: NDArray[np.float64] = tops - tops[-1]
    return toc


def _rate(toc: NDArray[np.float64], target: str) -> float:
    if target == "autoc":
        return float(toc.mean())
    return float((toc * np.arange(1, len(toc) + 1)).mean() / len(toc))


def _standard_error(gained: NDArray[np.float64], groups: NDArray[np.int64] | None) -> float:
    centered = gained - gained.mean()
    sums = centered if groups is None else np.bincount(groups, centered)
    return float(np.sqrt(np.sum(sums**2)) / len(gained))

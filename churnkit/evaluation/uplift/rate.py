"""Doubly robust scores, the value of a policy, and rank-weighted average treatment effects.

A score estimates one customer's outcome under one action, from an experiment with known
propensities and a predicted outcome; it is unbiased if either is right:

    score[i, a] = forecast[i, a] + 1{treatment[i] = a} (y[i] - forecast[i, a]) / propensity[i]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.validation import EvaluationError, refuse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Standard errors given cross-fitted rankings are too small by up to this factor.
_CROSS_FITTED = math.sqrt(2.0)
_SMALLEST = 1e-300

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
        The effect with its interval.
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
    fold: NDArray[np.int64] | None = None,
    resamples: int = 400,
    seed: int = 0,
    level: float = 0.95,
) -> Rate:
    """Test whether effects differ in the predicted order.

    ``AUTOC = integral of TOC(q) dq``, ``QINI = integral of q TOC(q) dq`` over shares q: both are
    sums of the scores with weights by rank. The interval is studentized, with quantiles of the
    scores permuted among the customers: few customers have most of the weight, and scores of rare
    outcomes are skewed.

    Priorities that were cross-fitted are ranked within each fold: folds differ by how high the
    effects of the others happen to be, which would turn the order around. Two folds that agree by
    chance count twice, as each is ranked by what was learned from the other, so that without any
    effect the standard error is up to the square root of two larger (Wager 2024); it is multiplied
    by that.

    Parameters
    ----------
    effect, priority
        As `toc_curve`; the predictions must not have seen the rows.
    target
        Weighting of the ranks.
    groups : (n,)
        Number of each row's customer, from 0; their rows count as one draw.
    fold : (n,)
        Fold of each row, if the priorities of a fold were learned from the other folds.
    resamples, seed, level
        Number of permutations, their seed, and the confidence level.

    Returns
    -------
    Rate
        The estimate with its interval.

    References
    ----------
    S. Yadlowsky, S. Fleming, N. Shah, E. Brunskill, S. Wager, Evaluating treatment
    prioritization rules via rank-weighted average treatment effects, JASA 2025,
    doi:10.1080/01621459.2024.2393466. S. Wager, Sequential validation of treatment heterogeneity,
    2024, arXiv:2405.05534. A. Janssen, Studentized permutation tests for non-i.i.d. hypotheses,
    Statistics and Probability Letters 1997, doi:10.1016/S0167-7152(97)00043-6.

    Examples
    --------
    >>> rate = rank_average_effect(np.linspace(1, 0, 100), np.linspace(1, 0, 100))
    >>> round(rate.estimate.value, 2), rate.found
    (0.25, True)
    """
    if target not in {"autoc", "qini"}:
        raise EvaluationError(f"target must be 'autoc' or 'qini', got {target!r}")
    scores, rank = (np.asarray(part, dtype=np.float64) for part in (effect, priority))
    if scores.shape != rank.shape or scores.ndim != 1 or not len(scores):
        raise EvaluationError(f"effect {scores.shape} and priority {rank.shape} must be (n,)")
    parts = [np.arange(len(scores))]
    if fold is not None:
        parts = [np.flatnonzero(np.asarray(fold) == at) for at in np.unique(fold)]
    weight, centered = np.empty_like(scores), np.empty_like(scores)
    for rows in parts:
        weight[rows] = _rank_weights(rank[rows], target) * (len(rows) / len(scores))
        centered[rows] = scores[rows] - scores[rows].mean()
    value = float(weight @ scores)
    error = _clustered_norm(weight * centered, groups)
    error *= 1.0 if fold is None else _CROSS_FITTED
    if not error > 0.0:
        return Rate(target, Interval(value, value, value))
    low, high = _permuted_quantiles(
        [(weight[rows], centered[rows]) for rows in parts], resamples, seed=seed, level=level
    )
    return Rate(target, Interval(value, value - high * error, value - low * error))


def _permuted_quantiles(
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    resamples: int,
    *,
    seed: int,
    level: float,
) -> tuple[float, float]:
    """Return both quantiles of the studentized sum of weights times permuted scores."""
    rng, studentized = np.random.default_rng(seed), np.empty(resamples)
    weight = np.concatenate([part for part, _ in parts])
    for at in range(resamples):
        terms = weight * np.concatenate([rng.permutation(scores) for _, scores in parts])
        studentized[at] = terms.sum() / max(float(np.sqrt(terms @ terms)), _SMALLEST)
    low, high = np.quantile(studentized, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _rank_weights(rank: NDArray[np.float64], target: str) -> NDArray[np.float64]:
    """Return each row's weight in the rate, (n,); rows of equal rank share theirs."""
    n = len(rank)
    position = np.arange(1.0, n + 1.0)
    # Entry k of the curve is the mean of the first k rows minus that of all.
    share = position / n if target == "qini" else np.ones(n)
    by_rank = (np.cumsum((share / position)[::-1])[::-1] - share.mean()) / n
    order = np.argsort(-rank, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(rank[order]) != 0.0))
    sizes = np.diff(np.append(starts, n))
    weight = np.zeros(n)
    if len(starts) == 1:
        return weight
    weight[order] = np.repeat(np.add.reduceat(by_rank, starts) / sizes, sizes)
    return weight


def _toc(scores: NDArray[np.float64], rank: NDArray[np.float64]) -> NDArray[np.float64]:
    new = np.append(True, rank[1:] != rank[:-1])
    starts = np.flatnonzero(new)
    if len(starts) < len(rank):
        sizes = np.diff(np.append(starts, len(rank)))
        scores = np.repeat(np.add.reduceat(scores, starts) / sizes, sizes)
    tops: NDArray[np.float64] = np.cumsum(scores) / np.arange(1, len(scores) + 1)
    toc: NDArray[np.float64] = tops - tops[-1]
    return toc


def _standard_error(gained: NDArray[np.float64], groups: NDArray[np.int64] | None) -> float:
    return _clustered_norm(gained - gained.mean(), groups) / len(gained)


def _clustered_norm(centered: NDArray[np.float64], groups: NDArray[np.int64] | None) -> float:
    """Return the root of the sum of squares of the customers' sums."""
    sums = centered if groups is None else np.bincount(groups, centered)
    return float(np.sqrt(np.sum(sums**2)))

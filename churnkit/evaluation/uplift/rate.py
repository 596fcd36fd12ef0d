"""What a policy would bring, and whether effects differ, by doubly robust scores.

A score estimates what one customer's outcome would be under one action, from an experiment with
known chances and a forecast of the outcome; it is right on average if either is right:

    score[i, a] = forecast[i, a] + 1{treatment[i] = a} (y[i] - forecast[i, a]) / propensity[i]
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.score_order import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Rate", "doubly_robust_scores", "paired_value", "rank_average_effect", "toc_curve"]


def doubly_robust_scores(
    y: ArrayLike, treatment: ArrayLike, propensity: ArrayLike, forecast: ArrayLike
) -> NDArray[np.float64]:
    """Score every action for every customer of an experiment: (n, arms).

    Parameters
    ----------
    y : (n,) outcomes
    treatment : (n,) arms, 0 for control
    propensity : (n,) chance of the arm that was given
    forecast : (n, arms) outcomes forecast by a model that did not see the row

    Raises
    ------
    EvaluationError
        If shapes differ, or a propensity is not above 0 and at most 1.

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
        raise EvaluationError("treatment names an arm that forecast has no column for")
    wrong = int(np.sum(~((chance > 0.0) & (chance <= 1.0))))
    if wrong:
        raise EvaluationError(f"{wrong} propensities are not above 0 and at most 1")
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
    """Give what a policy brings for each customer beyond a baseline, with a paired interval.

    Both are judged on the same customers, so what they do alike is no noise.

    Parameters
    ----------
    scores : (n, arms) from `doubly_robust_scores`, or the money that they come to
    action : (n,) or one number
        The arm that the policy gives.
    baseline : (n,) or one number
        The arm that the baseline gives.
    groups : (n,) numbers from 0
        Rows of one number are of one customer.
    level
        Of the interval.

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
class Rate:
    """A rank-weighted average effect: above zero if who ranks higher gains more.

    Parameters
    ----------
    target
        ``"autoc"`` for effects that are large for few, ``"qini"`` for effects spread over many.
    estimate
        With its half-sample interval.
    """

    target: str
    estimate: Interval

    @property
    def found(self) -> bool:
        """Whether the interval lies above zero: effects differ, and the forecast knows how."""
        return self.estimate.low > 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able data."""
        return {"target": self.target, **self.estimate.to_dict(), "found": self.found}


def toc_curve(effect: ArrayLike, priority: ArrayLike) -> NDArray[np.float64]:
    """Give the targeting operator characteristic, (n,).

    Entry k is the mean effect among the k + 1 customers of highest priority less that of all.

    Parameters
    ----------
    effect : (n,) doubly robust scores of the effect: of an action less those of control
    priority : (n,) the forecast; of equals each has the mean of all

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
    """Test whether effects differ in the way that a forecast says.

    ``AUTOC = integral of TOC(q) dq``, ``QINI = integral of q TOC(q) dq`` over shares q. Its
    spread is that over half-samples of the customers.

    Parameters
    ----------
    effect, priority
        As `toc_curve`; the forecast must not have seen the rows.
    target
        How ranks are weighted.
    groups : (n,) numbers from 0
        Rows of one number are drawn together.
    resamples, seed, level
        Of the half-samples and the interval.

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
        raise EvaluationError(f"target {target!r}: must be 'autoc' or 'qini'")
    scores, rank = (np.asarray(part, dtype=np.float64) for part in (effect, priority))
    value = _rate(toc_curve(scores, rank), target)
    order = np.argsort(-rank, kind="stable")
    scores, rank = scores[order], rank[order]
    member = order if groups is None else np.asarray(groups)[order]
    rng, count = np.random.default_rng(seed), int(member.max()) + 1
    found = np.empty(resamples)
    for at in range(resamples):
        chosen = rng.permutation(count) < count // 2
        rows = chosen[member]
        found[at] = _rate(_toc(scores[rows], rank[rows]), target) if rows.any() else value
    spread = NormalDist().inv_cdf(0.5 + level / 2) * float(found.std())
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
    off = gained - gained.mean()
    sums = off if groups is None else np.bincount(groups, off)
    return float(np.sqrt(np.sum(sums**2)) / len(gained))

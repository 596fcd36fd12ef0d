"""Kaplan-Meier survival curves from follow-up that is partly censored or begins late."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.core.stats.special import NORMAL_95
from churnkit.evaluation.validation import EvaluationError, check_groups, check_vector, refuse

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SurvivalCurve", "censoring_curve", "check_follow_up", "kaplan_meier", "kaplan_meier_by"]

# Relative rounding error that a product over many times may have.
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True)
class SurvivalCurve(PlottableResult):
    """A step function: `survival[i]` holds from `time[i]` until before `time[i + 1]`.

    Parameters
    ----------
    time : (k,)
        Distinct times of churn, ascending; before the first the curve is 1.
    survival : (k,)
        Share that survives each time.
    low, high : (k,)
        95% interval of the share.
    variance : (k,)
        Greenwood's variance of the share.
    at_risk : (k,)
        Customers under observation just before each time.
    events : (k,)
        Customers who churned at each time.
    customers
        Total number (weight) of customers.
    follow_up
        The last time of observation; the curve is unknown after it.
    """

    _display: ClassVar[str] = "SurvivalDisplay"

    time: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    variance: NDArray[np.float64]
    at_risk: NDArray[np.float64]
    events: NDArray[np.float64]
    customers: float
    follow_up: float

    def at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return the share that survives each time; NaN after the follow-up.

        Examples
        --------
        >>> kaplan_meier([1, 2, 3], [1, 0, 1]).at([0.5, 1, 3, 4]).round(2)
        array([1.  , 0.67, 0.  ,  nan])
        """
        return self._step(self.survival, times, 1.0)

    def variance_at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return Greenwood's variance at each time; NaN after the follow-up."""
        return self._step(self.variance, times, 0.0)

    def just_before(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return the share just before each time, (n,).

        Examples
        --------
        >>> kaplan_meier([1, 2], [1, 1]).just_before([1.0, 2.0])
        array([1. , 0.5])
        """
        values: NDArray[np.float64] = np.append(1.0, self.survival)
        return values[np.searchsorted(self.time, times, side="left")]

    @property
    def median(self) -> float:
        """Time by which half have churned; infinite if fewer did."""
        below = np.flatnonzero(self.survival <= 0.5 * (1 + _ROUNDING))
        return float(self.time[below[0]]) if len(below) else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as lists, and the two numbers."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return {**columns, "customers": self.customers, "follow_up": self.follow_up}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per time."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in _COLUMNS})

    def _step(
        self, values: NDArray[np.float64], times: ArrayLike, before: float
    ) -> NDArray[np.float64]:
        times = np.asarray(times, dtype=np.float64)
        steps = np.append(before, values)[np.searchsorted(self.time, times, side="right")]
        return np.where(times <= self.follow_up, steps, np.nan)


_COLUMNS = ("time", "survival", "low", "high", "variance", "at_risk", "events")


def kaplan_meier(
    duration: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    interval: str = "log-log",
) -> SurvivalCurve:
    """Estimate the share of customers that survives each time.

    ``S(t) = product over times u <= t of (1 - d(u) / n(u))``, where d of n at risk churn at u.
    Churn precedes censoring at equal times.

    Parameters
    ----------
    duration : (n,)
        Time until churn or censoring.
    event : (n,)
        1 for churn, 0 for censoring.
    entry : (n,)
        Time at which observation began; 0 if not given.
    sample_weight : (n,)
        Number of customers that each row stands for.
    interval
        ``"log-log"`` (Kalbfleisch and Prentice; stays within 0 and 1) or ``"plain"``
        (Greenwood's normal interval, clipped to 0 and 1).

    Returns
    -------
    SurvivalCurve
        One value per time of churn.

    Raises
    ------
    EvaluationError
        A column is invalid, or the interval is unknown.

    References
    ----------
    Kaplan, Meier (1958), JASA 53, doi:10.1080/01621459.1958.10501452; Greenwood (1926).

    Examples
    --------
    >>> curve = kaplan_meier([6, 6, 6, 7, 10, 6], [1, 1, 1, 1, 1, 0])
    >>> curve.time, curve.survival.round(3)
    (array([ 6.,  7., 10.]), array([0.5 , 0.25, 0.  ]))
    """
    if interval not in {"log-log", "plain"}:
        raise EvaluationError(f"interval must be 'log-log' or 'plain', got {interval!r}")
    ends, churned, begins, weight = check_follow_up(duration, event, entry, sample_weight)
    time, at_risk, remaining, events = _risk_table(ends, churned, begins, weight)
    survival = _product(at_risk, remaining)
    with np.errstate(divide="ignore", over="ignore"):
        spread = np.cumsum(events / at_risk / remaining, dtype=np.float64)
    variance = survival * survival * np.where(survival > 0, spread, 0.0)
    low, high = _limits(survival, spread, interval)
    return SurvivalCurve(
        time,
        survival,
        low,
        high,
        variance,
        at_risk,
        events,
        float(weight.sum()),
        float(ends.max()),
    )


def kaplan_meier_by(
    group: ArrayLike,
    duration: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    interval: str = "log-log",
) -> dict[Any, SurvivalCurve]:
    """Estimate one curve for each group of customers, in the order of the groups' names.

    Parameters
    ----------
    group : (n,)
        The group of each customer: all texts, or all numbers.
    duration, event, entry, sample_weight, interval
        As `kaplan_meier`.

    Returns
    -------
    dict
        Group to curve.

    Raises
    ------
    EvaluationError
        As `kaplan_meier`; or there is not one group for each row, or one is missing.

    Examples
    --------
    >>> curves = kaplan_meier_by(["a", "b", "a", "b"], [1, 2, 3, 4], [1, 1, 0, 1])
    >>> {name: curve.survival.tolist() for name, curve in curves.items()}
    {'a': [0.5], 'b': [0.5, 0.0]}
    """
    groups = np.asarray(group)
    ends, churned, begins, weight = check_follow_up(duration, event, entry, sample_weight)
    if groups.shape != ends.shape:
        raise EvaluationError(f"{groups.size} groups for {len(ends)} rows: pass one per row")
    names, number = check_groups(groups)
    return {
        name: kaplan_meier(
            ends[number == at],
            churned[number == at],
            entry=begins[number == at],
            sample_weight=weight[number == at],
            interval=interval,
        )
        for at, name in enumerate(names.tolist())
    }


def check_follow_up(
    duration: ArrayLike,
    event: ArrayLike,
    entry: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return duration, event, entry and weight after validation, each (n,).

    Raises
    ------
    EvaluationError
        Lengths differ, a value is missing or negative, or an event is neither 0 nor 1.

    Examples
    --------
    >>> check_follow_up([2.0], [True])[1]
    array([ True])
    """
    ends = check_vector(duration, "the duration", finite=True)
    rows = len(ends)

    def column(values: ArrayLike | None, name: str, default: float) -> NDArray[np.float64]:
        if values is None:
            return np.full(rows, default)
        return check_vector(values, name, rows=rows, finite=True)

    churned = column(event, "the event", 0.0)
    begins = column(entry, "the entry", 0.0)
    weights = column(weight, "the weight", 1.0)
    refuse((ends < 0) | (begins < 0), "times are negative: the clock starts at 0")
    refuse((churned != 0) & (churned != 1), "events are neither 0 nor 1: 1 churned, 0 censored")
    refuse(weights < 0, "weights are negative: drop those rows")
    if entry is not None:
        refuse(ends <= begins, "durations are not above their entry: drop those rows")
    if not weights.sum() > 0:
        raise EvaluationError("all weights are zero: at least one must be above zero")
    return ends, churned == 1, begins, weights


def censoring_curve(
    ends: NDArray[np.float64], churned: NDArray[np.bool_], weight: NDArray[np.float64]
) -> SurvivalCurve:
    """Return the share not yet censored after each time.

    Churn precedes censoring at equal times, so churners at a time are not at risk of being
    censored at it: their ends are moved half a step earlier.

    Parameters
    ----------
    ends, churned, weight : (n,) as `check_follow_up` returns them

    Examples
    --------
    >>> ends, churned = np.array([1.0, 1.0, 2.0]), np.array([True, False, False])
    >>> censoring_curve(ends, churned, np.ones(3)).survival
    array([0.5, 0. ])
    """
    distinct, step = np.unique(ends, return_inverse=True)
    tick = 2.0 * step + 2.0
    curve = kaplan_meier(np.where(churned, tick - 1.0, tick), ~churned, sample_weight=weight)
    time = distinct[((curve.time - 2.0) / 2.0).astype(np.int64)]
    return replace(curve, time=time, follow_up=float(ends.max()))


def _risk_table(
    ends: NDArray[np.float64],
    churned: NDArray[np.bool_],
    begins: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """Return times of churn, and the weights at risk, surviving and churning at each.

    Weights are only added, never subtracted: a difference of running sums loses small weights
    next to large ones, and may leave a trace of 1e-16 where none remains.
    """
    leaving = churned & (weight > 0)
    time, step = np.unique(ends[leaving], return_inverse=True)
    events = np.bincount(step, weight[leaving], len(time)).astype(np.float64)
    # A row survives the times above its entry and below its end; at its end only if censored.
    last = np.where(
        churned, np.searchsorted(time, ends, "left"), np.searchsorted(time, ends, "right")
    )
    remaining: NDArray[np.float64]
    if begins.any():
        first = np.where(begins > 0, np.searchsorted(time, begins, side="right"), 0)
        remaining = _stabbing_sums(first, last, weight, len(time))
    else:
        remaining = np.cumsum(np.bincount(last, weight, len(time) + 1)[:0:-1], dtype=np.float64)[
            ::-1
        ]
    return time, remaining + events, remaining, events


def _stabbing_sums(
    first: NDArray[np.intp], last: NDArray[np.intp], weight: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Return the weight of the intervals ``first <= i < last`` over each i, by a segment tree."""
    tree = np.zeros(2 * size)
    low, high = first + size, np.maximum(first, last) + size
    while (low < high).any():
        odd = (low < high) & (low % 2 == 1)
        tree += np.bincount(low[odd], weight[odd], 2 * size)
        low = low + odd
        odd = (low < high) & (high % 2 == 1)
        high = high - odd
        tree += np.bincount(high[odd], weight[odd], 2 * size)
        low, high = low // 2, high // 2
    node, total = np.arange(size, 2 * size), np.zeros(size)
    while node.any():
        total += np.where(node > 0, tree[node], 0.0)
        node = node // 2
    return total


def _product(at_risk: NDArray[np.float64], remaining: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running product of ``remaining / at_risk``.

    Where nothing is censored between two times the factors cancel, so such a run is a single
    quotient: a share of 1/2 is exactly 0.5.
    """
    if not len(at_risk):
        return np.empty(0)
    starts = np.append(True, at_risk[1:] != remaining[:-1])
    run = np.cumsum(starts) - 1
    quotient = remaining / at_risk[np.flatnonzero(starts)][run]
    ends = np.append(np.flatnonzero(starts)[1:] - 1, len(at_risk) - 1)
    product: NDArray[np.float64] = np.append(1.0, np.cumprod(quotient[ends]))[run] * quotient
    return product


def _limits(
    survival: NDArray[np.float64], spread: NDArray[np.float64], interval: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inside = (survival > 0) & (survival < 1)
    share = np.where(inside, survival, 0.5)
    error = np.sqrt(np.where(inside, spread, 0.0))
    if interval == "plain":
        half = NORMAL_95 * share * error
        low, high = np.maximum(share - half, 0.0), np.minimum(share + half, 1.0)
    else:
        # The interval of log(-log S), a scale without bounds.
        with np.errstate(divide="ignore"):
            factor = np.exp(NORMAL_95 * error / np.log(share))
            low, high = share ** (1.0 / factor), share**factor
    return np.where(inside, low, survival), np.where(inside, high, survival)

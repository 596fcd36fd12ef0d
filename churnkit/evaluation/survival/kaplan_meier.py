"""Kaplan-Meier: the share still there after each time, from follow-ups that are not all over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SurvivalCurve",
    "censoring_curve",
    "checked_follow_up",
    "just_before",
    "kaplan_meier",
    "kaplan_meier_by",
]

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class SurvivalCurve:
    """A step function: `survival[i]` holds from `time[i]` until before `time[i + 1]`.

    Attributes
    ----------
    time : (k,) distinct times at which somebody left, ascending; before the first it is 1
    survival : (k,) share still there after the time
    low, high : (k,) its 95% interval
    variance : (k,) Greenwood's variance of it
    at_risk : (k,) customers watched just before the time
    events : (k,) customers who left at it
    customers
        How many customers there are in all.
    follow_up
        The last time at which anybody was watched; later than that nothing is known.
    """

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
        """Return the share still there after each time; NaN where nobody was watched.

        Examples
        --------
        >>> kaplan_meier([1, 2, 3], [1, 0, 1]).at([0.5, 1, 3, 4]).round(2)
        array([1.  , 0.67, 0.  ,  nan])
        """
        asked = np.asarray(times, dtype=np.float64)
        found = self._step(self.survival, asked, 1.0)
        return np.where(asked <= self.follow_up, found, np.nan)

    def variance_at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return Greenwood's variance at each time, as `at` returns the share."""
        asked = np.asarray(times, dtype=np.float64)
        found = self._step(self.variance, asked, 0.0)
        return np.where(asked <= self.follow_up, found, np.nan)

    @property
    def median(self) -> float:
        """Time by which half have left; infinite if fewer did."""
        below = np.flatnonzero(self.survival <= 0.5)
        return float(self.time[below[0]]) if len(below) else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as lists, and the two figures."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return {**columns, "customers": self.customers, "follow_up": self.follow_up}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a time."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in _COLUMNS})

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))

    def _step(
        self, values: NDArray[np.float64], asked: NDArray[np.float64], before: float
    ) -> NDArray[np.float64]:
        place = np.searchsorted(self.time, asked, side="right")
        stepped: NDArray[np.float64] = np.append(before, values)[place]
        return stepped


_COLUMNS = ("time", "survival", "low", "high", "variance", "at_risk", "events")


def kaplan_meier(
    duration: ArrayLike,
    event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    interval: str = "log-log",
) -> SurvivalCurve:
    """Estimate the share of customers still there after each time.

    ``S(t) = product over times u <= t of (1 - d(u) / n(u))``, where d left at u of n at risk.
    Who leaves and whose watching ends at the same time: the leaving comes first.

    Parameters
    ----------
    duration : (n,) time until leaving, or until the watching ended
    event : (n,) 1 where the customer left, 0 where the watching ended
    entry : (n,) time at which the watching began; 0 if not given
    sample_weight : (n,) weights, as if a row stood for so many customers
    interval
        ``"log-log"`` (Kalbfleisch and Prentice; stays within 0 and 1) or ``"plain"``
        (Greenwood's normal interval, cut at 0 and 1).

    Raises
    ------
    EvaluationError
        A column does not fit, or the interval is unknown.

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
        raise EvaluationError("the interval is neither 'log-log' nor 'plain'")
    ends, left, begins, weight = checked_follow_up(duration, event, entry, sample_weight)
    time, at_risk, events = _risk_table(ends, left, begins, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1.0 - events / at_risk, dtype=np.float64)
        spread = np.cumsum(events / (at_risk * (at_risk - events)), dtype=np.float64)
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
    group : (n,) the group of each customer
    duration, event, entry, sample_weight, interval
        As `kaplan_meier`.

    Examples
    --------
    >>> curves = kaplan_meier_by(["a", "b", "a", "b"], [1, 2, 3, 4], [1, 1, 0, 1])
    >>> {name: curve.survival.tolist() for name, curve in curves.items()}
    {'a': [0.5], 'b': [0.5, 0.0]}
    """
    groups = np.asarray(group)
    ends, left, begins, weight = checked_follow_up(duration, event, entry, sample_weight)
    if groups.shape != ends.shape:
        raise EvaluationError(f"{groups.size} groups for {len(ends)} rows: give one for each row")
    names, number = np.unique(groups, return_inverse=True)
    found = {}
    for place, name in enumerate(names.tolist()):
        inside = number == place
        found[name] = kaplan_meier(
            ends[inside],
            left[inside],
            entry=begins[inside],
            sample_weight=weight[inside],
            interval=interval,
        )
    return found


def checked_follow_up(
    duration: ArrayLike,
    event: ArrayLike,
    entry: ArrayLike | None = None,
    weight: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return duration, event, entry and weight of customers, checked, all (n,).

    Raises
    ------
    EvaluationError
        Lengths differ, a value is missing or negative, or an event is neither 0 nor 1.

    Examples
    --------
    >>> checked_follow_up([2.0], [True])[1]
    array([ True])
    """
    ends = _numbers(duration, "the duration", None)
    left = _numbers(event, "the event", len(ends))
    begins = np.zeros(len(ends)) if entry is None else _numbers(entry, "the entry", len(ends))
    weights = np.ones(len(ends)) if weight is None else _numbers(weight, "the weight", len(ends))
    _refuse((ends < 0) | (begins < 0), "times are negative: the clock starts at 0")
    _refuse((left != 0) & (left != 1), "events are neither 0 nor 1: 1 for left, 0 for still there")
    _refuse(weights < 0, "weights are negative: mend or drop those rows")
    if entry is not None:
        _refuse(ends <= begins, "durations are not above their entry: drop those rows")
    if not weights.sum() > 0:
        raise EvaluationError("all weights are zero: no row is left")
    return ends, left == 1, begins, weights


def censoring_curve(
    ends: NDArray[np.float64], left: NDArray[np.bool_], weight: NDArray[np.float64]
) -> SurvivalCurve:
    """Return the share whose watching has not ended.

    Of equal times the leaving comes first, so leavers at a time are no longer there to have
    their watching end at it: their ends are moved half a step before.

    Parameters
    ----------
    ends, left, weight : (n,) as `checked_follow_up` returns them

    Examples
    --------
    >>> ends, left = np.array([1.0, 1.0, 2.0]), np.array([True, False, False])
    >>> censoring_curve(ends, left, np.ones(3)).survival
    array([0.5, 0. ])
    """
    _, place = np.unique(ends, return_inverse=True)
    tick = 2.0 * place + 2.0
    curve = kaplan_meier(np.where(left, tick - 1.0, tick), ~left, sample_weight=weight)
    distinct = np.unique(ends)
    time = distinct[((curve.time - 2.0) / 2.0).astype(np.int64)]
    return SurvivalCurve(
        time,
        curve.survival,
        curve.low,
        curve.high,
        curve.variance,
        curve.at_risk,
        curve.events,
        curve.customers,
        float(ends.max()),
    )


def just_before(curve: SurvivalCurve, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the curve just before each time, (n,).

    Examples
    --------
    >>> just_before(kaplan_meier([1, 2], [1, 1]), np.array([1.0, 2.0]))
    array([1. , 0.5])
    """
    place = np.searchsorted(curve.time, times, side="left")
    found: NDArray[np.float64] = np.append(1.0, curve.survival)[place]
    return found


def _risk_table(
    ends: NDArray[np.float64],
    left: NDArray[np.bool_],
    begins: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the times at which somebody left, who was at risk just before, and who left."""
    time, place = np.unique(ends[left & (weight > 0)], return_inverse=True)
    events = np.bincount(place, weight[left & (weight > 0)], len(time)).astype(np.float64)
    out_before = _weight_below(ends, weight, time)
    entered_before = weight.sum() - out_before
    if begins.any():
        entered_before = _weight_below(begins, weight, time) - out_before
    return time, np.maximum(entered_before, events), events


def _weight_below(
    values: NDArray[np.float64], weight: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(values, kind="stable")
    summed = np.append(0.0, np.cumsum(weight[order]))
    found: NDArray[np.float64] = summed[np.searchsorted(values[order], edges, side="left")]
    return found


def _limits(
    survival: NDArray[np.float64], spread: NDArray[np.float64], interval: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inside = (survival > 0) & (survival < 1)
    alive = np.where(inside, survival, 0.5)
    error = np.sqrt(np.where(inside, spread, 0.0))
    if interval == "plain":
        half = _NORMAL_95 * alive * error
        low, high = np.maximum(alive - half, 0.0), np.minimum(alive + half, 1.0)
    else:
        # The interval of log(-log S), whose scale has no ends to run over.
        factor = np.exp(_NORMAL_95 * error / np.log(alive))
        low, high = alive ** (1.0 / factor), alive**factor
    return np.where(inside, low, survival), np.where(inside, high, survival)


def _numbers(values: Any, name: str, rows: int | None) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError(f"{name} holds values that are no numbers") from None
    if column.ndim != 1:
        raise EvaluationError(f"{name} has {column.ndim} dimensions: pass a single column")
    if not len(column):
        raise EvaluationError(f"{name} has no rows")
    if rows is not None and len(column) != rows:
        raise EvaluationError(
            f"{name} has {len(column)} values for {rows} rows: give one for each row"
        )
    missing = int(np.count_nonzero(~np.isfinite(column)))
    if missing:
        raise EvaluationError(f"{name} is missing or not finite in {missing} rows: drop them")
    return column


def _refuse(wrong: NDArray[np.bool_], what: str) -> None:
    count = int(np.count_nonzero(wrong))
    if count:
        raise EvaluationError(f"{count} {what}")

"""Cumulative incidence of competing causes of churn, by the Aalen-Johansen estimator.

Customers leave for one of several causes: they cancel, a payment fails, they move away. The share
that has left for a cause is not one minus the Kaplan-Meier curve of this cause alone, which counts
customers who left for another cause as if they could still leave for this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.core.stats.special import NORMAL_95
from churnkit.evaluation.survival.kaplan_meier import check_follow_up, kaplan_meier
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CumulativeIncidence", "cumulative_incidence", "encode_causes"]


@dataclass(frozen=True, slots=True)
class CumulativeIncidence(PlottableResult):
    """Share of customers that has left for each cause, as step functions of time.

    Parameters
    ----------
    causes
        Names of the causes, in the order of the rows of `incidence`.
    time : (k,)
        Distinct times of churn for any cause, ascending; before the first all shares are 0.
    incidence : (causes, k)
        Share that has left for a cause by each time.
    low, high : (causes, k)
        95% interval of the share, on the log-log scale.
    variance : (causes, k)
        Variance of the share.
    survival : (k,)
        Share that is still active; with all incidences it sums to 1.
    events : (causes, k)
        Customers (weight) who left for a cause at each time.
    at_risk : (k,)
        Customers under observation just before each time.
    follow_up
        The last time of observation; the shares are unknown after it.
    """

    _display: ClassVar[str] = "CumulativeIncidenceDisplay"

    causes: tuple[str, ...]
    time: NDArray[np.float64]
    incidence: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    variance: NDArray[np.float64]
    survival: NDArray[np.float64]
    events: NDArray[np.float64]
    at_risk: NDArray[np.float64]
    follow_up: float

    def at(self, times: ArrayLike) -> NDArray[np.float64]:
        """Return the share that has left for each cause by each time, (causes, times).

        NaN after the follow-up.

        Examples
        --------
        >>> curves = cumulative_incidence([1, 2, 3, 4], ["price", "card", "price", None])
        >>> curves.at([0.5, 2, 4])
        array([[0.  , 0.25, 0.25],
               [0.  , 0.25, 0.5 ]])
        """
        asked = np.asarray(times, dtype=np.float64)
        steps = np.pad(self.incidence, ((0, 0), (1, 0)))
        found = steps[:, np.searchsorted(self.time, asked, side="right")]
        return np.where(asked <= self.follow_up, found, np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        arrays = ("time", "incidence", "low", "high", "variance", "survival", "events", "at_risk")
        columns = {name: getattr(self, name).tolist() for name in arrays}
        return {"causes": list(self.causes), **columns, "follow_up": self.follow_up}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row for each cause and time."""
        import pandas as pd

        count = len(self.time)
        return pd.DataFrame(
            {
                "cause": np.repeat(self.causes, count),
                "time": np.tile(self.time, len(self.causes)),
                "incidence": self.incidence.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
                "events": self.events.ravel(),
            }
        )


def cumulative_incidence(
    duration: ArrayLike,
    cause: Sequence[Any] | NDArray[Any],
    *,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> CumulativeIncidence:
    """Estimate the share of customers that has left for each cause by each time.

    ``F_k(t) = sum over times u <= t of S(u-) d_k(u) / n(u)``, where d_k of n at risk leave at u
    for cause k, and S is the Kaplan-Meier curve of churn for any cause.

    Parameters
    ----------
    duration : (n,)
        Time until churn or censoring.
    cause : (n,)
        Name of the cause; None, NaN or an empty text for customers who are still active.
    entry : (n,)
        Time at which observation began; 0 if not given.
    sample_weight : (n,)
        Number of customers that each row stands for.

    Returns
    -------
    CumulativeIncidence
        One value per cause and time of churn.

    Raises
    ------
    EvaluationError
        A column is invalid, or no customer left.

    References
    ----------
    Aalen, Johansen (1978), Scandinavian Journal of Statistics 5; the variance by the delta method,
    as in Marubini, Valsecchi (1995), Analysing Survival Data from Clinical Trials, 10.2.

    Examples
    --------
    >>> curves = cumulative_incidence([1, 2, 3, 4], ["price", "card", "price", None])
    >>> curves.causes, curves.incidence[:, -1], float(curves.survival[-1])
    (('card', 'price'), array([0.25, 0.5 ]), 0.25)
    """
    causes, number = encode_causes(cause)
    ends, left, begins, weight = check_follow_up(duration, number >= 0, entry, sample_weight)
    if not (left & (weight > 0)).any():
        raise EvaluationError("no customer left for any cause: there is no incidence to estimate")
    curve = kaplan_meier(ends, left, entry=begins, sample_weight=weight)
    step = np.searchsorted(curve.time, ends)
    events = np.zeros((len(causes), len(curve.time)))
    leaving = left & (weight > 0)
    np.add.at(events, (number[leaving], step[leaving]), weight[leaving])
    before = np.append(1.0, curve.survival[:-1])
    incidence = np.cumsum(before * events / curve.at_risk, axis=1)
    variance = _variance(incidence, before, events, curve.events, curve.at_risk)
    low, high = _limits(incidence, variance)
    return CumulativeIncidence(
        causes,
        curve.time,
        incidence,
        low,
        high,
        variance,
        curve.survival,
        events,
        curve.at_risk,
        curve.follow_up,
    )


def encode_causes(cause: Sequence[Any] | NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the sorted names of the causes, and the number of each row's cause, -1 for none.

    Raises
    ------
    EvaluationError
        The causes are not one column.

    Examples
    --------
    >>> encode_causes(["price", None, "card", float("nan"), ""])
    (('card', 'price'), array([ 1, -1,  0, -1, -1]))
    """
    values = np.asarray(cause, dtype=object)
    if values.ndim != 1:
        raise EvaluationError(f"the cause has {values.ndim} dimensions: pass a single column")
    names = [None if _is_missing(value) else str(value) for value in values.tolist()]
    causes = tuple(sorted({name for name in names if name is not None}))
    numbers = {name: number for number, name in enumerate(causes)}
    return causes, np.array([-1 if n is None else numbers[n] for n in names], dtype=np.int64)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":  # pandas.NA compares to itself
        return True
    return bool(value == "" or value != value)  # noqa: PLR0124  (NaN is unequal to itself)


def _variance(
    incidence: NDArray[np.float64],
    before: NDArray[np.float64],
    events: NDArray[np.float64],
    all_events: NDArray[np.float64],
    at_risk: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the variance of each share, (causes, k), from sums over earlier times."""
    remaining = at_risk - all_events
    last = remaining <= 0
    hazard = np.where(last, 0.0, all_events / at_risk / np.where(last, 1.0, remaining))
    own = before**2 * events * (at_risk - events) / at_risk**3
    cross = before * events / at_risk**2
    # (F(t) - F(u))^2 a(u) and (F(t) - F(u)) b(u), summed over u <= t.
    squares = (
        incidence**2 * np.cumsum(hazard)
        - 2.0 * incidence * np.cumsum(incidence * hazard, axis=1)
        + np.cumsum(incidence**2 * hazard, axis=1)
    )
    products = incidence * np.cumsum(cross, axis=1) - np.cumsum(incidence * cross, axis=1)
    variance: NDArray[np.float64] = squares + np.cumsum(own, axis=1) - 2.0 * products
    return np.maximum(variance, 0.0)


def _limits(
    incidence: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 95% intervals of ``log(-log F)``, a scale without bounds."""
    inside = (incidence > 0) & (incidence < 1)
    share = np.where(inside, incidence, 0.5)
    factor = np.exp(NORMAL_95 * np.sqrt(variance) / (share * -np.log(share)))
    return (
        np.where(inside, share**factor, incidence),
        np.where(inside, share ** (1.0 / factor), incidence),
    )

"""How good predicted survival is, although not every customer was watched to the end.

Arguments are durations (time until leaving, or until the watching ended), events (1 where the
customer left) and predictions made by a model that did not see these customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError
from churnkit.evaluation.survival.kaplan_meier import (
    SurvivalCurve,
    censoring_curve,
    checked_follow_up,
    just_before,
    kaplan_meier,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SurvivalCalibration",
    "integrated_brier",
    "survival_brier",
    "survival_calibration",
]

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class SurvivalCalibration:
    """What was predicted and what came, by horizon and tenth of the predictions.

    Attributes
    ----------
    horizon : (r,) the time within which customers leave
    bin : (r,) 0 for the lowest predictions
    predicted_probability : (r,) mean predicted probability of leaving by the horizon
    churn_rate : (r,) share that left by then, by Kaplan-Meier
    low, high : (r,) its 95% interval
    customers : (r,) how many
    """

    horizon: NDArray[np.float64]
    bin: NDArray[np.int64]
    predicted_probability: NDArray[np.float64]
    churn_rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    customers: NDArray[np.int64]

    @property
    def covered(self) -> float:
        """Share of the intervals that hold what was predicted: about .95 if calibrated."""
        inside = (self.low <= self.predicted_probability) & (
            self.predicted_probability <= self.high
        )
        return float(inside.mean())

    def to_dict(self) -> dict[str, list[float]]:
        """Return each column as a list of numbers."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a horizon and bin."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


def survival_brier(
    duration: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    censoring: SurvivalCurve | None = None,
) -> NDArray[np.float64]:
    """Brier score at each time, weighted for the customers whose watching ended before it.

    ``BS(t) = mean of S(t|x)^2 [left by t] / G(T-) + (1 - S(t|x))^2 [there after t] / G(t)``
    where G is the share whose watching has not ended, by Kaplan-Meier; who leaves at T was
    seen to, so the watching lasted at least until T, which is what ``G(T-)`` says. Watching
    must end for reasons that have nothing to do with leaving.

    Parameters
    ----------
    duration, event : (n,)
    survival : (n, t) predicted probability of still being there at each time
    times : (t,)
    sample_weight : (n,) weights of the rows
    censoring
        G as `kaplan_meier` of ``event == 0``; from the same rows if not given.

    Returns
    -------
    (t,) 0 for perfect; a prediction of one half for all gives .25

    Raises
    ------
    EvaluationError
        Shapes differ, a prediction is no probability, or nobody was watched beyond a time.

    References
    ----------
    Graf, Schmoor, Sauerbrei, Schumacher (1999), Stat. Med. 18,
    doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.

    Examples
    --------
    >>> survival_brier([1, 3, 3], [1, 1, 0], [[0.2], [0.9], [0.9]], [2]).round(3)
    array([0.02])
    """
    ends, left, _, weight = checked_follow_up(duration, event, None, sample_weight)
    asked = _checked_times(times)
    predicted = _checked_survival(survival, len(ends), len(asked))
    watched = censoring_curve(ends, left, weight) if censoring is None else censoring
    later = watched.at(np.minimum(asked, watched.follow_up))
    beyond = int(np.count_nonzero((asked > ends.max()) | ~(later > 0)))
    if beyond:
        raise EvaluationError(
            f"nobody was watched beyond {beyond} of the times: score earlier ones only"
        )
    lasted = just_before(watched, ends)
    if (lasted[left] <= 0).any():
        raise EvaluationError(
            "the censoring curve is zero where customers left: pass one that fits"
        )
    gone = left[:, None] & (ends[:, None] <= asked)
    there = ends[:, None] > asked
    loss = np.where(gone, predicted**2 / np.where(left, lasted, 1.0)[:, None], 0.0)
    loss += np.where(there, (1.0 - predicted) ** 2 / later, 0.0)
    return np.asarray(weight @ loss / weight.sum())


def integrated_brier(
    duration: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    censoring: SurvivalCurve | None = None,
) -> float:
    """Brier score averaged over time from the first to the last of the times (trapezoids).

    Parameters, raises: as `survival_brier`; the times ascend and are two or more.

    Examples
    --------
    >>> predicted = [[0.5, 0.5], [0.5, 0.5]]
    >>> integrated_brier([4, 5], [1, 1], predicted, [1, 3])
    0.25
    """
    asked = _checked_times(times)
    if len(asked) < 2 or (np.diff(asked) <= 0).any():
        raise EvaluationError("an average over time needs two or more times, in ascending order")
    score = survival_brier(
        duration, event, survival, asked, sample_weight=sample_weight, censoring=censoring
    )
    area = ((score[1:] + score[:-1]) / 2) @ np.diff(asked)
    return float(area / (asked[-1] - asked[0]))


def survival_calibration(
    duration: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    bins: int = 10,
) -> SurvivalCalibration:
    """Hold predicted probabilities of leaving against what came, at each horizon.

    Customers are cut into bins of equal size by prediction; in each, Kaplan-Meier says what
    share left by the horizon. The interval is Wilson's for as many customers as Greenwood's
    variance is worth, so it is the ordinary one where nobody's watching ended early.

    Parameters
    ----------
    duration, event : (n,)
    survival : (n, t) predicted probability of still being there at each time
    times : (t,) the horizons
    bins
        How many; equal predictions stay in one bin, so there may come out fewer.

    Raises
    ------
    EvaluationError
        Shapes differ, a prediction is no probability, or nobody was watched up to a horizon.

    Examples
    --------
    >>> found = survival_calibration([1, 3, 3, 3], [1, 1, 0, 0], [[0.5]] * 4, [2], bins=1)
    >>> found.predicted_probability, found.churn_rate
    (array([0.5]), array([0.25]))
    """
    ends, left, _, _ = checked_follow_up(duration, event)
    asked = _checked_times(times)
    predicted = _checked_survival(survival, len(ends), len(asked))
    if bins < 1:
        raise EvaluationError(f"{bins} bins hold no customer: use 1 or more")
    rows: list[tuple[Any, ...]] = []
    for place, horizon in enumerate(asked):
        churn = 1.0 - predicted[:, place]
        at = _bins_of(churn, bins)
        for number in np.unique(at):
            inside = at == number
            rate, low, high = _observed(ends[inside], left[inside], float(horizon))
            rows.append(
                (horizon, number, churn[inside].mean(), rate, low, high, np.count_nonzero(inside))
            )
    return SurvivalCalibration(*(np.array(column) for column in zip(*rows, strict=True)))


def _observed(
    ends: NDArray[np.float64], left: NDArray[np.bool_], horizon: float
) -> tuple[float, float, float]:
    """Return the share that left by the horizon, and its interval."""
    curve = kaplan_meier(ends, left)
    there = float(curve.at([horizon])[0])
    if np.isnan(there):
        if curve.follow_up < horizon:
            raise EvaluationError(
                f"nobody of a bin was watched up to the horizon {horizon:g}: ask for earlier ones, "
                "or for fewer bins"
            )
        there = 1.0
    variance = float(curve.variance_at([horizon])[0])
    rate = 1.0 - there
    watched = float(np.count_nonzero(ends >= horizon))
    size = rate * there / variance if variance > 0 else max(watched, 1.0)
    low, high = _wilson(rate, size)
    return rate, min(rate, low), max(rate, high)


def _wilson(rate: float, size: float) -> tuple[float, float]:
    z = _NORMAL_95
    middle = (rate + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(rate * (1 - rate) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _bins_of(churn: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the bin of each row; equal predictions stay in the one that their middle is in."""
    _, place, count = np.unique(churn, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    found: NDArray[np.int64] = np.minimum(middle * bins / len(churn), bins - 1).astype(np.int64)
    return found[place.reshape(-1)]


def _checked_times(times: ArrayLike) -> NDArray[np.float64]:
    try:
        asked = np.atleast_1d(np.asarray(times, dtype=np.float64))
    except (TypeError, ValueError):
        raise EvaluationError("the times hold values that are no numbers") from None
    if asked.ndim != 1 or not len(asked) or not (asked >= 0).all() or np.isinf(asked).any():
        raise EvaluationError("the times are no list of finite numbers of zero or more")
    return asked


def _checked_survival(survival: Any, rows: int, times: int) -> NDArray[np.float64]:
    try:
        predicted = np.asarray(survival, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError("the survival holds values that are no numbers") from None
    if predicted.ndim == 1 and times == 1:
        predicted = predicted[:, None]
    if predicted.shape != (rows, times):
        raise EvaluationError(
            f"the survival has the shape {predicted.shape}, not one row for each of {rows} "
            f"customers and one column for each of {times} times"
        )
    wrong = int(np.count_nonzero(~((predicted >= 0) & (predicted <= 1))))
    if wrong:
        raise EvaluationError(f"{wrong} values of survival lie outside 0 to 1 or are missing")
    return predicted

"""Brier score and calibration of predicted survival under censoring.

Arguments are durations (time until churn or censoring), events (1 for churn) and predictions by
a model that did not see these customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.special import wilson_interval
from churnkit.evaluation.survival.kaplan_meier import (
    SurvivalCurve,
    censoring_curve,
    check_follow_up,
    kaplan_meier,
)
from churnkit.evaluation.validation import EvaluationError, refuse

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SurvivalCalibration",
    "integrated_brier",
    "survival_brier",
    "survival_calibration",
]

_COLUMNS = ("horizon", "bin", "predicted_probability", "churn_rate", "low", "high", "customers")


@dataclass(frozen=True, slots=True)
class SurvivalCalibration(Result):
    """Predicted and observed churn by horizon and bin of the predictions.

    Parameters
    ----------
    horizon : (r,)
        Time within which customers churn.
    bin : (r,)
        0 for the lowest predictions.
    predicted_probability : (r,)
        Mean predicted probability of churn by the horizon.
    churn_rate : (r,)
        Share that churned by the horizon, by Kaplan-Meier.
    low, high : (r,)
        95% interval of the churn rate.
    customers : (r,)
        Number of customers.
    left_out
        Number of bins whose follow-up ends before a horizon; they have no row for it.
    """

    horizon: NDArray[np.float64]
    bin: NDArray[np.int64]
    predicted_probability: NDArray[np.float64]
    churn_rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    customers: NDArray[np.int64]
    left_out: int = 0

    @property
    def covered(self) -> float:
        """Share of the intervals that contain the prediction: about 0.95 if calibrated."""
        inside = (self.low <= self.predicted_probability) & (
            self.predicted_probability <= self.high
        )
        return float(inside.mean())

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as lists, and the number of bins left out."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return {**columns, "left_out": self.left_out}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per horizon and bin."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in _COLUMNS})


def survival_brier(
    duration: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    censoring: SurvivalCurve | None = None,
) -> NDArray[np.float64]:
    """Brier score at each time, weighted by the inverse probability of censoring.

    ``BS(t) = mean of S(t|x)^2 [churned by t] / G(T-) + (1 - S(t|x))^2 [at risk after t] / G(t)``
    where G is the share not yet censored, by Kaplan-Meier. ``G(T-)``: a customer who churned at
    T was observed until T. Censoring must be unrelated to churn.

    Parameters
    ----------
    duration, event : (n,)
        Time until churn or censoring; 1 for churn, 0 for censoring.
    survival : (n, t)
        Predicted probability of surviving each time.
    times : (t,)
        Times in the unit of the durations.
    sample_weight : (n,)
        Weights of the rows.
    censoring
        G as `kaplan_meier` of ``event == 0``; estimated from the same rows if not given.

    Returns
    -------
    (t,)
        0 for perfect; a prediction of 0.5 for all gives 0.25.

    Raises
    ------
    EvaluationError
        Shapes differ, a prediction is outside 0 to 1, or a time is beyond the follow-up.

    References
    ----------
    Graf, Schmoor, Sauerbrei, Schumacher (1999), Stat. Med. 18,
    doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.

    Examples
    --------
    >>> survival_brier([1, 3, 3], [1, 1, 0], [[0.2], [0.9], [0.9]], [2]).round(3)
    array([0.02])
    """
    ends, churned, _, weight = check_follow_up(duration, event, None, sample_weight)
    at = _check_times(times)
    predicted = _check_survival(survival, len(ends), len(at))
    observed = censoring_curve(ends, churned, weight) if censoring is None else censoring
    uncensored = observed.at(np.minimum(at, observed.follow_up))
    beyond = int(np.count_nonzero((at > ends.max()) | ~(uncensored > 0)))
    if beyond:
        raise EvaluationError(
            f"no customer was observed beyond {beyond} of the times: use earlier times"
        )
    uncensored_at_end = observed.just_before(ends)
    if (uncensored_at_end[churned] <= 0).any():
        raise EvaluationError(
            "the censoring curve is zero where customers churned: pass the curve of these customers"
        )
    gone = churned[:, None] & (ends[:, None] <= at)
    present = ends[:, None] > at
    loss = np.where(gone, predicted**2 / np.where(churned, uncensored_at_end, 1.0)[:, None], 0.0)
    loss += np.where(present, (1.0 - predicted) ** 2 / uncensored, 0.0)
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

    Parameters
    ----------
    duration, event, survival
        As `survival_brier`.
    times : (t,)
        Two or more times, ascending.
    sample_weight, censoring
        As `survival_brier`.

    Returns
    -------
    float
        0 for perfect, 0.25 for a prediction of 0.5 everywhere.

    Raises
    ------
    EvaluationError
        As `survival_brier`.

    Examples
    --------
    >>> predicted = [[0.5, 0.5], [0.5, 0.5]]
    >>> integrated_brier([4, 5], [1, 1], predicted, [1, 3])
    0.25
    """
    at = _check_times(times)
    if len(at) < 2 or (np.diff(at) <= 0).any():
        raise EvaluationError("times must be two or more, in ascending order")
    score = survival_brier(
        duration, event, survival, at, sample_weight=sample_weight, censoring=censoring
    )
    return float(np.trapezoid(score, at) / (at[-1] - at[0]))


def survival_calibration(
    duration: ArrayLike,
    event: ArrayLike,
    survival: ArrayLike,
    times: ArrayLike,
    *,
    bins: int = 10,
) -> SurvivalCalibration:
    """Compare predicted and observed probabilities of churn at each horizon.

    Customers are binned by prediction, in bins of equal size; Kaplan-Meier gives each bin's
    churn rate. Its interval is Wilson's for the number of customers to which Greenwood's
    variance is equivalent, so it is the usual one without censoring. A bin whose follow-up ends
    before a horizon has no row for it, and is counted in `left_out`.

    Parameters
    ----------
    duration, event : (n,)
        Time until churn or censoring; 1 for churn, 0 for censoring.
    survival : (n, t)
        Predicted probability of surviving each time.
    times : (t,)
        The horizons.
    bins
        Number of bins; equal predictions share a bin, so there may be fewer.

    Returns
    -------
    SurvivalCalibration
        One row per horizon and bin.

    Raises
    ------
    EvaluationError
        Shapes differ, a prediction is outside 0 to 1, or no bin was observed up to a horizon.

    Examples
    --------
    >>> result = survival_calibration([1, 3, 3, 3], [1, 1, 0, 0], [[0.5]] * 4, [2], bins=1)
    >>> result.predicted_probability, result.churn_rate
    (array([0.5]), array([0.25]))
    """
    ends, churned, _, _ = check_follow_up(duration, event)
    at = _check_times(times)
    predicted = _check_survival(survival, len(ends), len(at))
    if bins < 1:
        raise EvaluationError(f"bins must be at least 1, got {bins}")
    rows: list[tuple[Any, ...]] = []
    left_out = 0
    for column, horizon in enumerate(at):
        risk = 1.0 - predicted[:, column]
        bin_of = _assign_bins(risk, bins)
        for number in np.unique(bin_of):
            inside = bin_of == number
            rate = _churn_rate(ends[inside], churned[inside], float(horizon))
            if rate is None:
                left_out += 1
                continue
            rows.append((horizon, number, risk[inside].mean(), *rate, np.count_nonzero(inside)))
        if not rows or rows[-1][0] != horizon:
            raise EvaluationError(
                f"no customer was observed up to the horizon {horizon:g}: use earlier horizons"
            )
    columns = zip(_COLUMNS, map(np.array, zip(*rows, strict=True)), strict=True)
    return SurvivalCalibration(**dict(columns), left_out=left_out)


def _churn_rate(
    ends: NDArray[np.float64], churned: NDArray[np.bool_], horizon: float
) -> tuple[float, float, float] | None:
    """Return the share that churned by the horizon with its interval; None if not observed."""
    curve = kaplan_meier(ends, churned)
    present = float(curve.at([horizon])[0])
    if np.isnan(present):
        # All churned by the end of the follow-up: that is known at any later horizon too.
        if not len(curve.survival) or curve.survival[-1] > 0:
            return None
        present, variance = 0.0, 0.0
    else:
        variance = float(curve.variance_at([horizon])[0])
    rate = 1.0 - present
    observed = float(np.count_nonzero(ends >= horizon)) if present > 0 else float(len(ends))
    size = rate * present / variance if variance > 0 else max(observed, 1.0)
    low, high = map(float, wilson_interval(rate, size))
    return rate, min(rate, low), max(rate, high)


def _assign_bins(risk: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the bin of each row; equal predictions share the bin that contains their middle."""
    _, group, count = np.unique(risk, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    bin_of: NDArray[np.int64] = np.minimum(middle * bins / len(risk), bins - 1).astype(np.int64)
    return bin_of[group.reshape(-1)]


def _check_times(times: ArrayLike) -> NDArray[np.float64]:
    try:
        at = np.atleast_1d(np.asarray(times, dtype=np.float64))
    except (TypeError, ValueError):
        raise EvaluationError("the times contain values that are not numbers") from None
    if at.ndim != 1 or not len(at) or not (at >= 0).all() or np.isinf(at).any():
        raise EvaluationError("the times must be a list of finite numbers of at least 0")
    return at


def _check_survival(survival: Any, rows: int, times: int) -> NDArray[np.float64]:
    try:
        predicted = np.asarray(survival, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError("the survival contains values that are not numbers") from None
    if predicted.ndim == 1 and times == 1:
        predicted = predicted[:, None]
    if predicted.shape != (rows, times):
        raise EvaluationError(
            f"the survival has shape {predicted.shape}, expected ({rows}, {times}): one row per "
            "customer and one column per time"
        )
    refuse(
        ~((predicted >= 0) & (predicted <= 1)), "values of survival are missing or outside 0 to 1"
    )
    return predicted

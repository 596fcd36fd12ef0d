"""Calibration and lift curves as data; plots are drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.core.stats.special import wilson_interval
from churnkit.evaluation.classification.repeated_rows import effective_size
from churnkit.evaluation.classification.score_order import RankedOutcomes, ScoreGroups
from churnkit.evaluation.validation import EvaluationError, check_customers, check_weight

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CalibrationCurve",
    "LiftCurve",
    "ThresholdCurve",
    "calibration_curve",
    "lift_curve",
    "threshold_curve",
]


@dataclass(frozen=True, slots=True)
class CalibrationCurve(PlottableResult):
    """Predicted probability and churn rate per bin.

    Parameters
    ----------
    predicted_probability, churn_rate : (b,)
        Means of each bin.
    low, high : (b,)
        95% Wilson interval of the churn rate.
    customers : (b,)
        Weight of each bin.
    """

    _display: ClassVar[str] = "CalibrationDisplay"

    predicted_probability: NDArray[np.float64]
    churn_rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    customers: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LiftCurve(PlottableResult):
    """Share of churners reached by contacting the top of the ranking.

    Parameters
    ----------
    share_of_customers : (k,)
        Share of all customers, highest probabilities first.
    share_of_churners : (k,)
        Cumulative share of all churners.
    lift : (k,)
        Share of churners over share of customers.
    """

    _display: ClassVar[str] = "GainsDisplay"

    share_of_customers: NDArray[np.float64]
    share_of_churners: NDArray[np.float64]
    lift: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ThresholdCurve(PlottableResult):
    """Rates of flagging all customers at or above each threshold, from none to all.

    Parameters
    ----------
    threshold : (k,)
        Distinct probabilities, descending, after infinity.
    recall : (k,)
        Share of the churners that is flagged (true positive rate).
    false_positive_rate : (k,)
        Share of the other customers that is flagged.
    precision : (k,)
        Share of churners among the flagged; 1 where no one is.
    """

    _display: ClassVar[str] = "RocDisplay"

    threshold: NDArray[np.float64]
    recall: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]
    precision: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""
        return float(np.trapezoid(self.recall, self.false_positive_rate))


def calibration_curve(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
    customers: ArrayLike | None = None,
) -> CalibrationCurve:
    """Compare predicted probabilities with churn rates in bins of equal weight.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    bins
        Number of bins; equal probabilities share a bin, so there may be fewer.
    sample_weight : (n,)
        Weights of the rows.
    customers : (n,)
        The customer of each row, if customers have several: their rows depend on each other.

    Returns
    -------
    CalibrationCurve
        One value per bin, lowest probabilities first.

    Raises
    ------
    EvaluationError
        Outcomes or probabilities are invalid, or `bins` is below 1.

    Examples
    --------
    >>> curve = calibration_curve([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], bins=2)
    >>> curve.predicted_probability, curve.churn_rate
    (array([0.25, 0.75]), array([0., 1.]))
    """
    groups = _grouped(y, probability, bins, sample_weight)
    total, passed = groups.total, groups.cumulative_total
    at = np.minimum((passed - 0.5 * total) * (bins / passed[-1]), bins - 1).astype(np.intp)
    size = np.bincount(at, total, bins).astype(np.float64)
    kept = size > 0
    size = size[kept]
    rate = np.bincount(at, groups.churned, bins)[kept] / size
    predicted = np.bincount(at, total * groups.probability, bins)[kept] / size
    codes = check_customers(customers, rows=np.size(y))
    certainty = size
    if codes is not None:
        outcome, risk = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
        bin_of = at[np.searchsorted(groups.probability, risk)]
        weight = np.ones(len(risk)) if sample_weight is None else np.asarray(sample_weight, float)
        members = [np.flatnonzero(bin_of == number) for number in np.flatnonzero(kept)]
        certainty = np.array(
            [effective_size(outcome[rows], codes[rows], weight[rows]) for rows in members]
        )
    low, high = wilson_interval(rate, certainty)
    return CalibrationCurve(predicted, rate, low, high, size)


def lift_curve(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    points: int = 100,
    sample_weight: ArrayLike | None = None,
) -> LiftCurve:
    """Compute the share of churners in each top share of the ranking.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    points
        Number of shares, evenly spaced from ``1 / points`` to 1.
    sample_weight : (n,)
        Weights of the rows.

    Returns
    -------
    LiftCurve
        One value per share, ascending.

    Raises
    ------
    EvaluationError
        Outcomes or probabilities are invalid, or `points` is below 1.

    Examples
    --------
    >>> lift_curve([1, 0, 0, 0], [0.9, 0.1, 0.1, 0.1], points=4).lift
    array([4.        , 2.        , 1.33333333, 1.        ])
    """
    groups = _grouped(y, probability, points, sample_weight)
    customers = np.concatenate([[0.0], np.cumsum(groups.total[::-1])])
    churners = np.concatenate([[0.0], np.cumsum(groups.churned[::-1])])
    share = np.arange(1, points + 1) / points
    reached = np.interp(share * customers[-1], customers, churners) / churners[-1]
    return LiftCurve(share, reached, reached / share)


def threshold_curve(
    y: ArrayLike, probability: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> ThresholdCurve:
    """Compute recall, false positive rate and precision at every threshold.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    sample_weight : (n,)
        Weights of the rows.

    Returns
    -------
    ThresholdCurve
        One value per distinct probability, highest first.

    Raises
    ------
    EvaluationError
        Outcomes or probabilities are invalid, or only one class occurs.

    Examples
    --------
    >>> curve = threshold_curve([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.1])
    >>> curve.recall, curve.auc
    (array([0. , 0.5, 0.5, 1. , 1. ]), 0.75)
    """
    groups = _grouped(y, probability, 1, sample_weight)
    present = groups.total > 0
    total, churned = groups.total[present][::-1], groups.churned[present][::-1]
    flagged, found = (np.append(0.0, np.cumsum(part)) for part in (total, churned))
    churners, others = found[-1], flagged[-1] - found[-1]
    if not churners or not others:
        raise EvaluationError("only one class occurs: a threshold curve needs both")
    precision = np.append(1.0, found[1:] / flagged[1:])
    return ThresholdCurve(
        np.append(np.inf, groups.probability[present][::-1]),
        found / churners,
        (flagged - found) / others,
        precision,
    )


def _grouped(y: Any, probability: Any, parts: int, weight: Any) -> ScoreGroups:
    if parts < 1:
        raise EvaluationError(f"a curve needs at least 1 bin or point, got {parts}")
    return RankedOutcomes(y, probability).group(check_weight(weight, rows=np.size(y)))

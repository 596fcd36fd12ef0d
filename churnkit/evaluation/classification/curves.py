"""Calibration and lift curves as data; plots are drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.stats.special import wilson_interval
from churnkit.evaluation.classification.score_order import RankedOutcomes, ScoreGroups
from churnkit.evaluation.validation import EvaluationError, check_weight

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CalibrationCurve", "LiftCurve", "calibration_curve", "lift_curve"]


class _Columns:
    """Base of results that are tables: each field is a column."""

    __slots__ = ()

    def to_dict(self) -> dict[str, list[float]]:
        """Return each column as a list of numbers."""
        names: tuple[str, ...] = tuple(self.__dataclass_fields__)  # type: ignore[attr-defined]
        return {name: getattr(self, name).tolist() for name in names}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per point."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


@dataclass(frozen=True, slots=True)
class CalibrationCurve(_Columns):
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

    predicted_probability: NDArray[np.float64]
    churn_rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    customers: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LiftCurve(_Columns):
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

    share_of_customers: NDArray[np.float64]
    share_of_churners: NDArray[np.float64]
    lift: NDArray[np.float64]


def calibration_curve(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
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
    customers = np.bincount(at, total, bins).astype(np.float64)
    kept = customers > 0
    customers = customers[kept]
    rate = np.bincount(at, groups.churned, bins)[kept] / customers
    predicted = np.bincount(at, total * groups.probability, bins)[kept] / customers
    low, high = wilson_interval(rate, customers)
    return CalibrationCurve(predicted, rate, low, high, customers)


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


def _grouped(y: Any, probability: Any, parts: int, weight: Any) -> ScoreGroups:
    if parts < 1:
        raise EvaluationError(f"a curve needs at least 1 bin or point, got {parts}")
    return RankedOutcomes(y, probability).group(check_weight(weight, rows=np.size(y)))

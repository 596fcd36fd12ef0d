"""The data behind the two plots that a person asks for; drawing them is done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import (
    EvaluationError,
    Mass,
    Ranked,
    checked_weight,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CalibrationCurve", "LiftCurve", "calibration_curve", "lift_curve"]


class _Columns:
    """A result that is a table: each field is one column."""

    __slots__ = ()

    def to_dict(self) -> dict[str, list[float]]:
        """Return each column as a list of numbers."""
        names: tuple[str, ...] = tuple(self.__dataclass_fields__)  # type: ignore[attr-defined]
        return {name: getattr(self, name).tolist() for name in names}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a point."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


@dataclass(frozen=True, slots=True)
class CalibrationCurve(_Columns):
    """What was predicted and what came, bin by bin.

    Attributes
    ----------
    predicted_probability, churn_rate : (b,) means of the bin
    low, high : (b,) 95% Wilson interval of the churn rate
    customers : (b,) weight of the bin
    """

    predicted_probability: NDArray[np.float64]
    churn_rate: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    customers: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LiftCurve(_Columns):
    """How many churners are found, going down the ranking.

    Attributes
    ----------
    share_of_customers : (k,) from the highest probability down
    share_of_churners : (k,) found so far
    lift : (k,) the second over the first
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
    """Hold predicted probabilities against churn rates in bins of equal mass.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn
    bins
        How many bins; equal probabilities stay in one, so there may come out fewer.
    sample_weight : (n,) weights of the rows

    Raises
    ------
    EvaluationError
        Outcomes and probabilities cannot be used, or there is no bin.

    Examples
    --------
    >>> curve = calibration_curve([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], bins=2)
    >>> curve.predicted_probability, curve.churn_rate
    (array([0.25, 0.75]), array([0., 1.]))
    """
    mass = _checked_mass(y, probability, bins, sample_weight)
    total, passed = mass.total, mass.up_to
    at = np.minimum((passed - 0.5 * total) * (bins / passed[-1]), bins - 1).astype(np.intp)
    customers = np.bincount(at, total, bins).astype(np.float64)
    kept = customers > 0
    customers = customers[kept]
    rate = np.bincount(at, mass.churned, bins)[kept] / customers
    predicted = np.bincount(at, total * mass.probability, bins)[kept] / customers
    low, high = _wilson(rate, customers)
    return CalibrationCurve(predicted, rate, low, high, customers)


def lift_curve(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    points: int = 100,
    sample_weight: ArrayLike | None = None,
) -> LiftCurve:
    """Count the churners found in the top share of the ranking.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn
    points
        How many shares, evenly from ``1 / points`` to 1.
    sample_weight : (n,) weights of the rows

    Raises
    ------
    EvaluationError
        Outcomes and probabilities cannot be used, or there is no point.

    Examples
    --------
    >>> lift_curve([1, 0, 0, 0], [0.9, 0.1, 0.1, 0.1], points=4).lift
    array([4.        , 2.        , 1.33333333, 1.        ])
    """
    mass = _checked_mass(y, probability, points, sample_weight)
    passed = np.concatenate([[0.0], np.cumsum(mass.total[::-1])])
    found = np.concatenate([[0.0], np.cumsum(mass.churned[::-1])])
    share = np.arange(1, points + 1) / points
    churners = np.interp(share * passed[-1], passed, found) / found[-1]
    return LiftCurve(share, churners, churners / share)


def _checked_mass(y: Any, probability: Any, parts: int, weight: Any) -> Mass:
    if parts < 1:
        raise EvaluationError(f"a curve of {parts} parts cannot be drawn: use 1 or more")
    ranked = Ranked(y, probability)
    return ranked.mass(checked_weight(weight, rows=np.size(y)))


def _wilson(
    rate: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score interval (JASA 22, 1927): sound at rates of 0 and 1 and for small bins."""
    z = 1.959963984540054
    shrunk = (rate + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(rate * (1 - rate) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return np.maximum(shrunk - half, 0.0), np.minimum(shrunk + half, 1.0)

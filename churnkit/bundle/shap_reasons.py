"""Reasons for a churn probability: SHAP values in the schema's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.models.calibration.maps import Calibration

__all__ = ["Reason", "reasons_for"]


@dataclass(frozen=True, slots=True)
class Reason:
    """The contribution of one column to one customer's churn probability.

    Parameters
    ----------
    column
        The column's name.
    text
        Its value in the schema's words: ``"Month-to-month contract"``.
    points
        Percentage points by which it raises the churn probability: the probability minus the
        one without the column's contribution.
    contribution
        The same in log-odds (exact SHAP value); contributions and the bias sum to the score.
    """

    column: str
    text: str
    points: float
    contribution: float

    def to_dict(self) -> dict[str, Any]:
        """Return the reason as JSON-able data."""
        return {
            "column": self.column,
            "reason": self.text,
            "points": self.points,
            "contribution": self.contribution,
        }


def reasons_for(
    columns: Sequence[Column],
    matrix: NDArray[np.float64],
    contributions: NDArray[np.float64],
    calibration: Calibration,
    *,
    top: int,
) -> list[list[Reason]]:
    """Return for each row the columns that change its probability most, the strongest first.

    Parameters
    ----------
    columns
        The contract's features (f).
    matrix
        Encoded features, (n, f).
    contributions
        Exact SHAP values in log-odds with the bias last, (n, f + 1).
    calibration
        From log-odds to probability.
    top
        The most reasons per row; columns that change nothing are left out.

    Returns
    -------
    list of list of Reason
        (n,) reasons per row.
    """
    raw = contributions.sum(axis=1)
    probability = calibration.apply(raw)
    values = contributions[:, :-1]
    strongest = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top]
    rows = np.arange(len(values))[:, None]
    without = calibration.apply((raw[:, None] - values[rows, strongest]).ravel())
    points = 100.0 * (probability[:, None] - without.reshape(strongest.shape))
    return [
        [
            Reason(
                column=columns[column].name,
                text=columns[column].describe(columns[column].decode(matrix[row, column])),
                points=float(points[row, rank]),
                contribution=float(values[row, column]),
            )
            for rank, column in enumerate(strongest[row].tolist())
            if values[row, column] != 0.0
        ]
        for row in range(len(values))
    ]

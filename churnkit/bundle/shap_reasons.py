"""Reasons of a customer's churn probability, in the schema's words."""

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
    """Contribution of one column to one customer's probability.

    Parameters
    ----------
    column
        The column's name.
    text
        Its value in the schema's words: ``"Month-to-month contract"``.
    points
        Its part of the difference between the customer's probability and the base probability,
        in percentage points; positive raises the risk. The points of all columns add up to the
        difference.
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
    """Return the columns with the largest contributions to each row's probability.

    The base probability is that of the bias alone. On the straight line in log-odds from the base
    to the score, where all contributions grow in proportion, each column's points are its
    contribution times the mean slope of the probability (Aumann-Shapley values; the rescale rule
    of DeepLIFT, Shrikumar et al. 2017, arXiv:1704.02685). So the points of all columns add up to
    the probability minus the base, also where the probability saturates near 0 or 1.

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
        Maximum number of reasons per row; columns without a contribution are left out.

    Returns
    -------
    For each row its reasons, the strongest first.
    """
    parts = contributions[:, :-1]
    slope = calibration.mean_slope(contributions[:, -1], contributions.sum(axis=1))
    points = 100.0 * parts * slope[:, None]
    strongest = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :top]
    return [
        [
            Reason(
                column=columns[feature].name,
                text=columns[feature].describe(columns[feature].decode(matrix[row, feature])),
                points=float(points[row, feature]),
                contribution=float(parts[row, feature]),
            )
            for feature in strongest[row].tolist()
            if parts[row, feature] != 0.0
        ]
        for row in range(len(parts))
    ]

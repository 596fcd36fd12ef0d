"""Why a customer's probability is what it is, in the schema's own words."""

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
    """One column's part in one customer's probability.

    Parameters
    ----------
    column
        The column's name.
    says
        Its value in the schema's words: ``"Month-to-month contract"``.
    points
        How far it moves the probability of churn, in percentage points: the probability less
        what it would be without the column's contribution. Positive raises the risk.
    contribution
        The same in log-odds (exact SHAP value); contributions and the bias add up to the score.
    """

    column: str
    says: str
    points: float
    contribution: float

    def to_dict(self) -> dict[str, Any]:
        """Return the reason as JSON-able data."""
        return {
            "column": self.column,
            "reason": self.says,
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
    """Name for each row the columns that move its probability most, the strongest first.

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
        How many reasons a row has at most; columns that move nothing are left out.
    """
    raw = contributions.sum(axis=1)
    probability = calibration.apply(raw)
    parts = contributions[:, :-1]
    strongest = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :top]
    rows = np.arange(len(parts))[:, None]
    without = calibration.apply((raw[:, None] - parts[rows, strongest]).ravel())
    points = 100.0 * (probability[:, None] - without.reshape(strongest.shape))
    return [
        [
            Reason(
                column=columns[place].name,
                says=columns[place].describe(columns[place].decode(matrix[row, place])),
                points=float(points[row, rank]),
                contribution=float(parts[row, place]),
            )
            for rank, place in enumerate(strongest[row].tolist())
            if parts[row, place] != 0.0
        ]
        for row in range(len(parts))
    ]

"""Features that raise a customer's churn risk, and features that lower it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.translation import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.insights.health.decomposition import HealthShares

__all__ = ["RiskPart", "RiskParts", "split_risk"]


@dataclass(frozen=True, slots=True)
class RiskPart:
    """A customer's value of a feature in words, and its percentage points of churn risk."""

    text: str
    points: float


@dataclass(frozen=True, slots=True)
class RiskParts:
    """A customer's churn risk, from the mean of all customers.

    Parameters
    ----------
    start, risk
        Mean churn risk of all customers, and that of the customer, in percent.
    raising, lowering
        Features by their points, the strongest first.
    other
        Points of all other features together.
    """

    start: float
    risk: float
    raising: tuple[RiskPart, ...]
    lowering: tuple[RiskPart, ...]
    other: float

    @property
    def summary(self) -> str:
        """The features in words: ``"raises: Basic plan; lowers: City: Oslo"``."""
        sides = ((_("raises"), self.raising), (_("lowers"), self.lowering))
        return "; ".join(
            f"{side}: {', '.join(part.text for part in parts)}" for side, parts in sides if parts
        )


def split_risk(
    columns: Sequence[Column],
    features: NDArray[np.float64],
    health: HealthShares,
    *,
    mean_risk: float,
    top: int,
) -> list[RiskParts]:
    """Return for each customer the strongest features of both directions.

    Parameters
    ----------
    columns
        The contract's features (f).
    features : (n, f)
        Encoded features.
    health
        Shares of the health scores, whose negatives are the points of risk.
    mean_risk
        Mean churn probability of all customers.
    top
        Maximum number of features in both directions together.

    Returns
    -------
    list of RiskParts
        `start`, all points and `other` add up to `risk`, also after rounding to one decimal.
    """
    points = np.round(-health.shares, 1) + 0.0
    strongest = np.argsort(-np.abs(health.shares), axis=1, kind="stable")[:, :top]
    start = round(100.0 * mean_risk, 1)
    results = []
    for row, order in enumerate(strongest.tolist()):
        strongest_parts = [
            RiskPart(columns[at].describe(columns[at].decode(features[row, at])), points[row, at])
            for at in order
            if points[row, at]
        ]
        risk = round(100.0 - float(health.scores[row]), 1)
        other = round(risk - start - sum(part.points for part in strongest_parts), 1) + 0.0
        raising = tuple(part for part in strongest_parts if part.points > 0.0)
        lowering = tuple(part for part in strongest_parts if part.points < 0.0)
        results.append(RiskParts(start, risk, raising, lowering, other))
    return results

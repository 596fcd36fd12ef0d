"""The health score: 100 for a customer who surely stays, 0 for one who surely leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from churnkit.insights.base import Base

__all__ = ["Health", "HealthBand", "health_of"]

_BANDS = ((0, 50, "Critical"), (50, 70, "Weak"), (70, 85, "Fair"), (85, 95, "Good"), (95, 101, "Strong"))  # fmt: skip
_MOST = 6


@dataclass(frozen=True, slots=True)
class HealthBand:
    """Customers whose score lies in ``[low, high)``."""

    name: str
    low: int
    high: int
    customers: int
    share: float
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the band as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Health:
    """Health scores of all customers.

    Parameters
    ----------
    mean
        The mean score.
    bands
        From critical to strong.
    components
        Columns that pull scores down or up most: title, and mean points of those customers for
        whom they pull down, and of those for whom they pull up.
    formula
        In words.
    """

    mean: float
    bands: tuple[HealthBand, ...]
    components: tuple[tuple[str, float, float], ...]
    formula: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able data."""
        return {
            "mean": self.mean,
            "bands": [band.to_dict() for band in self.bands],
            "components": [list(one) for one in self.components],
            "formula": self.formula,
        }


def health_of(base: Base) -> Health:
    """Score all customers: ``100 * (1 - calibrated probability of churn)``.

    A component's points are its part of the way from the mean customer's score to the
    customer's, in proportion to its SHAP value in log-odds.
    """
    score = 100.0 * (1.0 - base.probability)
    bands = []
    for low, high, name in _BANDS:
        rows = (score >= low) & (score < high)
        bands.append(
            HealthBand(
                name,
                low,
                min(high, 100),
                int(rows.sum()),
                float(rows.mean()) if len(base) else 0.0,
                None if base.value is None else float(base.value[rows].sum()),
            )
        )
    return Health(
        float(score.mean()) if len(base) else 0.0,
        tuple(bands),
        _components(base),
        "100 x (1 - calibrated probability of churn); components share the way from the mean "
        "score by their SHAP values",
    )


def _components(base: Base) -> tuple[tuple[str, float, float], ...]:
    if not len(base.sample):
        return ()
    parts = base.contributions[:, :-1]
    score = 100.0 * (1.0 - base.probability[base.sample])
    whole = parts.sum(axis=1)
    way = score - float((100.0 * (1.0 - base.probability)).mean())
    safe = np.where(np.abs(whole) > 1e-9, whole, np.inf)
    # A positive log-odds part lowers the score; the signs of way and whole nearly always differ.
    points = -parts * np.abs(way / safe)[:, np.newaxis]
    down = np.array(
        [column[column < 0].mean() if (column < 0).any() else 0.0 for column in points.T]
    )
    up = np.array([column[column > 0].mean() if (column > 0).any() else 0.0 for column in points.T])
    order = np.argsort(-np.abs(points).mean(axis=0), kind="stable")[:_MOST]
    return tuple(
        (base.columns[place].title, float(down[place]), float(up[place]))
        for place in order.tolist()
    )

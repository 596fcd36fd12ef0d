"""The health score: 100 for a customer who surely stays, 0 for one who surely leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.insights.customer_base import Base

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


def health_of(base: Base, apply: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Health:
    """Score all customers: ``100 * (1 - calibrated probability of churn)``.

    A component's points are the score less what it would be without the column's contribution,
    as in the reasons of one customer.

    Parameters
    ----------
    base
        Scored customers.
    apply
        From log-odds to calibrated probability.
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
        _components(base, apply),
        "100 x (1 - calibrated probability of churn)",
    )


def _components(
    base: Base, apply: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[tuple[str, float, float], ...]:
    if not len(base.sample):
        return ()
    raw = base.contributions.sum(axis=1)
    probability = apply(raw)
    parts = base.contributions[:, :-1]
    points = np.stack([100.0 * (apply(raw - part) - probability) for part in parts.T], axis=1)
    down = [float(own[own < 0].mean()) if (own < 0).any() else 0.0 for own in points.T]
    up = [float(own[own > 0].mean()) if (own > 0).any() else 0.0 for own in points.T]
    order = np.argsort(-np.abs(points).mean(axis=0), kind="stable")[:_MOST]
    return tuple((base.columns[place].title, down[place], up[place]) for place in order.tolist())

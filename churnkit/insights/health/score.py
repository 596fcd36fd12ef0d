"""Health scores of a customer base: 100 x (1 - churn probability)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.result import Result
from churnkit.core.translation import _, mark_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.insights.customer_base import CustomerBase

__all__ = ["Health", "HealthBand", "measure_health"]

_BANDS = ((0, 50, mark_text("Critical")), (50, 70, mark_text("Weak")), (70, 85, mark_text("Fair")), (85, 95, mark_text("Good")), (95, 101, mark_text("Strong")))  # fmt: skip
_MOST = 6


@dataclass(frozen=True, slots=True)
class HealthBand(Result):
    """Customers with a score in ``[low, high)``."""

    name: str
    low: int
    high: int
    customers: int
    share: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Health(Result):
    """Distribution of health scores and their strongest components.

    Parameters
    ----------
    mean
        Mean score.
    bands
        Score bands from critical to strong.
    components
        Strongest features: title, mean points where the feature lowers the score, and mean points
        where it raises it.
    formula
        Definition of the score.
    """

    mean: float
    bands: tuple[HealthBand, ...]
    components: tuple[tuple[str, float, float], ...]
    formula: str


def measure_health(
    base: CustomerBase, apply: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Health:
    """Compute health scores, ``100 * (1 - calibrated churn probability)``.

    The points of a component are the score minus the score without the feature's contribution, as
    in the reasons for a customer's score.

    Parameters
    ----------
    base
        Scored customer base.
    apply
        Function from log-odds to calibrated probability.

    Returns
    -------
    Health
        Mean, bands and components.
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
        _("100 x (1 - calibrated churn probability)"),
    )


def _components(
    base: CustomerBase, apply: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[tuple[str, float, float], ...]:
    if not len(base.sample):
        return ()
    raw = base.contributions.sum(axis=1)
    probability = apply(raw)
    parts = base.contributions[:, :-1]
    points = np.stack([100.0 * (apply(raw - part) - probability) for part in parts.T], axis=1)
    order = np.argsort(-np.abs(points).mean(axis=0), kind="stable")[:_MOST].tolist()
    return tuple(
        (
            base.columns[at].title,
            _mean(points[points[:, at] < 0, at]),
            _mean(points[points[:, at] > 0, at]),
        )
        for at in order
    )


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0

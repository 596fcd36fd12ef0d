"""Kaplan-Meier survival curves of customers, and the time to churn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.core.translation import _
from churnkit.evaluation.survival.kaplan_meier import SurvivalCurve, kaplan_meier
from churnkit.insights.figure import Figure
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "SurvivalMetrics", "measure_survival"]

DAYS_A_MONTH = 30.4375
_MOST_GROUPS = 6

# The data have no churn before their first end. Customers who began earlier enter the risk set
# there (left truncation); otherwise survivors would be overrepresented.
_FOLLOW_UP = """
WITH observed AS (SELECT min(left_at) AS since FROM ck_spells),
first AS (
  SELECT s.plan, floor(date_diff('microsecond', s.began, coalesce(s.left_at, t.as_of))
      / 86400000000.0) + 1 AS days,
    CASE WHEN s.left_at IS NOT NULL AND date_diff('microsecond', s.left_at, t.as_of)
      >= t.grace_days * 86400000000 THEN 1 ELSE 0 END AS has_left,
    greatest(floor(date_diff('microsecond', s.began, coalesce(w.since, s.began))
      / 86400000000.0), 0) AS entry
  FROM ck_spells AS s CROSS JOIN ck_terms AS t CROSS JOIN observed AS w
  WHERE s.spell = 1
)
SELECT plan, days, has_left, entry, count(*) AS customers
FROM first GROUP BY plan, days, has_left, entry
ORDER BY plan, days, has_left, entry
"""

QUERIES = {"follow_up": _FOLLOW_UP}


@dataclass(frozen=True, slots=True)
class SurvivalMetrics(Result):
    """Survival curves by months since joining.

    Parameters
    ----------
    months
        Months 0, 1, 2... up to the longest follow-up.
    curves
        For ``""`` (all customers) and each plan: survival, low and high by month; None beyond the
        longest follow-up of the group.
    figures
        Median time to churn and related figures.
    """

    months: tuple[int, ...]
    curves: dict[str, dict[str, tuple[float | None, ...]]]
    figures: tuple[Figure, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per group and month."""
        import pandas as pd

        return pd.concat(
            [
                pd.DataFrame({"group": name, "month": self.months, **curve})
                for name, curve in self.curves.items()
            ],
            ignore_index=True,
        )


def measure_survival(session: InsightsSession) -> SurvivalMetrics | None:
    """Estimate survival from first spells (Kaplan-Meier); return None without customers."""
    table = session.arrays(transpile_sql(_FOLLOW_UP))
    plan = np.array(
        ["" if name is None or name is np.ma.masked else str(name) for name in table["plan"]],
        dtype=object,
    )
    numbers = [table[name].astype(float) for name in ("days", "has_left", "entry", "customers")]
    if not len(numbers[0]):
        return None
    overall = _curve(*numbers)
    months = tuple(range(int(overall.follow_up // DAYS_A_MONTH) + 1))
    curves = {"": _by_month(overall, months)}
    for name in _groups(plan, numbers[3]):
        rows = plan == name
        curves[name] = _by_month(_curve(*(column[rows] for column in numbers)), months)
    return SurvivalMetrics(months, curves, _figures(overall, *numbers))


def _groups(plan: NDArray[Any], customers: NDArray[np.float64]) -> list[str]:
    names = sorted({name for name in plan.tolist() if name})
    sizes = {name: float(customers[plan == name].sum()) for name in names}
    return sorted(sorted(names, key=lambda name: -sizes[name])[:_MOST_GROUPS])


def _curve(
    days: NDArray[np.float64],
    left: NDArray[np.float64],
    entry: NDArray[np.float64],
    customers: NDArray[np.float64],
) -> SurvivalCurve:
    return kaplan_meier(days, left, entry=entry, sample_weight=customers)


def _by_month(curve: SurvivalCurve, months: tuple[int, ...]) -> dict[str, tuple[float | None, ...]]:
    times = np.array(months) * DAYS_A_MONTH
    position = np.searchsorted(curve.time, times, side="right")
    by_month = {}
    for name in ("survival", "low", "high"):
        steps = np.append(1.0, getattr(curve, name))[position]
        by_month[name] = tuple(
            float(step) if time <= curve.follow_up else None
            for step, time in zip(steps.tolist(), times.tolist(), strict=True)
        )
    return by_month


def _figures(
    curve: SurvivalCurve,
    days: NDArray[np.float64],
    left: NDArray[np.float64],
    entry: NDArray[np.float64],
    customers: NDArray[np.float64],
) -> tuple[Figure, ...]:
    del entry
    churned = float(customers[left == 1].sum())
    mean = float((days * customers)[left == 1].sum()) / churned if churned else None
    return (
        Figure(
            "quarter_left_months", _("Time until 25% have churned"), _time_of(curve, 0.75), "months",
            _("first time at which survival (Kaplan-Meier, first spell) is at most 75%"),
        ),
        Figure(
            "median_stay_months", _("Median time to churn"), _time_of(curve, 0.5), "months",
            _("first time at which survival (Kaplan-Meier, first spell) is at most 50%"),
            note="" if curve.median != float("inf") else _("not reached yet"),
        ),
        Figure(
            "mean_stay_of_leavers_months", _("Mean tenure of churned customers"),
            None if mean is None else mean / DAYS_A_MONTH, "months",
            _("mean time from joining to churn of churned customers; underestimates the time of " "all customers"),
        ),
    )  # fmt: skip


def _time_of(curve: SurvivalCurve, share: float) -> float | None:
    below = np.flatnonzero(curve.survival <= share)
    return float(curve.time[below[0]]) / DAYS_A_MONTH if len(below) else None

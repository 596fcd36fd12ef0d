"""How long customers stay: survival curves from spells, and the time to churn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.survival.kaplan_meier import SurvivalCurve, kaplan_meier
from churnkit.insights.figure import Figure
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Staying", "measure_staying"]

DAYS_A_MONTH = 30.4375
_MOST_GROUPS = 6

# Nobody is seen leaving before the first end in the data: customers who began earlier are
# watched from there on only, or those who had left by then would be forgotten.
_FOLLOW_UP = """
WITH watched AS (SELECT min(left_at) AS since FROM ck_spells),
first AS (
  SELECT s.plan, floor(date_diff('microsecond', s.began, coalesce(s.left_at, t.as_of))
      / 86400000000.0) + 1 AS days,
    CASE WHEN s.left_at IS NOT NULL AND date_diff('microsecond', s.left_at, t.as_of)
      >= t.grace_days * 86400000000 THEN 1 ELSE 0 END AS has_left,
    greatest(floor(date_diff('microsecond', s.began, coalesce(w.since, s.began))
      / 86400000000.0), 0) AS entry
  FROM ck_spells AS s CROSS JOIN ck_terms AS t CROSS JOIN watched AS w
  WHERE s.spell = 1
)
SELECT plan, days, has_left, entry, count(*) AS customers
FROM first GROUP BY plan, days, has_left, entry
ORDER BY plan, days, has_left, entry
"""

QUERIES = {"follow_up": _FOLLOW_UP}


@dataclass(frozen=True, slots=True)
class Staying:
    """Survival curves by whole months since joining.

    Parameters
    ----------
    months
        0, 1, 2... as far as anybody was watched.
    curves
        For ``""`` (all) and each plan: share, low and high at each month; None beyond the
        longest watching of the group.
    figures
        Median time to churn and its like.
    """

    months: tuple[int, ...]
    curves: dict[str, dict[str, tuple[float | None, ...]]]
    figures: tuple[Figure, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the curves as JSON-able data."""
        return {
            "months": list(self.months),
            "curves": {
                name: {part: list(values) for part, values in curve.items()}
                for name, curve in self.curves.items()
            },
            "figures": [figure.to_dict() for figure in self.figures],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a group and month."""
        import pandas as pd

        return pd.concat(
            [
                pd.DataFrame({"group": name, "month": self.months, **curve})
                for name, curve in self.curves.items()
            ],
            ignore_index=True,
        )


def measure_staying(business: InsightsSession) -> Staying | None:
    """Estimate survival from first spells (Kaplan-Meier); None where there is no customer."""
    table = business.arrays(in_dialect(_FOLLOW_UP))
    plan = np.array(
        ["" if name is None or name is np.ma.masked else str(name) for name in table["plan"]],
        dtype=object,
    )
    numbers = [table[name].astype(float) for name in ("days", "has_left", "entry", "customers")]
    if not len(numbers[0]):
        return None
    whole = _curve(*numbers)
    months = tuple(range(int(whole.follow_up // DAYS_A_MONTH) + 1))
    curves = {"": _by_month(whole, months)}
    for name in _groups(plan, numbers[3]):
        own = plan == name
        curves[name] = _by_month(_curve(*(column[own] for column in numbers)), months)
    return Staying(months, curves, _figures(whole, *numbers))


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
    place = np.searchsorted(curve.time, times, side="right")
    found = {}
    for name in ("survival", "low", "high"):
        steps = np.append(1.0, getattr(curve, name))[place]
        found[name] = tuple(
            float(step) if time <= curve.follow_up else None
            for step, time in zip(steps.tolist(), times.tolist(), strict=True)
        )
    return found


def _figures(
    curve: SurvivalCurve,
    days: NDArray[np.float64],
    left: NDArray[np.float64],
    entry: NDArray[np.float64],
    customers: NDArray[np.float64],
) -> tuple[Figure, ...]:
    del entry
    leavers = float(customers[left == 1].sum())
    mean = float((days * customers)[left == 1].sum()) / leavers if leavers else None
    return (
        Figure(
            "quarter_left_months",
            "A quarter has left after",
            _time_of(curve, 0.75),
            "months",
            "first time at which the survival curve (Kaplan-Meier, first stay) is at 75% or below",
        ),
        Figure(
            "median_stay_months",
            "Half have left after",
            _time_of(curve, 0.5),
            "months",
            "first time at which the survival curve (Kaplan-Meier, first stay) is at 50% or below",
            note="" if curve.median != float("inf") else "not reached yet",
        ),
        Figure(
            "mean_stay_of_leavers_months",
            "Leavers had stayed for",
            None if mean is None else mean / DAYS_A_MONTH,
            "months",
            "mean time from joining to leaving of those who have left; shorter than the time of "
            "all, since stayers are not in it",
        ),
    )


def _time_of(curve: SurvivalCurve, share: float) -> float | None:
    below = np.flatnonzero(curve.survival <= share)
    return float(curve.time[below[0]]) / DAYS_A_MONTH if len(below) else None

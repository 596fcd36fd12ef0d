"""Who joined together, and how much of them is left month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.metrics.calendar import month_of, shifted
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    import pandas as pd

    from churnkit.insights.metrics.calendar import Month
    from churnkit.insights.sql_session import InsightsSession

__all__ = [
    "QUERIES",
    "Cohort",
    "Cohorts",
    "joined_by_cohort",
    "order_cohorts",
    "state_of_cohorts",
    "to_cohorts",
]

_BY_COHORT = """
SELECT f.cohort, count(CASE WHEN s.still = 1 THEN 1 END), sum(s.closing)
FROM ck_state AS s JOIN ck_first AS f ON f.who = s.who
GROUP BY f.cohort
"""

_JOINED = """
SELECT cohort, count(*), sum(first_mrr) FROM ck_first GROUP BY cohort
"""

_ORDER_COHORTS = """
WITH first AS (
  SELECT customer, date_trunc('month', min(happened)) AS cohort
  FROM ck_orders WHERE is_order GROUP BY customer
)
SELECT f.cohort, date_trunc('month', o.happened) AS month,
  count(DISTINCT CASE WHEN o.is_order THEN o.customer END), sum(o.amount)
FROM ck_orders AS o JOIN first AS f ON f.customer = o.customer
WHERE date_trunc('month', o.happened) >= f.cohort
GROUP BY f.cohort, date_trunc('month', o.happened)
"""

QUERIES = {"by_cohort": _BY_COHORT, "joined": _JOINED, "order_cohorts": _ORDER_COHORTS}

Cell = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers of one month, and what is left after 0, 1, 2... months.

    Parameters
    ----------
    name
        The month in which they joined.
    size, first_revenue
        All who joined, and their revenue at first: what the shares are of.
    customers, revenue
        By months since; None where the month is not over yet.
    """

    name: str
    size: int
    first_revenue: float
    customers: tuple[int | None, ...]
    revenue: tuple[float | None, ...]

    def retention(self) -> tuple[float | None, ...]:
        """Return customers of each month over all who joined."""
        return _shares(self.customers, self.size)

    def revenue_retention(self) -> tuple[float | None, ...]:
        """Return revenue of each month over that at first."""
        return _shares(self.revenue, self.first_revenue)


@dataclass(frozen=True, slots=True)
class Cohorts:
    """A table of cohorts, the earliest first, with its formula.

    Parameters
    ----------
    rows
        One a cohort, all equally long.
    formula
        What a cell says.
    revenue_formula
        The same for revenue.
    """

    rows: tuple[Cohort, ...]
    formula: str
    revenue_formula: str

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON-able data."""
        return {
            "formula": self.formula,
            "revenue_formula": self.revenue_formula,
            "cohorts": [
                {
                    "name": row.name,
                    "size": row.size,
                    "first_revenue": row.first_revenue,
                    "customers": list(row.customers),
                    "revenue": list(row.revenue),
                    "retention": list(row.retention()),
                    "revenue_retention": list(row.revenue_retention()),
                }
                for row in self.rows
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame of customer retention: cohorts down, months since across."""
        import pandas as pd

        return pd.DataFrame(
            [row.retention() for row in self.rows], index=[row.name for row in self.rows]
        )


def _shares(numbers: tuple[Any, ...], first: float) -> tuple[float | None, ...]:
    return tuple(None if one is None or not first else one / first for one in numbers)


def state_of_cohorts(business: InsightsSession) -> dict[dt.datetime, Cell]:
    """Count, for the stretch in ``ck_state``, who of each cohort is there at its end."""
    return _cells(business, _BY_COHORT)


def joined_by_cohort(business: InsightsSession) -> dict[dt.datetime, Cell]:
    """Count who joined in each month, and their revenue at first."""
    return _cells(business, _JOINED)


def _cells(business: InsightsSession, sql: str) -> dict[dt.datetime, Cell]:
    return {
        _aware(cohort, business): (int(count), float(money))
        for cohort, count, money in business.rows(in_dialect(sql))
    }


def to_cohorts(
    joined: Mapping[dt.datetime, Cell],
    months: tuple[Month, ...],
    cells: Mapping[str, Mapping[dt.datetime, Cell]],
) -> Cohorts:
    """Put the cells of complete months together.

    Parameters
    ----------
    joined
        From `joined_by_cohort`.
    months
        The months, in order.
    cells
        For each month's name what `state_of_cohorts` said at its end.
    """
    over = [month for month in months if month.complete]
    rows = []
    for place, month in enumerate(over):
        found = [cells[later.name].get(month.begin, (0, 0.0)) for later in over[place:]]
        blank = [None] * place
        rows.append(
            Cohort(
                month.name,
                *joined.get(month.begin, (0, 0.0)),
                (*(count for count, _ in found), *blank),
                (*(money for _, money in found), *blank),
            )
        )
    return Cohorts(
        tuple(row for row in rows if row.size),
        "customers of the month in which they first subscribed who are there at the end of the "
        "month so many later (0: of that first month) / all who first subscribed in it",
        "their monthly revenue then / when they first subscribed",
    )


def order_cohorts(business: InsightsSession) -> Cohorts:
    """Make the table from orders: who of a month's first buyers buys again so many months later."""
    cells: dict[dt.datetime, dict[dt.datetime, Cell]] = {}
    for cohort, month, count, money in business.rows(in_dialect(_ORDER_COHORTS)):
        row = cells.setdefault(_aware(cohort, business), {})
        row[_aware(month, business)] = (int(count), float(money))
    as_of = business.as_of
    # The month in which the data end is over only if they end with it.
    end = month_of(as_of)
    rows = []
    names = sorted(cells)
    for begin in names:
        if begin >= end:
            continue
        counts: list[int | None] = []
        sums: list[float | None] = []
        for since in range(_months_between(names[0], end)):
            at = shifted(begin, since)
            count, money = cells[begin].get(at, (0, 0.0))
            counts.append(count if at < end else None)
            sums.append(money if at < end else None)
        first = cells[begin][begin]
        rows.append(Cohort(f"{begin:%Y-%m}", *first, tuple(counts), tuple(sums)))
    return Cohorts(
        tuple(rows),
        "customers of the month of their first order who order in the month so many later / "
        "customers of that first month",
        "their revenue in that month, refunds taken off / in the first month",
    )


def _months_between(first: dt.datetime, end: dt.datetime) -> int:
    return (end.year - first.year) * 12 + end.month - first.month


def _aware(moment: Any, business: InsightsSession) -> dt.datetime:
    import datetime as dt

    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    found: dt.datetime = moment.replace(tzinfo=business.as_of.tzinfo)
    return found

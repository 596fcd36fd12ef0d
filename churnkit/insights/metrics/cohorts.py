"""Customer and revenue retention by cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from churnkit.core.result import PlottableResult
from churnkit.core.translation import _
from churnkit.insights.figure import ratio
from churnkit.insights.metrics.calendar import add_months, month_start
from churnkit.insights.sql_session import transpile_sql

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
    "build_cohorts",
    "cohort_sizes",
    "count_cohorts",
    "order_cohorts",
]

_BY_COHORT = """
SELECT f.cohort, count(CASE WHEN s.still = 1 THEN 1 END), sum(s.closing)
FROM ck_state AS s JOIN ck_first AS f ON f.customer_key = s.customer_key
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
    """Customers who joined in one month, and those remaining after 0, 1, 2... months.

    Parameters
    ----------
    name
        Month of joining.
    size, first_revenue
        Number of customers who joined, and their initial revenue: the denominators.
    customers, revenue
        Remaining customers and revenue by months since joining; None for incomplete months.
    """

    name: str
    size: int
    first_revenue: float
    customers: tuple[int | None, ...]
    revenue: tuple[float | None, ...]

    def retention(self) -> tuple[float | None, ...]:
        """Return the share of customers remaining after each month."""
        return _shares(self.customers, self.size)

    def revenue_retention(self) -> tuple[float | None, ...]:
        """Return the revenue of each month divided by the initial revenue."""
        return _shares(self.revenue, self.first_revenue)


@dataclass(frozen=True, slots=True)
class Cohorts(PlottableResult):
    """A table of cohorts, the earliest first.

    Parameters
    ----------
    rows
        Cohorts, all of the same length.
    formula
        Definition of customer retention.
    revenue_formula
        Definition of revenue retention.
    """

    _display: ClassVar[str] = "CohortDisplay"

    rows: tuple[Cohort, ...]
    formula: str
    revenue_formula: str

    @property
    def total(self) -> tuple[int, tuple[float | None, ...], tuple[float | None, ...]]:
        """Customers of all cohorts, and their retention of customers and of revenue by month.

        Each month compares the cohorts that have completed it with their own start.
        """
        months = range(max((len(row.customers) for row in self.rows), default=0))
        customers, revenue = [], []
        for month in months:
            rows = [row for row in self.rows if row.customers[month] is not None]
            customers.append(
                ratio(sum(row.customers[month] or 0 for row in rows), sum(r.size for r in rows))
            )
            revenue.append(
                ratio(
                    sum(row.revenue[month] or 0.0 for row in rows),
                    sum(row.first_revenue for row in rows),
                )
            )
        return sum(row.size for row in self.rows), tuple(customers), tuple(revenue)

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
        """Return customer retention as a pandas frame, one row per cohort, one column per month."""
        import pandas as pd

        return pd.DataFrame(
            [row.retention() for row in self.rows], index=[row.name for row in self.rows]
        ).rename_axis("cohort")


def _shares(numbers: tuple[Any, ...], first: float) -> tuple[float | None, ...]:
    return tuple(None if n is None or not first else n / first for n in numbers)


def count_cohorts(session: InsightsSession) -> dict[dt.datetime, Cell]:
    """Count the customers of each cohort active at the end of the interval in ``ck_state``."""
    return _cells(session, _BY_COHORT)


def cohort_sizes(session: InsightsSession) -> dict[dt.datetime, Cell]:
    """Count the customers who joined in each month, and their initial revenue."""
    return _cells(session, _JOINED)


def _cells(session: InsightsSession, sql: str) -> dict[dt.datetime, Cell]:
    return {
        _aware(cohort, session): (int(count), float(money))
        for cohort, count, money in session.rows(transpile_sql(sql))
    }


def build_cohorts(
    joined: Mapping[dt.datetime, Cell],
    months: tuple[Month, ...],
    cells: Mapping[str, Mapping[dt.datetime, Cell]],
) -> Cohorts:
    """Build the table of subscribers' cohorts from complete months.

    Parameters
    ----------
    joined
        From `cohort_sizes`.
    months
        Months in order.
    cells
        Result of `count_cohorts` by month name.

    Returns
    -------
    Cohorts
        Cohorts with at least one customer.
    """
    complete = [month for month in months if month.complete]
    rows = []
    for number, month in enumerate(complete):
        row = [cells[later.name].get(month.begin, (0, 0.0)) for later in complete[number:]]
        blank = [None] * number
        rows.append(
            Cohort(
                month.name,
                *joined.get(month.begin, (0, 0.0)),
                (*(count for count, _ in row), *blank),
                (*(money for _, money in row), *blank),
            )
        )
    return Cohorts(
        tuple(row for row in rows if row.size),
        _(
            "customers active at the end of the month / customers who first subscribed in the "
            "cohort's month"
        ),
        _("monthly revenue at the end of the month / initial monthly revenue"),
    )


def order_cohorts(session: InsightsSession) -> Cohorts:
    """Build the table of buyers' cohorts: buyers of a month who order again in later months."""
    cells: dict[dt.datetime, dict[dt.datetime, Cell]] = {}
    for cohort, month, count, money in session.rows(transpile_sql(_ORDER_COHORTS)):
        row = cells.setdefault(_aware(cohort, session), {})
        row[_aware(month, session)] = (int(count), float(money))
    as_of = session.as_of
    # The last month is complete only if the data end with it.
    end = month_start(as_of)
    rows = []
    names = sorted(cells)
    for begin in names:
        if begin >= end:
            continue
        counts: list[int | None] = []
        sums: list[float | None] = []
        for since in range(_months_between(names[0], end)):
            at = add_months(begin, since)
            count, money = cells[begin].get(at, (0, 0.0))
            counts.append(count if at < end else None)
            sums.append(money if at < end else None)
        first = cells[begin][begin]
        rows.append(Cohort(f"{begin:%Y-%m}", *first, tuple(counts), tuple(sums)))
    return Cohorts(
        tuple(rows),
        _(
            "customers with an order in the month / customers with their first order in the "
            "cohort's month"
        ),
        _("revenue net of refunds in the month / in the first month"),
    )


def _months_between(first: dt.datetime, end: dt.datetime) -> int:
    return (end.year - first.year) * 12 + end.month - first.month


def _aware(moment: Any, session: InsightsSession) -> dt.datetime:
    import datetime as dt

    if not isinstance(moment, dt.datetime):
        moment = dt.datetime.combine(moment, dt.time())
    aware: dt.datetime = moment.replace(tzinfo=session.as_of.tzinfo)
    return aware

"""Orders: revenue by month and repeat purchases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.core.result import Result
from churnkit.core.translation import _
from churnkit.insights.figure import Figure, ratio, results_to_frame, share
from churnkit.insights.metrics.calendar import month_start, months_until
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "OrderMonth", "Purchases", "measure_purchases", "prepare_orders"]

_BY_MONTH = """
SELECT date_trunc('month', happened) AS month, sum(amount), count(CASE WHEN is_order THEN 1 END),
  count(DISTINCT CASE WHEN is_order THEN customer END)
FROM ck_orders GROUP BY date_trunc('month', happened) ORDER BY month
"""

_BY_CUSTOMER = """
WITH totals AS (
  SELECT customer, count(*) AS orders, sum(amount) AS spent, min(happened) AS first_at, max(happened) AS last_at
  FROM ck_orders WHERE is_order GROUP BY customer
)
SELECT count(*), count(CASE WHEN orders >= 2 THEN 1 END), sum(orders), sum(spent),
  sum(CASE WHEN orders >= 2 THEN date_diff('second', first_at, last_at) END),
  sum(CASE WHEN orders >= 2 THEN orders - 1 END)
FROM totals
"""

QUERIES = {"by_month": _BY_MONTH, "by_customer": _BY_CUSTOMER}


@dataclass(frozen=True, slots=True)
class OrderMonth(Result):
    """Revenue net of refunds, orders and ordering customers of a calendar month."""

    name: str
    complete: bool
    revenue: float
    orders: int
    customers: int


@dataclass(frozen=True, slots=True)
class Purchases(Result):
    """Orders by month and figures of repeat purchases."""

    months: tuple[OrderMonth, ...]
    figures: tuple[Figure, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per month."""
        return results_to_frame(self.months)


def prepare_orders(session: InsightsSession) -> bool:
    """Create the table ``ck_orders`` with one row per order; return whether it has rows.

    Lines of one order are summed. A sum of zero or less is a refund, which reduces revenue and is
    not an order. Without a table of orders, events with an amount are used.
    """
    moment = f"TIMESTAMP '{session.as_of:%Y-%m-%d %H:%M:%S}'"
    if session.has("orders"):
        source = "ck_in_orders"
        keys = "customer, order" if session.has("orders", "order") else "customer, happened"
        keys = keys.replace("order", '"order"')
    elif session.has("events", "amount"):
        source, keys = "ck_in_events", "customer, happened"
    else:
        return False
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_orders AS "  # noqa: S608  (built from constants of this module)
        "SELECT customer, min(happened) AS happened, sum(amount) AS amount, sum(amount) > 0 AS is_order "
        f"FROM {source} WHERE happened < {moment} AND amount IS NOT NULL AND amount <> 0 "
        f"GROUP BY {keys}"
    )
    (count,) = session.row("SELECT count(*) FROM ck_orders")
    return bool(count)


def measure_purchases(session: InsightsSession) -> Purchases:
    """Compute metrics of the orders in ``ck_orders``."""
    as_of = session.as_of
    by_month = {
        f"{month:%Y-%m}": (float(money or 0.0), int(orders), int(customers))
        for month, money, orders, customers in session.rows(transpile_sql(_BY_MONTH))
    }
    (first,) = session.row("SELECT min(happened) FROM ck_orders")
    months = tuple(
        OrderMonth(month.name, month.complete, *by_month.get(month.name, (0.0, 0, 0)))
        for month in months_until(
            as_of,
            month_start(first.replace(tzinfo=as_of.tzinfo)),
            at_most=session.settings.months,
        )
    )
    return Purchases(months, _figures(session))


def _figures(session: InsightsSession) -> tuple[Figure, ...]:
    sums = (float(number or 0.0) for number in session.row(transpile_sql(_BY_CUSTOMER)))
    buyers, repeat, orders, spent, seconds, gaps = sums
    interval = ratio(seconds / 86_400.0, gaps)
    return (
        Figure(
            "repeat_rate", _("Repeat purchase rate"), unit="share",
            formula=_("customers with at least two orders / customers with an order"),
            **share(repeat, buyers),
        ),
        Figure(
            "orders_each", _("Orders per customer"), ratio(orders, buyers), "count",
            _("orders / customers with an order"),
        ),
        Figure(
            "order_value", _("Average order value"), ratio(spent, orders), "money",
            _("amounts of orders, without refunds / orders"),
        ),
        Figure(
            "days_between_orders", _("Mean days between orders"), interval, "days",
            _("days from first to last order / orders after the first, of repeat buyers"),
        ),
    )  # fmt: skip

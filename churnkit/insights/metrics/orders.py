"""Orders: revenue by month, and who buys again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Figure, ratio, share
from churnkit.insights.metrics.calendar import month_of, months_until
from churnkit.insights.sql_session import in_dialect

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
WITH own AS (
  SELECT customer, count(*) AS orders, sum(amount) AS spent, min(happened) AS first_at, max(happened) AS last_at
  FROM ck_orders WHERE is_order GROUP BY customer
)
SELECT count(*), count(CASE WHEN orders >= 2 THEN 1 END), sum(orders), sum(spent),
  sum(CASE WHEN orders >= 2 THEN date_diff('second', first_at, last_at) END),
  sum(CASE WHEN orders >= 2 THEN orders - 1 END)
FROM own
"""

QUERIES = {"by_month": _BY_MONTH, "by_customer": _BY_CUSTOMER}


@dataclass(frozen=True, slots=True)
class OrderMonth:
    """One calendar month: revenue net of refunds, orders, and customers who ordered."""

    name: str
    complete: bool
    revenue: float
    orders: int
    customers: int

    def to_dict(self) -> dict[str, Any]:
        """Return the month as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Purchases:
    """Orders by month, and the figures of buying again."""

    months: tuple[OrderMonth, ...]
    figures: tuple[Figure, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the orders as JSON-able data."""
        return {
            "months": [month.to_dict() for month in self.months],
            "figures": [figure.to_dict() for figure in self.figures],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a month."""
        import pandas as pd

        return pd.DataFrame([month.to_dict() for month in self.months])


def prepare_orders(business: InsightsSession) -> bool:
    """Make the table ``ck_orders``, one row an order; False where no table holds any.

    Lines of one order are added up. What adds up to nothing or less is a refund: it takes
    revenue off and is no order. Without a table of orders, events with an amount stand in.
    """
    moment = f"TIMESTAMP '{business.as_of:%Y-%m-%d %H:%M:%S}'"
    if business.has("orders"):
        source = "ck_in_orders"
        keys = "customer, order" if business.has("orders", "order") else "customer, happened"
        keys = keys.replace("order", '"order"')
    elif business.has("events", "amount"):
        source, keys = "ck_in_events", "customer, happened"
    else:
        return False
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_orders AS "  # noqa: S608  (of this module's own words)
        "SELECT customer, min(happened) AS happened, sum(amount) AS amount, sum(amount) > 0 AS is_order "
        f"FROM {source} WHERE happened < {moment} AND amount IS NOT NULL AND amount <> 0 "
        f"GROUP BY {keys}"
    )
    (count,) = business.row("SELECT count(*) FROM ck_orders")
    return bool(count)


def measure_purchases(business: InsightsSession) -> Purchases:
    """Measure the orders in ``ck_orders``."""
    as_of = business.as_of
    found = {
        f"{month:%Y-%m}": (float(money or 0.0), int(orders), int(customers))
        for month, money, orders, customers in business.rows(in_dialect(_BY_MONTH))
    }
    (first,) = business.row("SELECT min(happened) FROM ck_orders")
    months = tuple(
        OrderMonth(month.name, month.complete, *found.get(month.name, (0.0, 0, 0)))
        for month in months_until(
            as_of,
            month_of(first.replace(tzinfo=as_of.tzinfo)),
            at_most=business.settings.months,
        )
    )
    return Purchases(months, _figures(business))


def _figures(business: InsightsSession) -> tuple[Figure, ...]:
    sums = (float(number or 0.0) for number in business.row(in_dialect(_BY_CUSTOMER)))
    buyers, again, orders, spent, seconds, gaps = sums
    between = ratio(seconds / 86_400.0, gaps)
    return (
        Figure(
            "repeat_rate",
            "Buy again",
            unit="share",
            formula="customers with two orders or more / customers with an order",
            **share(again, buyers),
        ),
        Figure(
            "orders_each",
            "Orders a customer",
            ratio(orders, buyers),
            "count",
            "orders / customers with an order",
        ),
        Figure(
            "order_value",
            "Value of an order",
            ratio(spent, orders),
            "money",
            "amounts of orders, refunds not taken off / orders",
        ),
        Figure(
            "days_between_orders",
            "Days between orders",
            between,
            "days",
            "days from first to last order / orders after the first, of those who bought again",
        ),
    )

"""RFM segments: buyers by recency, frequency and monetary value of their orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.core.result import Result
from churnkit.core.translation import mark_text
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "BuyerSegment", "measure_rfm", "segment_name"]

# Quintiles: 5 is the most recent, the most frequent, the highest spend.
_SCORED = """
WITH totals AS (
  SELECT o.customer, max(CASE WHEN o.is_order THEN o.happened END) AS last_at,
    count(CASE WHEN o.is_order THEN 1 END) AS orders, sum(o.amount) AS spent
  FROM ck_orders AS o CROSS JOIN ck_span AS p
  WHERE o.happened < p.begin_at GROUP BY o.customer
), scored AS (
  SELECT customer, orders, spent,
    ntile(5) OVER (ORDER BY last_at, customer) AS r,
    ntile(5) OVER (ORDER BY orders, spent, customer) AS f,
    ntile(5) OVER (ORDER BY spent, customer) AS m
  FROM totals WHERE orders > 0
), again AS (
  SELECT DISTINCT o.customer FROM ck_orders AS o CROSS JOIN ck_span AS p
  WHERE o.is_order AND o.happened >= p.begin_at AND o.happened < p.until_at
)
SELECT s.r, s.f, s.m, count(*), sum(s.orders), sum(s.spent),
  count(CASE WHEN a.customer IS NULL THEN 1 END)
FROM scored AS s LEFT JOIN again AS a ON a.customer = s.customer
GROUP BY s.r, s.f, s.m
"""

QUERIES = {"scored": _SCORED}

_ADVICE = {
    mark_text("Champions"): mark_text("Thank them and ask for referrals"),
    mark_text("Loyal"): mark_text("Cross-sell related products"),
    mark_text("Newcomers"): mark_text("Encourage a second order"),
    mark_text("Promising"): mark_text("Offer a reason to return soon"),
    mark_text("Slipping away"): mark_text("Send a reminder"),
    mark_text("At risk, once valuable"): mark_text("Win back with a personal contact"),
    mark_text("Asleep"): mark_text("One low-cost reminder"),
}


@dataclass(frozen=True, slots=True)
class BuyerSegment(Result):
    """Buyers of one RFM segment.

    Parameters
    ----------
    name
        Name of the segment.
    customers, orders, spent
        Totals before the last horizon.
    silent
        Share without an order within the last horizon.
    advice
        Suggested action.
    """

    name: str
    customers: int
    orders: int
    spent: float
    silent: float
    advice: str


def segment_name(recency: int, frequency: int, money: int) -> str:
    """Return the name of a segment from its quintiles, 1 to 5.

    Examples
    --------
    >>> segment_name(5, 5, 5), segment_name(5, 1, 2), segment_name(1, 5, 5)
    ('Champions', 'Newcomers', 'At risk, once valuable')
    """
    if recency >= 4:
        if frequency >= 4:
            return "Champions" if recency == 5 or money >= 4 else "Loyal"
        return "Newcomers" if frequency <= 2 else "Promising"
    if recency == 3:
        return "Loyal" if frequency >= 4 else "Slipping away" if frequency >= 2 else "Promising"
    return "At risk, once valuable" if frequency >= 4 or money == 5 else "Asleep"


def measure_rfm(session: InsightsSession) -> tuple[BuyerSegment, ...]:
    """Segment the buyers in ``ck_orders`` as of one horizon ago, with the share that did not return."""
    import datetime as dt

    days = session.settings.horizon_days
    session.set_span(session.as_of - dt.timedelta(days=days), session.as_of)
    sums: dict[str, list[float]] = {}
    for r, f, m, *numbers in session.rows(transpile_sql(_SCORED)):
        totals = sums.setdefault(segment_name(int(r), int(f), int(m)), [0.0] * 4)
        for at, number in enumerate(numbers):
            totals[at] += float(number)
    segments = [
        BuyerSegment(
            name, int(customers), int(orders), spent, silent / customers, _ADVICE[name]
        )
        for name, (customers, orders, spent, silent) in sums.items()
    ]  # fmt: skip
    return tuple(sorted(segments, key=lambda segment: (-segment.spent, segment.name)))

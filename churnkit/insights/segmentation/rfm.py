"""Buyers by how lately, how often and for how much they ordered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "BuyerSegment", "measure_rfm", "named"]

# Fifths: 5 is the latest, the most frequent, the highest.
_SCORED = """
WITH own AS (
  SELECT o.customer, max(CASE WHEN o.is_order THEN o.happened END) AS last_at,
    count(CASE WHEN o.is_order THEN 1 END) AS orders, sum(o.amount) AS spent
  FROM ck_orders AS o CROSS JOIN ck_span AS p
  WHERE o.happened < p.begin_at GROUP BY o.customer
), scored AS (
  SELECT customer, orders, spent,
    ntile(5) OVER (ORDER BY last_at, customer) AS r,
    ntile(5) OVER (ORDER BY orders, spent, customer) AS f,
    ntile(5) OVER (ORDER BY spent, customer) AS m
  FROM own WHERE orders > 0
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
    "Champions": "Thank them, and ask them to recommend you",
    "Loyal": "Offer what goes with what they buy",
    "Newcomers": "Help them to a second order",
    "Promising": "Give a reason to come back soon",
    "Slipping away": "Remind them while they still know you",
    "At risk, once valuable": "Win back in person",
    "Asleep": "One cheap reminder, then leave in peace",
}


@dataclass(frozen=True, slots=True)
class BuyerSegment:
    """Buyers of one RFM segment.

    Parameters
    ----------
    name
        Made of recency and frequency.
    customers, orders, spent
        Sums up to the beginning of the last horizon.
    silent
        Share that did not order within the last horizon.
    advice
        What to do.
    """

    name: str
    customers: int
    orders: int
    spent: float
    silent: float
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Return the segment as JSON-able data."""
        return asdict(self)


def named(recency: int, frequency: int, money: int) -> str:
    """Name a segment from its fifths, 1 to 5.

    Examples
    --------
    >>> named(5, 5, 5), named(5, 1, 2), named(1, 1, 1), named(1, 5, 5)
    ('Champions', 'Newcomers', 'Asleep', 'At risk, once valuable')
    """
    if recency >= 4:
        if frequency >= 4:
            return "Champions" if recency == 5 or money >= 4 else "Loyal"
        return "Newcomers" if frequency <= 2 else "Promising"
    if recency == 3:
        return "Loyal" if frequency >= 4 else "Slipping away" if frequency >= 2 else "Promising"
    return "At risk, once valuable" if frequency >= 4 or money == 5 else "Asleep"


def measure_rfm(business: InsightsSession) -> tuple[BuyerSegment, ...]:
    """Segment the buyers in ``ck_orders`` as they stood one horizon ago, and see who came back."""
    import datetime as dt

    days = business.settings.horizon_days
    business.span(business.as_of - dt.timedelta(days=days), business.as_of)
    sums: dict[str, list[float]] = {}
    for r, f, m, *numbers in business.rows(in_dialect(_SCORED)):
        own = sums.setdefault(named(int(r), int(f), int(m)), [0.0] * 4)
        for place, number in enumerate(numbers):
            own[place] += float(number)
    found = [
        BuyerSegment(
            name, int(customers), int(orders), spent, silent / customers, _ADVICE[name]
        )
        for name, (customers, orders, spent, silent) in sums.items()
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (-one.spent, one.name)))

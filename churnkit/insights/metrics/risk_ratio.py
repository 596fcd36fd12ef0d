"""Who left later: customers with something against those without, as a ratio with its interval."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Z95, ratio
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import datetime as dt

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "RiskRatio", "left_after", "linked_to_leaving", "risk_ratio"]

# Of each customer the last moment, if the customer was there and the horizon is over.
_LEFT_AFTER = """
WITH last_of AS (
  SELECT m.who, max(m.happened) AS happened
  FROM ck_moments AS m CROSS JOIN ck_span AS p
  WHERE m.happened >= p.begin_at AND m.happened < p.until_at
  GROUP BY m.who
), grouped AS (
  SELECT l.who, l.happened, min(m.part) AS part
  FROM last_of AS l JOIN ck_moments AS m ON m.who = l.who AND m.happened = l.happened
  GROUP BY l.who, l.happened
)
SELECT g.part, count(*), count(CASE WHEN s.left_at IS NOT NULL
    AND date_diff('second', g.happened, s.left_at) < h.seconds THEN 1 END)
FROM grouped AS g CROSS JOIN ck_horizon AS h
JOIN ck_spells AS s ON s.who = g.who AND s.began < g.happened
  AND (s.left_at IS NULL OR s.left_at >= g.happened)
GROUP BY g.part ORDER BY g.part
"""

_THERE = """
CREATE OR REPLACE TEMP TABLE ck_there AS
SELECT s.who, max(CASE WHEN s.left_at IS NOT NULL
    AND date_diff('second', p.until_at, s.left_at) < h.seconds THEN 1 ELSE 0 END) AS has_left
FROM ck_spells AS s CROSS JOIN ck_span AS p CROSS JOIN ck_horizon AS h
WHERE s.began < p.until_at AND (s.left_at IS NULL OR s.left_at >= p.until_at)
GROUP BY s.who
"""

_EXPOSED = """
WITH seen AS (
  SELECT DISTINCT m.who, m.part FROM ck_moments AS m CROSS JOIN ck_span AS p
  WHERE m.happened >= p.begin_at AND m.happened < p.until_at
)
SELECT seen.part, count(*), sum(t.has_left)
FROM seen JOIN ck_there AS t ON t.who = seen.who
GROUP BY seen.part ORDER BY seen.part
"""

QUERIES = {"left_after": _LEFT_AFTER, "there": _THERE, "exposed": _EXPOSED}


@dataclass(frozen=True, slots=True)
class RiskRatio:
    """How much more often those with something left than those without.

    Parameters
    ----------
    name
        Who they are.
    customers, left
        With it: how many, and how many of them left.
    other_customers, other_left
        The same without it.
    value, low, high
        Share that left with it / share that left without it, and its 95% interval (Katz); None
        where one group is empty.
    formula
        In words.
    """

    name: str
    customers: int
    left: int
    other_customers: int
    other_left: int
    value: float | None
    low: float | None
    high: float | None
    formula: str

    @property
    def rate(self) -> float | None:
        """Share that left."""
        return ratio(self.left, self.customers)

    @property
    def other_rate(self) -> float | None:
        """Share that left without it."""
        return ratio(self.other_left, self.other_customers)

    def to_dict(self) -> dict[str, Any]:
        """Return the ratio as JSON-able data."""
        return {**asdict(self), "rate": self.rate, "other_rate": self.other_rate}


def risk_ratio(
    name: str, customers: int, left: int, other_customers: int, other_left: int, *, formula: str
) -> RiskRatio:
    """Compare two shares that left.

    Half a customer is added where a group has no leaver, so that the ratio stays defined.

    References
    ----------
    Katz, Baptista, Azen, Pike (1978), Biometrics 34, 469-474.

    Examples
    --------
    >>> found = risk_ratio("detractors", 100, 20, 400, 40, formula="")
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (2.0, 1.23, 3.26)
    """
    value = low = high = None
    if customers and other_customers and (left or other_left):
        few = 0.5 if not (left and other_left) else 0.0
        a, n, b, m = left + few, customers + few, other_left + few, other_customers + few
        value = (a / n) / (b / m)
        half = Z95 * math.sqrt(max(1 / a - 1 / n + 1 / b - 1 / m, 0.0))
        low, high = value * math.exp(-half), value * math.exp(half)
    return RiskRatio(
        name, customers, left, other_customers, other_left, value, low, high, formula
    )  # fmt: skip


def set_horizon(business: InsightsSession) -> None:
    """Make the table ``ck_horizon`` with the length of the settings' horizon."""
    business.run(
        "CREATE OR REPLACE TEMP TABLE ck_horizon AS "
        f"SELECT {business.settings.horizon_days * 86_400} AS seconds"
    )


def left_after(
    business: InsightsSession, begin: dt.datetime, until: dt.datetime
) -> dict[str, tuple[int, int]]:
    """Count, for the parts of ``ck_moments``, customers and those who left within the horizon.

    Parameters
    ----------
    business
        With prepared subscriptions and the table ``ck_moments`` (who, happened, part).
    begin, until
        Moments in ``[begin, until)``; of each customer the last one counts.
    """
    set_horizon(business)
    business.span(begin, until)
    return {
        str(part): (int(count), int(left))
        for part, count, left in business.rows(in_dialect(_LEFT_AFTER))
    }


def linked_to_leaving(
    business: InsightsSession, begin: dt.datetime, until: dt.datetime, *, what: str
) -> tuple[RiskRatio, ...]:
    """Hold customers with each part of ``ck_moments`` in a time against those without it.

    Parameters
    ----------
    business
        With prepared subscriptions and the table ``ck_moments`` (who, happened, part).
    begin, until
        When it was seen; leaving is counted within the horizon after `until`, among those who
        were customers then.
    what
        The parts in words, for the formula: ``a ticket on the topic``.

    Returns
    -------
    tuple of RiskRatio
        The highest first.
    """
    set_horizon(business)
    business.span(begin, until)
    business.run(in_dialect(_THERE))
    customers, left = business.row("SELECT count(*), coalesce(sum(has_left), 0) FROM ck_there")
    days = business.settings.horizon_days
    seen_days = (until - begin).days
    formula = (
        f"share that left within {days} days of those with {what} in the {seen_days} days before "
        "/ share of those without"
    )
    found = [
        risk_ratio(
            str(part),
            int(count),
            int(gone),
            int(customers) - int(count),
            int(left) - int(gone),
            formula=formula,
        )
        for part, count, gone in business.rows(in_dialect(_EXPOSED))
    ]
    return tuple(sorted(found, key=lambda one: (-(one.value or 0.0), one.name)))

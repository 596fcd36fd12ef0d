"""Risk ratios: churn after an event compared with churn without it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.translation import _
from churnkit.insights.figure import ratio
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import datetime as dt

    from churnkit.insights.sql_session import InsightsSession

__all__ = [
    "FEWEST_CUSTOMERS",
    "QUERIES",
    "RiskRatio",
    "count_churned_after",
    "exposure_risk_ratios",
    "prepare_active",
    "risk_ratio",
    "set_horizon",
]

# The last event of each customer who was active then and whose horizon has ended.
_LEFT_AFTER = """
WITH last_of AS (
  SELECT m.customer_key, max(m.happened) AS happened
  FROM ck_moments AS m CROSS JOIN ck_span AS p
  WHERE m.happened >= p.begin_at AND m.happened < p.until_at
  GROUP BY m.customer_key
), grouped AS (
  SELECT l.customer_key, l.happened, min(m.part) AS part
  FROM last_of AS l JOIN ck_moments AS m ON m.customer_key = l.customer_key AND m.happened = l.happened
  GROUP BY l.customer_key, l.happened
)
SELECT g.part, count(*), count(CASE WHEN s.left_at IS NOT NULL
    AND date_diff('second', g.happened, s.left_at) < h.seconds THEN 1 END)
FROM grouped AS g CROSS JOIN ck_horizon AS h
JOIN ck_spells AS s ON s.customer_key = g.customer_key AND s.began < g.happened
  AND (s.left_at IS NULL OR s.left_at >= g.happened)
GROUP BY g.part ORDER BY g.part
"""

_ACTIVE = """
CREATE OR REPLACE TEMP TABLE ck_active AS
SELECT s.customer_key, max(CASE WHEN s.left_at IS NOT NULL
    AND date_diff('second', p.until_at, s.left_at) < h.seconds THEN 1 ELSE 0 END) AS has_left
FROM ck_spells AS s CROSS JOIN ck_span AS p CROSS JOIN ck_horizon AS h
WHERE s.began < p.until_at AND (s.left_at IS NULL OR s.left_at >= p.until_at)
GROUP BY s.customer_key
"""

_EXPOSED = """
WITH seen AS (
  SELECT DISTINCT m.customer_key, m.part FROM ck_moments AS m CROSS JOIN ck_span AS p
  WHERE m.happened >= p.begin_at AND m.happened < p.until_at
)
SELECT seen.part, count(*), sum(t.has_left)
FROM seen JOIN ck_active AS t ON t.customer_key = seen.customer_key
GROUP BY seen.part ORDER BY seen.part
"""

FEWEST_CUSTOMERS = 5
"""Customers of the smallest group that is compared with the others."""
_FEWEST_CLAIMED, _FEWEST_LEFT = 20, 5
QUERIES = {"count_churned_after": _LEFT_AFTER, "active": _ACTIVE, "exposed": _EXPOSED}


@dataclass(frozen=True, slots=True)
class RiskRatio(Result):
    """Churn rate of a group divided by the churn rate of the others.

    Parameters
    ----------
    name
        Name of the group.
    customers, left
        Number of customers in the group, and of those who churned.
    other_customers, other_left
        The same for the others.
    value, low, high
        Ratio of the churn rates and its 95% interval (MOVER) for all groups of a comparison
        together, approximate in groups of fewer than 20 customers (see `risk_ratio`); None if a
        group is empty.
    formula
        Definition of the ratio.
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
        """Churn rate of the group."""
        return ratio(self.left, self.customers)

    @property
    def other_rate(self) -> float | None:
        """Churn rate of the others."""
        return ratio(self.other_left, self.other_customers)

    @property
    def is_large_enough(self) -> bool:
        """True for at least 20 customers and 5 churned customers on both sides of the ratio."""
        customers = min(self.customers, self.other_customers)
        return customers >= _FEWEST_CLAIMED and min(self.left, self.other_left) >= _FEWEST_LEFT

    def to_dict(self) -> dict[str, Any]:
        """Return the ratio as JSON-able data."""
        return {**Result.to_dict(self), "rate": self.rate, "other_rate": self.other_rate}


def risk_ratio(
    name: str,
    customers: int,
    left: int,
    other_customers: int,
    other_left: int,
    *,
    formula: str,
    comparisons: int = 1,
) -> RiskRatio:
    """Compute the ratio of two churn rates.

    If a group has no churned customer, 0.5 is added to all counts (Haldane-Anscombe). The interval
    combines the Jeffreys limits of both rates on the log scale (MOVER): in groups of few customers
    the error of the log ratio is far from normal, and the normal interval (Katz) is left above by
    one of thirty equal groups in every seventh comparison, nominally in every fortieth. In tiny groups the
    error to one side exceeds its nominal 2.5%: for equal rates it is 5.5% for two groups of 5
    customers at a rate of 0.5, and 4.2% for 8 customers against 500 at 0.95 (exact binomial sums).

    Parameters
    ----------
    name
        Name of the group.
    customers, left, other_customers, other_left
        Customers and churned customers of the group and of the others.
    formula
        Definition of the ratio.
    comparisons
        Number of groups among which the highest ratio is looked for: the intervals of all of them
        hold together with 95% (Bonferroni), or the highest of many would differ by chance.

    Returns
    -------
    RiskRatio
        The ratio with its interval.

    References
    ----------
    Zou and Donner (2008), Statistics in Medicine 27, 1693-1702, doi:10.1002/sim.3095. Brown, Cai
    and DasGupta (2001), Statistical Science 16, 101-133, doi:10.1214/ss/1009213286.

    Examples
    --------
    >>> ratio = risk_ratio("detractors", 100, 20, 400, 40, formula="")
    >>> ratio.value, round(ratio.low, 2), round(ratio.high, 2)
    (2.0, 1.2, 3.21)
    """
    value = low = high = None
    if customers and other_customers and (left or other_left):
        few = 0.5 if not (left and other_left) else 0.0
        a, n, b, m = left + few, customers + few, other_left + few, other_customers + few
        value = (a / n) / (b / m)
        tail = 0.025 / max(comparisons, 1)
        below, above = _log_distances(a / n, left, customers, tail)
        other_below, other_above = _log_distances(b / m, other_left, other_customers, tail)
        low = value * math.exp(-math.hypot(below, other_above))
        high = value * math.exp(math.hypot(above, other_below))
    return RiskRatio(
        name, customers, left, other_customers, other_left, value, low, high, formula
    )  # fmt: skip


def _log_distances(rate: float, left: int, customers: int, tail: float) -> tuple[float, float]:
    """Return how far the Jeffreys limits of a rate lie below and above it, in logarithms."""
    from scipy.special import betaincinv

    shape = (left + 0.5, customers - left + 0.5)
    high = 1.0 if left == customers else float(betaincinv(*shape, 1.0 - tail))
    # The lower limit of a rate of zero has no logarithm: the normal one of half a customer (Katz).
    normal = NormalDist().inv_cdf(1.0 - tail) * math.sqrt(2.0)
    below = math.log(rate / float(betaincinv(*shape, tail))) if left else normal
    return below, math.log(high / rate)


def set_horizon(session: InsightsSession) -> None:
    """Create the table ``ck_horizon`` with the horizon of the settings."""
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_horizon AS "
        f"SELECT {session.settings.horizon_days * 86_400} AS seconds"
    )


def prepare_active(session: InsightsSession) -> None:
    """Create ``ck_active``: customers at the end of ``ck_span``, and who churned in the horizon."""
    set_horizon(session)
    session.run(transpile_sql(_ACTIVE))


def count_churned_after(
    session: InsightsSession, begin: dt.datetime, until: dt.datetime
) -> dict[str, tuple[int, int]]:
    """Count customers, and those who churned within the horizon, by group of ``ck_moments``.

    Parameters
    ----------
    session
        Session with prepared subscriptions and the table ``ck_moments`` (customer_key, happened,
        part).
    begin, until
        Interval ``[begin, until)`` of the events; the last one of each customer counts.

    Returns
    -------
    dict
        Customers and churned customers of each group.
    """
    set_horizon(session)
    session.set_span(begin, until)
    return {
        str(part): (int(count), int(left))
        for part, count, left in session.rows(transpile_sql(_LEFT_AFTER))
    }


def exposure_risk_ratios(
    session: InsightsSession, begin: dt.datetime, until: dt.datetime, *, event: str
) -> tuple[RiskRatio, ...]:
    """Compare churn of customers with and without each kind of event in ``ck_moments``.

    Parameters
    ----------
    session
        Session with prepared subscriptions and the table ``ck_moments`` (customer_key, happened,
        part).
    begin, until
        Interval of the events; churn is counted within the horizon after `until`, among customers
        active then.
    event
        Event in words, for the formula: ``a ticket on the topic``.

    Returns
    -------
    tuple of RiskRatio
        The highest first.
    """
    session.set_span(begin, until)
    prepare_active(session)
    customers, left = session.row("SELECT count(*), coalesce(sum(has_left), 0) FROM ck_active")
    days = session.settings.horizon_days
    formula = _(
        "churn rate within {days} days of customers with {event} in the {path_days} days before "
        "/ churn rate of the others",
        days=days,
        event=event,
        path_days=(until - begin).days,
    )
    groups = session.rows(transpile_sql(_EXPOSED))
    ratios = [
        risk_ratio(
            str(part),
            int(count),
            int(gone),
            int(customers) - int(count),
            int(left) - int(gone),
            formula=formula,
            comparisons=sum(int(row[1]) >= FEWEST_CUSTOMERS for row in groups),
        )
        for part, count, gone in groups
    ]
    return tuple(sorted(ratios, key=lambda ratio: (-(ratio.value or 0.0), ratio.name)))

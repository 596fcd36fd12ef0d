"""Journeys: the funnel from joining to regular use, and paths of events before churn."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from churnkit.core.result import Result
from churnkit.core.stats.special import wilson_interval
from churnkit.core.translation import _
from churnkit.insights.figure import ratio
from churnkit.insights.metrics.risk_ratio import (
    FEWEST_CUSTOMERS,
    RiskRatio,
    prepare_active,
    risk_ratio,
    set_horizon,
)
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    from churnkit.insights.sql_session import InsightsSession

__all__ = ["FunnelStep", "Journeys", "measure_journeys"]

_FIRST_DAYS: Final = 30
_SECOND_DAYS: Final = 60
_JOINED_DAYS: Final = 365
_PATH_DAYS: Final = 60
_FEWEST: Final = 5
_MOST_PATHS: Final = 12

# One row per customer who joined in the span, with the funnel's conditions as 0 or 1.
_FUNNEL = """
WITH joined AS (
  SELECT f.customer_key, f.first_started AS began FROM ck_first AS f CROSS JOIN ck_span AS p
  WHERE f.first_started >= p.begin_at AND f.first_started < p.until_at
), used AS (
  SELECT j.customer_key, date_diff('second', j.began, m.happened) AS age, m.part, m.day
  FROM joined AS j JOIN ck_journey AS m ON m.customer_key = j.customer_key
  WHERE m.happened >= j.began AND m.is_use = 1
), flags AS (
  SELECT customer_key,
    max(CASE WHEN age < 604800 THEN 1 ELSE 0 END) AS week,
    count(DISTINCT CASE WHEN age < 2592000 THEN day END) AS days,
    count(DISTINCT CASE WHEN age < 2592000 THEN part END) AS kinds,
    max(CASE WHEN age >= 2592000 AND age < 5184000 THEN 1 ELSE 0 END) AS later
  FROM used GROUP BY customer_key
)
SELECT coalesce(u.week, 0) AS week, CASE WHEN u.days >= 3 THEN 1 ELSE 0 END AS days,
  CASE WHEN u.kinds >= 2 THEN 1 ELSE 0 END AS kinds, coalesce(u.later, 0) AS later,
  count(*) AS customers,
  sum(CASE WHEN s.left_at IS NOT NULL
    AND date_diff('second', j.began, s.left_at) < h.seconds + 5184000 THEN 1 ELSE 0 END) AS gone
FROM joined AS j CROSS JOIN ck_horizon AS h
JOIN ck_spells AS s ON s.customer_key = j.customer_key AND s.spell = 1
LEFT JOIN flags AS u ON u.customer_key = j.customer_key
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""

# The last three different events in a row of each active customer; NULL for fewer.
_PATHS = """
WITH seen AS (
  SELECT m.customer_key, m.happened, m.part,
    lag(m.part) OVER (PARTITION BY m.customer_key ORDER BY m.happened, m.part) AS before
  FROM ck_journey AS m CROSS JOIN ck_span AS p
  WHERE m.happened >= p.begin_at AND m.happened < p.until_at
), turned AS (
  SELECT customer_key, part,
    row_number() OVER (PARTITION BY customer_key ORDER BY happened DESC, part DESC) AS place
  FROM seen WHERE before IS NULL OR before <> part
), paths AS (
  SELECT customer_key, max(CASE WHEN place = 3 THEN part END) AS third,
    max(CASE WHEN place = 2 THEN part END) AS second,
    max(CASE WHEN place = 1 THEN part END) AS last
  FROM turned WHERE place <= 3 GROUP BY customer_key
)
SELECT p.third, p.second, p.last, count(*) AS customers, sum(a.has_left) AS gone
FROM ck_active AS a LEFT JOIN paths AS p ON p.customer_key = a.customer_key
GROUP BY p.third, p.second, p.last
"""


@dataclass(frozen=True, slots=True)
class FunnelStep(Result):
    """A step of the funnel: customers who took it and all steps before it.

    Parameters
    ----------
    name
        The step in words.
    customers, joined
        Customers who took it, and all who joined.
    left
        Those of them who churned.
    share, low, high
        Customers / joined, with its 95% interval (Wilson).
    """

    name: str
    customers: int
    joined: int
    left: int
    share: float
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """Churn rate of the customers who took the step."""
        return ratio(self.left, self.customers)


@dataclass(frozen=True, slots=True)
class Journeys(Result):
    """Funnel of new customers, and paths with their later churn.

    Parameters
    ----------
    funnel
        Steps from joining to use in the second month; empty with fewer than five new customers.
    churn_days
        Days after joining within which the funnel counts churn.
    paths
        Churn of customers with each path, compared with all others; the highest ratio first. The
        intervals hold for all paths together.
    path_days
        Days of a path, before the date from which churn is counted.
    """

    funnel: tuple[FunnelStep, ...]
    churn_days: int
    paths: tuple[RiskRatio, ...]
    path_days: int = _PATH_DAYS


def measure_journeys(session: InsightsSession) -> Journeys | None:
    """Measure the funnel of new customers and the churn after paths of events.

    Parameters
    ----------
    session
        Session with prepared subscriptions and a table of events.

    Returns
    -------
    Journeys or None
        None without events or subscriptions, or if too few customers have a history.
    """
    if not (session.has("events") and session.has("subscriptions")):
        return None
    _prepare(session)
    horizon = session.settings.horizon_days
    funnel = _measure_funnel(session)
    until = session.as_of - dt.timedelta(days=horizon)
    session.set_span(until - dt.timedelta(days=_PATH_DAYS), until)
    prepare_active(session)
    paths = _measure_paths(session)
    if not funnel and not paths:
        return None
    return Journeys(funnel, _SECOND_DAYS + horizon, paths)


def _prepare(session: InsightsSession) -> None:
    """Create the table ``ck_journey`` of events and tickets by customer."""
    kind = "coalesce(x.kind, 'event')" if session.has("events", "kind") else "'event'"
    queries = [
        (
            f"SELECT x.customer, x.happened, CAST({kind} AS VARCHAR) AS part, 1 AS is_use "  # noqa: S608  (constants of this module)
            "FROM ck_in_events AS x"
        )
    ]
    if session.has("tickets"):
        topic = "coalesce(x.topic, '')" if session.has("tickets", "topic") else "''"
        queries.append(
            f"SELECT x.customer, x.opened AS happened, trim('ticket ' || {topic}) AS part, "  # noqa: S608
            "0 AS is_use FROM ck_in_tickets AS x"
        )
    session.run(
        "CREATE OR REPLACE TEMP TABLE ck_journey AS SELECT w.customer_key, x.happened, x.part, "  # noqa: S608
        "x.is_use, CAST(x.happened AS DATE) AS day FROM ("
        + " UNION ALL ".join(queries)
        + ") AS x JOIN ck_customers AS w ON w.customer = x.customer CROSS JOIN ck_terms AS t "
        "WHERE x.happened < t.as_of"
    )


def _measure_funnel(session: InsightsSession) -> tuple[FunnelStep, ...]:
    """Count the steps of customers whose first 60 days and churn horizon have ended."""
    (first,) = session.row("SELECT min(happened) FROM ck_in_events")
    if first is None:
        return ()
    days = _SECOND_DAYS + session.settings.horizon_days
    until = session.as_of - dt.timedelta(days=days)
    # Customers who joined before the first recorded event seem to have used nothing.
    begin = max(until - dt.timedelta(days=_JOINED_DAYS), first.replace(tzinfo=until.tzinfo))
    if begin >= until:
        return ()
    session.set_span(begin, until)
    set_horizon(session)
    rows = session.rows(transpile_sql(_FUNNEL))
    joined = sum(row[4] for row in rows)
    if joined < _FEWEST:
        return ()
    conditions = [(_("Joined"), 4), (_("First event within 7 days"), 0)]
    conditions += [
        (_("Events on 3 days or more within {first_days} days", first_days=_FIRST_DAYS), 1)
    ]
    if session.has("events", "kind"):
        conditions += [
            (_("2 kinds of events or more within {first_days} days", first_days=_FIRST_DAYS), 2)
        ]
    conditions += [
        (
            _(
                "Events in days {first_days} to {second_days}",
                first_days=_FIRST_DAYS + 1,
                second_days=_SECOND_DAYS,
            ),
            3,
        )
    ]
    steps = []
    for name, column in conditions:
        rows = rows if name == "Joined" else [row for row in rows if row[column]]
        count, gone = sum(row[4] for row in rows), sum(row[5] for row in rows)
        low, high = wilson_interval(count / joined, joined)
        steps.append(
            FunnelStep(
                name, int(count), int(joined), int(gone), count / joined, float(low), float(high)
            )
        )
    return tuple(steps)


def _measure_paths(session: InsightsSession) -> tuple[RiskRatio, ...]:
    rows = session.rows(transpile_sql(_PATHS))
    customers, left = sum(row[3] for row in rows), sum(row[4] for row in rows)
    formula = _(
        "churn rate within {horizon_days} days of customers with this path in the "
        "{path_days} days before / churn rate of all others",
        horizon_days=session.settings.horizon_days,
        path_days=_PATH_DAYS,
    )
    common = sorted(rows, key=lambda row: (-row[3], str(row[:3])))[:_MOST_PATHS]
    common = [row for row in common if row[3] >= FEWEST_CUSTOMERS]
    ratios = [
        risk_ratio(
            " \N{RIGHTWARDS ARROW} ".join(str(part) for part in row[:3] if part is not None)
            or _("No event in {path_days} days", path_days=_PATH_DAYS),
            int(row[3]),
            int(row[4]),
            int(customers - row[3]),
            int(left - row[4]),
            formula=formula,
            comparisons=len(common),
        )
        for row in common
    ]
    ratios = [each for each in ratios if each.value is not None]
    return tuple(sorted(ratios, key=lambda each: (-(each.value or 0.0), each.name)))

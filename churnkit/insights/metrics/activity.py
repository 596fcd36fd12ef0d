"""Active customers by day, week and month."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result
from churnkit.core.translation import _
from churnkit.insights.figure import Figure, ratio, results_to_frame
from churnkit.insights.metrics.calendar import months_until, subtract_months
from churnkit.insights.sql_session import transpile_sql

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Activity", "ActivityMonth", "measure_activity"]

# One row per customer and day; months are counted from it.
_DAYS = """
CREATE OR REPLACE TEMP TABLE ck_days AS
SELECT DISTINCT hash(e.customer) AS customer_key, CAST(e.happened AS DATE) AS day
FROM ck_in_events AS e CROSS JOIN ck_span AS p
WHERE e.happened >= p.begin_at AND e.happened < p.until_at
"""

_COUNT = """
SELECT count(*), count(DISTINCT d.customer_key)
FROM ck_days AS d CROSS JOIN ck_span AS p
WHERE d.day >= CAST(p.begin_at AS DATE) AND d.day < CAST(p.until_at AS DATE)
"""

QUERIES = {"days": _DAYS, "count": _COUNT}


@dataclass(frozen=True, slots=True)
class ActivityMonth(Result):
    """Active customers of a calendar month, and mean active customers per day."""

    name: str
    complete: bool
    active_customers: int
    daily_active_customers: float

    @property
    def stickiness(self) -> float | None:
        """Daily active customers divided by monthly active customers."""
        return ratio(self.daily_active_customers, self.active_customers)

    def to_dict(self) -> dict[str, Any]:
        """Return the month as JSON-able data."""
        return {**Result.to_dict(self), "stickiness": self.stickiness}


@dataclass(frozen=True, slots=True)
class Activity(Result):
    """Active customers at the date and by month."""

    figures: tuple[Figure, ...]
    months: tuple[ActivityMonth, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per month."""
        return results_to_frame(self.months)


def measure_activity(session: InsightsSession) -> Activity | None:
    """Count active customers; return None without events in the months of the settings."""
    as_of = session.as_of
    last_day = as_of.replace(hour=0, minute=0, second=0)
    earliest = subtract_months(as_of, session.settings.months)
    (first,) = session.row("SELECT min(happened) FROM ck_in_events")
    if first is None:
        return None
    start = max(first.replace(tzinfo=as_of.tzinfo), earliest)
    months = months_until(as_of, start, at_most=session.settings.months)
    if not months:
        return None
    session.set_span(months[0].begin, as_of)
    session.run(transpile_sql(_DAYS))
    rows = []
    for month in months:
        until = month.until if month.complete else last_day
        days = (until - month.begin).days
        seen, active = _count(session, month.begin, until)
        rows.append(ActivityMonth(month.name, month.complete, active, ratio(seen, days) or 0.0))
    return Activity(_figures(session, last_day), tuple(rows))


def _count(session: InsightsSession, begin: dt.datetime, until: dt.datetime) -> tuple[int, int]:
    session.set_span(begin, until)
    seen, active = session.row(transpile_sql(_COUNT))
    return int(seen), int(active)


def _figures(session: InsightsSession, last_day: dt.datetime) -> tuple[Figure, ...]:
    seen, month = _count(session, last_day - dt.timedelta(days=30), last_day)
    _rows, week = _count(session, last_day - dt.timedelta(days=7), last_day)
    daily = seen / 30
    return (
        Figure("dau", _("Daily active customers"), daily, "customers",
               _("customers with an event per day, mean of the last 30 days")),
        Figure("wau", _("Weekly active customers"), week, "customers",
               _("customers with an event in the last 7 days")),
        Figure("mau", _("Monthly active customers"), month, "customers",
               _("customers with an event in the last 30 days")),
        Figure("stickiness", _("Stickiness"), ratio(daily, month), "share",
               _("daily active customers / monthly active customers")),
    )  # fmt: skip

"""How many customers use the product: by day, week and month."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.insights.figure import Figure, ratio
from churnkit.insights.metrics.calendar import months_back, months_until
from churnkit.insights.sql_session import in_dialect

if TYPE_CHECKING:
    import pandas as pd

    from churnkit.insights.sql_session import InsightsSession

__all__ = ["QUERIES", "Activity", "ActivityMonth", "measure_activity"]

# One row a customer and day; months are counted on it, in one pass each.
_DAYS = """
CREATE OR REPLACE TEMP TABLE ck_days AS
SELECT DISTINCT hash(e.customer) AS who, CAST(e.happened AS DATE) AS day
FROM ck_in_events AS e CROSS JOIN ck_span AS p
WHERE e.happened >= p.begin_at AND e.happened < p.until_at
"""

_COUNT = """
SELECT count(*), count(DISTINCT d.who)
FROM ck_days AS d CROSS JOIN ck_span AS p
WHERE d.day >= CAST(p.begin_at AS DATE) AND d.day < CAST(p.until_at AS DATE)
"""

QUERIES = {"days": _DAYS, "count": _COUNT}


@dataclass(frozen=True, slots=True)
class ActivityMonth:
    """One calendar month: who was active in it, and on a day of it."""

    name: str
    complete: bool
    active_customers: int
    daily_active_customers: float

    @property
    def stickiness(self) -> float | None:
        """Customers of a day over customers of the month."""
        return ratio(self.daily_active_customers, self.active_customers)

    def to_dict(self) -> dict[str, Any]:
        """Return the month as JSON-able data."""
        return {**asdict(self), "stickiness": self.stickiness}


@dataclass(frozen=True, slots=True)
class Activity:
    """Active customers at the date, and by month."""

    figures: tuple[Figure, ...]
    months: tuple[ActivityMonth, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the activity as JSON-able data."""
        return {
            "figures": [figure.to_dict() for figure in self.figures],
            "months": [month.to_dict() for month in self.months],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a month."""
        import pandas as pd

        return pd.DataFrame([month.to_dict() for month in self.months])


def measure_activity(business: InsightsSession) -> Activity | None:
    """Count active customers; None where nobody was active within the months looked at."""
    as_of = business.as_of
    last_day = as_of.replace(hour=0, minute=0, second=0)
    earliest = months_back(as_of, business.settings.months)
    (first,) = business.row("SELECT min(happened) FROM ck_in_events")
    if first is None:
        return None
    start = max(first.replace(tzinfo=as_of.tzinfo), earliest)
    months = months_until(as_of, start, at_most=business.settings.months)
    if not months:
        return None
    business.span(months[0].begin, as_of)
    business.run(in_dialect(_DAYS))
    rows = []
    for month in months:
        until = month.until if month.complete else last_day
        days = (until - month.begin).days
        seen, active = _counted(business, month.begin, until)
        rows.append(ActivityMonth(month.name, month.complete, active, ratio(seen, days) or 0.0))
    return Activity(_figures(business, last_day), tuple(rows))


def _counted(business: InsightsSession, begin: dt.datetime, until: dt.datetime) -> tuple[int, int]:
    business.span(begin, until)
    seen, active = business.row(in_dialect(_COUNT))
    return int(seen), int(active)


def _figures(business: InsightsSession, last_day: dt.datetime) -> tuple[Figure, ...]:
    seen, month = _counted(business, last_day - dt.timedelta(days=30), last_day)
    _, week = _counted(business, last_day - dt.timedelta(days=7), last_day)
    daily = seen / 30
    return (
        Figure(
            "dau",
            "Active on a day",
            daily,
            "customers",
            "customers with an event on a day, mean of the last 30 days",
        ),
        Figure(
            "wau",
            "Active in a week",
            week,
            "customers",
            "customers with an event in the last 7 days",
        ),
        Figure(
            "mau",
            "Active in a month",
            month,
            "customers",
            "customers with an event in the last 30 days",
        ),
        Figure(
            "stickiness",
            "Stickiness",
            ratio(daily, month),
            "share",
            "active on a day / active in a month: the share of its month's users that a day sees",
        ),
    )

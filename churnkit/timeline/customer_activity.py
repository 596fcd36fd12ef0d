"""Count the customers whom a date of scores leaves out, and find the date that leaves out none."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.timeline.engines.duckdb import connect
from churnkit.timeline.engines.duckdb_casts import quote
from churnkit.timeline.engines.duckdb_sources import open_table
from churnkit.timeline.labels import ActiveWithin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.timeline.timeline import Timeline

__all__ = ["Activity", "read_activity"]

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Activity:
    """Rows of the table that decides which customers are eligible.

    Parameters
    ----------
    timeline
        The timeline at one date.
    customers
        Number of customers with a row that became known before the date.
    last
        Time at which the newest row became known; None if rows have no time.
    """

    timeline: Timeline
    customers: int
    last: dt.datetime | None

    @property
    def next_day(self) -> dt.datetime | None:
        """The midnight after the newest row: the first date at which all rows are known."""
        return (
            None
            if self.last is None
            else dt.datetime.combine(self.last, dt.time.min, dt.UTC) + _DAY
        )

    def left_out(self, rows: int) -> str:
        """Describe the customers who are not eligible; empty if all are.

        Parameters
        ----------
        rows
            Number of eligible customers.
        """
        if rows >= self.customers:
            return ""
        rule, date = self.timeline.eligible, self.timeline.snapshots.timestamps[0]
        if isinstance(rule, ActiveWithin):
            qualified = " that meets the recipe's conditions" if rule.conditions else ""
            churned = ", or have churned" if rule.unless else ""
            reason = f"row of '{rule.table}'{qualified} in the {rule.days} days before{churned}"
        else:
            reason = f"active row of '{rule.table}' on this date"
        return (
            f"{self.customers - rows:,} of {self.customers:,} customers as of {_format(date)} are "
            f"left out: they have no {reason}"
        )

    def describe_none(self, *, labeled: bool) -> str:
        """Describe why no customer is eligible, and the date at which some are."""
        rule, date = self.timeline.eligible, self.timeline.snapshots.timestamps[0]
        newest = (
            ""
            if self.last is None
            else f"the newest row of '{rule.table}' is of {_format(self.last)}, and "
        )
        if isinstance(rule, ActiveWithin):
            need = f"a row in the {rule.days} days before --as-of"
        else:
            need = "a row that began before --as-of and has not ended"
        if labeled:
            remedy = "choose a date with such rows before it"
        elif self.next_day is None or self.next_day == date:
            remedy = (
                f"check the conditions of eligible= in the recipe, and the rows of '{rule.table}'"
            )
        else:
            remedy = f"use --as-of {self.next_day:%Y-%m-%d}, the day after that row"
        return (
            f"no customer is eligible as of {_format(date)}: {newest}eligible customers need {need}; "
            f"{remedy}"
        )


def read_activity(timeline: Timeline, tables: Mapping[str, Any]) -> Activity:
    """Read the customers before a timeline's first date, and the time of the newest row.

    Raises
    ------
    DataError
        If the table is missing or cannot be read as declared.

    Examples
    --------
    >>> from datetime import datetime
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> timeline = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-06-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> orders = [{"buyer": "a", "at": datetime(2025, 1, 10, 8)}]
    >>> activity = read_activity(timeline, {"orders": orders})
    >>> activity.customers, str(activity.next_day)
    (1, '2025-01-11 00:00:00+00:00')
    >>> activity.left_out(0)
    "1 of 1 customers as of 2025-06-01 are left out: they have no row of 'orders' in the 90 days before"
    """
    table = timeline.table(timeline.eligible.table)
    times = [quote(name) for name in (table.happened, table.available) if name]
    before = timeline.snapshots.timestamps[0].replace(tzinfo=None)
    known = "".join(f" AND {time} < TIMESTAMP '{before}'" for time in times)
    entity = quote(table.entity)
    counted = f"SELECT count(DISTINCT {entity}) FROM {quote(table.name)} WHERE {entity} IS NOT NULL{known}"  # noqa: S608
    with connect("4GB", None, None) as con:
        last = open_table(con, table, tables, columns=()).last
        (customers,) = con.execute(counted).fetchone() or (0,)
    is_timed = last is not None and bool(table.happened)
    return Activity(timeline, customers, from_microseconds(last or 0) if is_timed else None)


def _format(timestamp: dt.datetime) -> str:
    return timestamp.strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")

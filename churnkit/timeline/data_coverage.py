"""Compare the time span of the data with the spans of features and labels."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.errors import DataError
from churnkit.timeline.engines.duckdb_casts import quote
from churnkit.timeline.engines.duckdb_sources import open_table
from churnkit.timeline.feature_parts import read_parts
from churnkit.timeline.labels import ActiveWithin, ObservedChurn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.timeline.timeline import Timeline

__all__ = ["Activity", "check_coverage", "first_timestamps", "longest_windows", "read_activity"]

_DAY = dt.timedelta(days=1)


def check_coverage(
    timeline: Timeline,
    spans: Mapping[str, tuple[int | None, int | None]],
    known_until: dt.datetime | None,
) -> None:
    """Check that snapshots are after the first row and that their labels are known.

    Parameters
    ----------
    timeline
        The timeline.
    spans
        For each table the microseconds since 1970 at which the first row became known, and until
        which all rows are; None without rows.
    known_until
        The time until which the data are complete; by default that of the last row, or the end of
        its day if the table has dates without times.

    Raises
    ------
    DataError
        Names the table, its column, the date and the correction.
    """
    first, _ = spans[timeline.eligible.table]
    _check_start(timeline, None if first is None else from_microseconds(first))
    last = max((end for _, end in spans.values() if end is not None), default=0)
    # An observed outcome is in the table, whatever the other rows cover.
    if timeline.label is not None and not isinstance(timeline.label, ObservedChurn):
        _check_label_maturity(timeline, timeline.label, known_until or from_microseconds(last))


def _check_start(timeline: Timeline, first: dt.datetime | None) -> None:
    table = timeline.table(timeline.eligible.table)
    if first is None:
        raise DataError(
            table.source,
            f"column '{table.happened}': no row has both a customer and a time; pass a table "
            "with at least one",
        )
    early = [date for date in timeline.snapshots.timestamps if date <= first]
    if early:
        raise DataError(
            table.source,
            f"column '{table.available or table.happened}': the snapshot of "
            f"{_format(early[0])} is before all data, which start on {_format(first)}; start "
            f"snapshots on {_format(first + _DAY)} or later",
        )


def _check_label_maturity(timeline: Timeline, label: Any, known_until: dt.datetime) -> None:
    maturity = label.mature_days * _DAY
    late = [date for date in timeline.snapshots.timestamps if date + maturity > known_until]
    if not late:
        return
    table = timeline.table(label.table)
    raise DataError(
        table.source,
        f"column '{table.ended or table.happened}': the label of the snapshot of "
        f"{_format(late[0])} is known on {_format(late[0] + maturity)}, but the data end on "
        f"{_format(known_until)}; end snapshots on {_format(known_until - maturity)} or "
        "earlier, shorten the horizon, or pass known_until= if the data are complete beyond "
        "their last row",
    )


def first_timestamps(timeline: Timeline, tables: Mapping[str, Any]) -> dict[str, dt.datetime]:
    """Return, for each table that the timeline reads, the time its first row became known.

    Tables without rows are omitted.

    Raises
    ------
    DataError
        If a table is missing or cannot be read as declared.
    """
    import duckdb

    first = {}
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as con:
        con.execute("SET TimeZone = 'UTC'")
        for table in timeline.tables:
            if table.name in timeline.used_tables and table.happened is not None:
                columns = timeline.used_columns(table)
                microseconds = open_table(con, table, tables, columns=columns).first
                if microseconds is not None:
                    first[table.name] = from_microseconds(microseconds)
    return first


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
    from churnkit.timeline.engines.duckdb import connect

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


def longest_windows(timeline: Timeline) -> dict[str, tuple[str, int]]:
    """Return, for each table, the feature with the longest lookback and its days.

    Features without a window use all available rows and are omitted.
    """
    longest: dict[str, tuple[str, int]] = {}
    for name, feature in timeline.features.items():
        for base in read_parts([feature]):
            widths: Iterable[int] = (
                getattr(base, field, None) or 0 for field in ("window_days", "against_days")
            )
            days, lag_days = max(widths), getattr(base, "lag_days", 0)
            if days and days + lag_days > longest.get(base.table, ("", 0))[1]:
                longest[base.table] = (name, days + lag_days)
    return longest


def _format(timestamp: dt.datetime) -> str:
    return timestamp.strftime("%Y-%m-%d %H:%M:%S").removesuffix(" 00:00:00")

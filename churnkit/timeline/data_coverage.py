"""Compare the time span of the data with the spans of features and labels."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.errors import DataError
from churnkit.timeline.engines.duckdb_sources import open_table
from churnkit.timeline.feature_parts import read_parts
from churnkit.timeline.labels import ObservedChurn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.timeline.timeline import Timeline

__all__ = ["check_coverage", "first_timestamps", "longest_windows"]

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

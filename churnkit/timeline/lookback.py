"""How far back raw tables reach, and how far back a plan looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.timeline.engines.duckdb_sources import open_table
from churnkit.timeline.validation import referenced, used_columns, used_tables

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from churnkit.timeline.timeline import Timeline

__all__ = ["first_moments", "longest_windows"]


def first_moments(plan: Timeline, tables: Mapping[str, Any]) -> dict[str, dt.datetime]:
    """Return for each table that the plan reads when its first row was known.

    Tables without rows are left out.

    Raises
    ------
    DataError
        If a table is missing or cannot be read as declared.
    """
    import duckdb

    found = {}
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as con:
        con.execute("SET TimeZone = 'UTC'")
        for table in plan.tables:
            if table.name in used_tables(plan):
                columns = used_columns(plan, table)
                first = open_table(con, table, tables, columns=columns).first
                if first is not None:
                    found[table.name] = from_microseconds(first)
    return found


def longest_windows(plan: Timeline) -> dict[str, tuple[str, int]]:
    """Return for each table the feature that looks back farthest, and how many days.

    Features without a window look at what there is, and are left out.
    """
    found: dict[str, tuple[str, int]] = {}
    for name, feature in plan.features.items():
        for part in referenced([feature]):
            days = max(
                getattr(part, "against_days", None) or 0, getattr(part, "window_days", None) or 0
            )
            ahead = getattr(part, "lag_days", 0)
            if days and days + ahead > found.get(part.table, ("", 0))[1]:
                found[part.table] = (name, days + ahead)
    return found

"""Rows of a source table with the days on which they became known and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    END_DAY,
    ENTITY,
    KNOWN,
    SnapshotDays,
    aliased,
    all_of,
    column,
    day_number,
    is_null,
    literal,
    not_null,
    step_name,
    union_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from churnkit.timeline.source_tables import Table

__all__ = [
    "ALWAYS", "ENDED", "active_on", "interval_start", "select_active", "select_dates", "select_rows",
    "step_table",
]  # fmt: skip

# The timestamp at which a row ended.
ENDED = "ck_ended"
# The timestamp of rows without a time, before every snapshot.
ALWAYS = "1900-01-01 00:00:00"
# With more edges than this, intervals are single days.
_MAX_EDGES = 96


def select_dates(days: SnapshotDays) -> exp.Query:
    """Select the day numbers of the snapshots."""
    return union_all([exp.select(aliased(literal(number), AS_OF)) for number in days.numbers])


def select_rows(
    table: Table,
    days: SnapshotDays,
    columns: Iterable[str] = (),
    *,
    as_happened: bool = False,
    keep: tuple[str, ...] = (),
) -> exp.Select:
    """Select rows with the day on which each became known and the day on which it ended.

    Parameters
    ----------
    table
        The source table.
    days
        The snapshot dates.
    columns
        Further columns of the result.
    as_happened
        Use the day on which the row happened, known or not: for outcomes.
    keep
        Timestamps to include, `KNOWN` or `ENDED`, in addition to their days.
    """
    happened: exp.Expr = exp.cast(literal(ALWAYS), "timestamp")
    if table.happened:
        happened = column(table.happened)
    timestamp = happened
    if table.available and not as_happened:
        available = column(table.available)
        timestamp = exp.Case().when(available > happened, available).else_(happened)
    extra = [column(name) for name in sorted(set(columns))]
    ends = [table.ended] if table.ended else []
    raw = (
        exp.select(
            aliased(column(table.entity), ENTITY),
            aliased(timestamp, KNOWN),
            *(aliased(column(end), ENDED) for end in ends),
            *extra,
        )
        .from_(exp.Table(this=exp.to_identifier(table.source, quoted=True)))
        .where(*(not_null(column(name)) for name in (table.entity, table.happened) if name))
    )
    return exp.select(
        column(ENTITY),
        aliased(day_number(column(KNOWN), days.seconds), DAY),
        *(aliased(day_number(column(ENDED), days.seconds), END_DAY) for _ in ends),
        *(column(name) for name in keep),
        *extra,
    ).from_(raw.subquery("raw"))


def select_active(table: Table, days: SnapshotDays, columns: Iterable[str]) -> exp.Select:
    """Select, for each date, the rows that began before it and had not ended before it."""
    began = column(DAY, "r") < column(AS_OF, "d")
    extra = [column(name, "r") for name in (ENTITY, KNOWN, *sorted(set(columns)))]
    return (
        exp.select(*extra, column(AS_OF, "d"))
        .from_(select_rows(table, days, columns, keep=(KNOWN,)).subquery("r"))
        .join(
            step_table(step_name("dates"), "d"),
            on=all_of(began, active_on(table, column(AS_OF, "d"))),
        )
    )


def active_on(table: Table, day: exp.Expr) -> exp.Expr | None:
    """Test that a row of `r` has not ended before a day; None if rows of the table do not end."""
    if table.ended is None:
        return None
    end = column(END_DAY, "r")
    return exp.or_(is_null(end), end >= day)


def step_table(step: str, alias: str) -> exp.Table:
    """Reference a step under an alias."""
    return exp.Table(
        this=exp.to_identifier(step, quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(alias)),
    )


def interval_start(edges: Sequence[int]) -> exp.Expr:
    """Map a day to the start of its interval between edges, or to itself if there are many.

    Parameters
    ----------
    edges
        Days, ascending. Days before the first form one interval; none lies after the last.
    """
    if not 1 < len(edges) <= _MAX_EDGES:
        return column(DAY)
    cases = exp.Case()
    for edge in reversed(edges[:-1]):
        cases = cases.when(column(DAY) >= literal(edge), literal(edge))
    return cases.else_(literal(edges[0] - 1))

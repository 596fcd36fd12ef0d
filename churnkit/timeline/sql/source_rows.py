"""The rows of a raw table on the timeline of the snapshots: whose, and on which day known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    END_DAY,
    ENTITY,
    KNOWN,
    Days,
    aliased,
    both,
    column,
    day_number,
    known,
    lit,
    step,
    union,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from churnkit.timeline.source_tables import Table

__all__ = ["ENDED", "dates", "named", "rows", "running", "runs_at", "stretch"]

# The moment at which a row ended, beside `KNOWN`.
ENDED = "ck_ended"
# With more edges than this, the stretches are days.
_MOST_EDGES = 96


def dates(days: Days) -> exp.Query:
    """Select the numbers of the snapshots' dates."""
    return union([exp.select(aliased(lit(number), AS_OF)) for number in days.numbers])


def rows(
    table: Table,
    days: Days,
    columns: Iterable[str] = (),
    *,
    as_happened: bool = False,
    keep: tuple[str, ...] = (),
) -> exp.Select:
    """Select rows with the day on which each was known, and that on which it ended.

    Parameters
    ----------
    table
        What is read.
    days
        The dates.
    columns
        Which columns go along.
    as_happened
        Take the day on which it happened, known or not: for outcomes.
    keep
        Times to keep beside their days: `KNOWN`, `ENDED`.
    """
    happened: exp.Expr = column(table.happened)
    moment = happened
    if table.available and not as_happened:
        available = column(table.available)
        later = exp.GT(this=available, expression=happened)
        moment = exp.Case().when(later, available.copy()).else_(happened.copy())
    own = [column(name) for name in sorted(set(columns))]
    ends = [table.ended] if table.ended else []
    raw = (
        exp.select(
            aliased(column(table.entity), ENTITY),
            aliased(moment, KNOWN),
            *(aliased(column(end), ENDED) for end in ends),
            *own,
        )
        .from_(exp.Table(this=exp.to_identifier(table.source, quoted=True)))
        .where(known(column(table.entity)), known(happened.copy()))
    )
    return exp.select(
        column(ENTITY),
        aliased(day_number(column(KNOWN), days.seconds), DAY),
        *(aliased(day_number(column(ENDED), days.seconds), END_DAY) for _ in ends),
        *(column(name) for name in keep),
        *own,
    ).from_(raw.subquery("raw"))


def running(table: Table, days: Days, columns: Iterable[str]) -> exp.Select:
    """Select, for each date, the rows that had begun before it and had not ended before it."""
    begun = exp.LT(this=column(DAY, "r"), expression=column(AS_OF, "d"))
    own = [column(name, "r") for name in (ENTITY, KNOWN, *sorted(set(columns)))]
    return (
        exp.select(*own, column(AS_OF, "d"))
        .from_(rows(table, days, columns, keep=(KNOWN,)).subquery("r"))
        .join(named(step("dates"), "d"), on=both(begun, runs_at(table, column(AS_OF, "d"))))
    )


def runs_at(table: Table, day: exp.Expr) -> exp.Expr | None:
    """Tell whether a row of `r` has not ended before a day; None where nothing ends."""
    if table.ended is None:
        return None
    end = column(END_DAY, "r")
    return exp.or_(
        exp.Is(this=end, expression=exp.Null()), exp.GTE(this=end.copy(), expression=day)
    )


def named(source: str, alias: str) -> exp.Table:
    """Refer to a step by a short name."""
    return exp.Table(
        this=exp.to_identifier(source, quoted=True),
        alias=exp.TableAlias(this=exp.to_identifier(alias)),
    )


def stretch(edges: Sequence[int]) -> exp.Expr:
    """Return the edge at which a day's stretch between edges begins; the day where there are many.

    Parameters
    ----------
    edges
        Days, ascending; days before the first fall into one stretch, none lies after the last.
    """
    if not 1 < len(edges) <= _MOST_EDGES:
        return column(DAY)
    found = exp.Case()
    for edge in reversed(edges[:-1]):
        found = found.when(exp.GTE(this=column(DAY), expression=lit(edge)), lit(edge))
    return found.else_(lit(edges[0] - 1))

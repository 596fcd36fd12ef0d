"""Building blocks of the feature queries, as sqlglot expressions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.core.time import EPOCH
from churnkit.timeline.source_tables import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from churnkit.core.predicate import Where
    from churnkit.timeline.snapshots import Snapshots

__all__ = [
    "AS_OF", "DAY", "END_DAY", "ENTITY", "KNOWN", "SnapshotDays", "aliased", "all_of", "as_double",
    "case_when", "coalesce", "column", "day_number", "is_null", "literal", "lower_day_numbers", "not_null", "step_name",
    "union_all", "where_clause",
]  # fmt: skip

# Columns that the queries add: a row's customer, snapshot day, day, end day and timestamp.
ENTITY, AS_OF, DAY, END_DAY, KNOWN = (
    f"{RESERVED}{name}" for name in ("entity", "as_of", "day", "end_day", "known")
)

_DAY_NUMBER = "CK_DAY_NUMBER"


@dataclass(frozen=True, slots=True)
class SnapshotDays:
    """Snapshot dates as day numbers that start at the snapshots' common time of day.

    Parameters
    ----------
    numbers
        Days since 1970-01-01 at that time of day, ascending.
    seconds
        The time of day in seconds after midnight UTC.

    Examples
    --------
    >>> from churnkit.timeline import Snapshots
    >>> SnapshotDays.from_snapshots(Snapshots(dates=("1970-01-03T06:00:00",)))
    SnapshotDays(numbers=(2,), seconds=21600)
    """

    numbers: tuple[int, ...]
    seconds: int

    @classmethod
    def from_snapshots(cls, snapshots: Snapshots) -> SnapshotDays:
        """Number the dates."""
        offsets = [timestamp - EPOCH for timestamp in snapshots.timestamps]
        return cls(tuple(offset.days for offset in offsets), offsets[0].seconds)

    def timestamp(self, number: int) -> datetime:
        """Return the date with this number."""
        return EPOCH + timedelta(days=number, seconds=self.seconds)


def step_name(*parts: str) -> str:
    """Name a step of the query.

    Examples
    --------
    >>> step_name("events", "windows")
    'ck_events_windows'
    """
    return RESERVED + "_".join(parts)


def column(name: str, table: str | None = None) -> exp.Column:
    """Reference a column."""
    return exp.column(name, table=table, quoted=True)


def literal(value: Any) -> exp.Expr:
    """Convert text, an integer or a boolean to a literal; other numbers become doubles."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, int):
        number = exp.Literal.number(abs(value))
        return exp.Neg(this=number) if value < 0 else number
    return as_double(literal(repr(value)))


def aliased(this: exp.Expr, name: str) -> exp.Expr:
    """Name a column of a result."""
    return exp.alias_(this, name, quoted=True, copy=False)


def is_null(this: exp.Expr) -> exp.Expr:
    """Test for a missing value."""
    return exp.Is(this=this.copy(), expression=exp.Null())


def not_null(this: exp.Expr) -> exp.Expr:
    """Test for a non-missing value."""
    return exp.not_(is_null(this))


def coalesce(this: exp.Expr, default: exp.Expr) -> exp.Expr:
    """Replace a missing value."""
    return exp.Coalesce(this=this, expressions=[default])


def as_double(this: exp.Expr) -> exp.Expr:
    """Cast to a 64-bit float, whose arithmetic is the same in every engine."""
    return exp.cast(this, "double")


def case_when(condition: exp.Expr | None, then: exp.Expr) -> exp.Expr:
    """Return `then` if the condition holds or is None, otherwise NULL."""
    return then if condition is None else exp.Case().when(condition, then)


def all_of(*conditions: exp.Expr | None) -> exp.Expr | None:
    """Combine conditions with AND; None if there are none."""
    present = [condition for condition in conditions if condition is not None]
    return exp.and_(*present, copy=False) if present else None


def union_all(queries: Sequence[exp.Query]) -> exp.Query:
    """Concatenate the rows of several queries."""
    return reduce(lambda above, below: exp.union(above, below, distinct=False, copy=False), queries)


def day_number(timestamp: exp.Expr, seconds: int) -> exp.Expr:
    """Count the days from 1970 to a timestamp, with days that start `seconds` after midnight UTC.

    `lower_day_numbers` replaces the result by the functions of a dialect.
    """
    return exp.Anonymous(this=_DAY_NUMBER, expressions=[timestamp, exp.Literal.number(seconds)])


def lower_day_numbers(query: exp.Query, dialect: str, *, utc_session: bool) -> exp.Expr:
    """Replace the results of `day_number` by functions of a dialect.

    Parameters
    ----------
    query
        A query.
    dialect
        Its dialect.
    utc_session
        The time zone of the session is UTC, so that dates of timestamps are those in UTC.
    """
    seconds_since_1970 = {} if utc_session else _SECONDS_SINCE_1970

    def lower(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Anonymous) or node.this != _DAY_NUMBER:
            return node
        timestamp, seconds = node.expressions[0], int(node.expressions[1].name)
        if dialect in seconds_since_1970:
            elapsed = seconds_since_1970[dialect](timestamp)
            elapsed = exp.paren(elapsed - literal(seconds)) if seconds else elapsed
            return exp.cast(
                exp.Floor(this=exp.Div(this=elapsed, expression=exp.Literal.number("86400.0"))),
                "int",
            )
        if seconds:
            interval = exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.var("SECOND"))
            timestamp = exp.paren(exp.Sub(this=timestamp, expression=interval))
        epoch = exp.cast(exp.Literal.string("1970-01-01"), "date")
        days = exp.DateDiff(this=exp.cast(timestamp, "date"), expression=epoch, unit=exp.var("DAY"))
        return exp.cast(days, "int")

    return query.transform(lower)


def _extract_epoch(timestamp: exp.Expr) -> exp.Expr:
    return exp.Extract(this=exp.var("EPOCH"), expression=timestamp)


# Functions that do not depend on the time zone of the session, for timestamps with and without one.
_SECONDS_SINCE_1970: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "duckdb": _extract_epoch,
    "postgres": _extract_epoch,
    "redshift": _extract_epoch,
    "snowflake": lambda timestamp: exp.Anonymous(
        this="DATE_PART", expressions=[exp.var("EPOCH_SECOND"), timestamp]
    ),
    "bigquery": lambda timestamp: exp.Anonymous(
        this="UNIX_SECONDS", expressions=[exp.cast(timestamp, "timestamptz")]
    ),
    "trino": lambda timestamp: exp.Anonymous(this="TO_UNIXTIME", expressions=[timestamp]),
}


def where_clause(conditions: Iterable[Where]) -> exp.Expr | None:
    """Convert conditions that must all hold."""
    return all_of(*map(_comparison, conditions))


def _comparison(where: Where) -> exp.Expr:
    this = column(where.column)
    if where.op in {"is missing", "is known"}:
        return is_null(this) if where.op == "is missing" else not_null(this)
    if where.op in {"in", "not in"}:
        member = exp.In(this=this, expressions=[literal(value) for value in where.values])
        return member if where.op == "in" else exp.not_(member)
    operators: dict[str, type[exp.Binary]] = {
        "==": exp.EQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
    }  # fmt: skip
    return operators[where.op](this=this, expression=literal(where.value))

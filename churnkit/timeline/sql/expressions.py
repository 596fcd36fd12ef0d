"""The few pieces of SQL that lowering is made of, as sqlglot expressions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.core.time import EPOCH
from churnkit.timeline.source_tables import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from churnkit.core.predicate import Where
    from churnkit.timeline.snapshots import Snapshots

__all__ = [
    "AS_OF", "DAY", "END_DAY", "ENTITY", "KNOWN", "Days", "aliased", "both", "case", "column",
    "condition", "day_number", "double", "known", "lit", "step", "union",
]  # fmt: skip

# The names that lowering gives to its own columns.
ENTITY, AS_OF, DAY, END_DAY, KNOWN = (
    f"{RESERVED}{name}" for name in ("entity", "as_of", "day", "end_day", "known")
)


@dataclass(frozen=True, slots=True)
class Days:
    """The dates of snapshots as numbers of days, counted from their common time of day.

    Parameters
    ----------
    numbers
        Days since 1 January 1970 at that time of day; ascending.
    seconds
        The time of day.

    Examples
    --------
    >>> from churnkit.timeline import Snapshots
    >>> Days.of(Snapshots(dates=("1970-01-03T06:00:00",)))
    Days(numbers=(2,), seconds=21600)
    """

    numbers: tuple[int, ...]
    seconds: int

    @classmethod
    def of(cls, snapshots: Snapshots) -> Days:
        """Number the dates."""
        since = [moment - EPOCH for moment in snapshots.moments]
        return cls(tuple(delta.days for delta in since), since[0].seconds)

    def moment(self, number: int) -> datetime:
        """Return the date that has this number."""
        return EPOCH + timedelta(days=number, seconds=self.seconds)


def step(*parts: str) -> str:
    """Name a step of the query.

    Examples
    --------
    >>> step("events", "windows")
    'ck_events_windows'
    """
    return RESERVED + "_".join(parts)


def column(name: str, table: str | None = None) -> exp.Column:
    """Refer to a column."""
    return exp.column(name, table=table, quoted=True)


def lit(value: Any) -> exp.Expr:
    """Write a value: text, a whole number, true or false; other numbers as doubles."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, int):
        number = exp.Literal.number(abs(value))
        return exp.Neg(this=number) if value < 0 else number
    return double(lit(repr(value)))


def aliased(this: exp.Expr, name: str) -> exp.Expr:
    """Name a column of a result."""
    return exp.alias_(this, name, quoted=True)


def known(this: exp.Expr) -> exp.Expr:
    """Tell whether a value is not missing."""
    return exp.not_(exp.Is(this=this, expression=exp.Null()))


def double(this: exp.Expr) -> exp.Expr:
    """Turn into a float of 64 bits, in which all engines compute alike."""
    return exp.cast(this, "double")


def case(when: exp.Expr | None, then: exp.Expr) -> exp.Expr:
    """Give `then` where the condition holds and nothing elsewhere; without one, `then`."""
    return then if when is None else exp.Case().when(when, then)


def both(*conditions: exp.Expr | None) -> exp.Expr | None:
    """Join conditions that must all hold; None where there is none."""
    given = [one for one in conditions if one is not None]
    return exp.and_(*given) if given else None


def union(parts: Sequence[exp.Query]) -> exp.Query:
    """Put the rows of several queries together."""
    return reduce(lambda above, below: exp.union(above, below, distinct=False), parts)


def day_number(moment: exp.Expr, seconds: int) -> exp.Expr:
    """Count the days from 1970 to a moment, days that begin `seconds` after midnight UTC."""
    if seconds:
        span = exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.var("SECOND"))
        moment = exp.paren(exp.Sub(this=moment, expression=span))
    epoch = exp.cast(exp.Literal.string("1970-01-01"), "date")
    days = exp.DateDiff(this=exp.cast(moment, "date"), expression=epoch, unit=exp.var("DAY"))
    return exp.cast(days, "int")


def condition(where: Iterable[Where]) -> exp.Expr | None:
    """Write conditions that must all hold."""
    return both(*(_one(one) for one in where))


def _one(where: Where) -> exp.Expr:
    this = column(where.column)
    if where.op in {"is missing", "is known"}:
        return exp.Is(this=this, expression=exp.Null()) if where.op == "is missing" else known(this)
    if where.op in {"in", "not in"}:
        among = exp.In(this=this, expressions=[lit(value) for value in where.values])
        return among if where.op == "in" else exp.not_(among)
    compare: dict[str, type[exp.Binary]] = {
        "==": exp.EQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
    }  # fmt: skip
    return compare[where.op](this=this, expression=lit(where.value))

"""What a feature needs from the rollup: sums, counts and extremes, each over a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.core.predicate import Where
from churnkit.timeline.aggregations import (
    Count,
    DistinctDays,
    Feature,
    Max,
    Mean,
    Min,
    Recency,
    Share,
    Sum,
    Tenure,
    Trend,
)
from churnkit.timeline.sql.expressions import DAY, case, column, condition, double, lit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Measure", "Reading", "readings", "value_of"]

# Readings of a lower level are put together by these; counts of rows add up.
_TOGETHER: dict[str, type[exp.AggFunc]] = {
    "count": exp.Sum,
    "known": exp.Sum,
    "sum": exp.Sum,
    "days": exp.Sum,
    "min": exp.Min,
    "first_day": exp.Min,
    "max": exp.Max,
    "last_day": exp.Max,
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One aggregate over rows that meet conditions.

    Parameters
    ----------
    kind
        ``count`` rows, ``known`` values, ``sum, min, max`` of a column, ``days`` with a row,
        ``first_day`` and ``last_day``.
    where
        The conditions.
    column
        What is aggregated.

    Examples
    --------
    >>> Measure("sum", (), "amount").of_rows().sql()
    'SUM(CAST("amount" AS DOUBLE))'
    """

    kind: str
    where: tuple[Where, ...] = ()
    column: str | None = None

    def of_rows(self) -> exp.Expr:
        """Aggregate rows."""
        when = condition(self.where)
        if self.kind in {"first_day", "last_day"}:
            return self._together(case(when, column(DAY)))
        if self.kind in {"count", "days"}:
            # As a double: a sum of whole numbers is twice as wide and half as fast.
            return double(exp.Count(this=case(when, lit(1))))
        value = double(column(self.column or DAY))
        if self.kind == "known":
            return double(exp.Count(this=case(when, value)))
        return self._together(case(when, value))

    def of_days(self, name: str) -> exp.Expr:
        """Count the days on which the column of this name counted a row."""
        some = exp.GT(this=column(name), expression=lit(0))
        return double(exp.Count(this=case(some, lit(1))))

    def within(self, when: exp.Expr | None, name: Callable[[Measure], str]) -> exp.Expr:
        """Aggregate the rollup over the part of it that lies in a window."""
        return self._together(case(when, column(name(self))))

    def _together(self, this: exp.Expr) -> exp.Expr:
        return _TOGETHER[self.kind](this=this)


@dataclass(frozen=True, slots=True)
class Reading:
    """A measure over the window ``[as_of - lag - width, as_of - lag)``.

    Examples
    --------
    >>> Reading(Measure("count"), width=30, lag=7).reach
    37
    """

    measure: Measure
    width: int | None
    lag: int

    @property
    def reach(self) -> int | None:
        """How many days before `as_of` the window begins; None for no beginning."""
        return None if self.width is None else self.width + self.lag


def readings(feature: Feature) -> tuple[Reading, ...]:
    """List what a windowed feature needs; nothing for one that is not read from windows.

    Examples
    --------
    >>> [reading.measure.kind for reading in readings(Mean("orders", "amount"))]
    ['sum', 'known']
    """
    kinds: dict[type[Feature], tuple[str, ...]] = {
        Count: ("count",),
        DistinctDays: ("days",),
        Recency: ("last_day",),
        Tenure: ("first_day",),
        Sum: ("sum",),
        Mean: ("sum", "known"),
        Min: ("min",),
        Max: ("max",),
        Share: ("count", "count"),
        Trend: ("count", "count"),
    }
    read: Any = feature
    if type(feature) not in kinds:
        return ()
    if isinstance(feature, Trend):
        kind = "count" if feature.column is None else "sum"
        measure = Measure(kind, feature.conditions, feature.column)
        return (
            Reading(measure, feature.window_days, feature.lag_days),
            Reading(measure, feature.against_days, feature.lag_days),
        )
    if isinstance(feature, Share):
        met = (*feature.conditions, Where(feature.column, "==", feature.value))
        measures = [Measure("count", met), Measure("count", feature.conditions)]
    else:
        of = getattr(feature, "column", None)
        measures = [Measure(kind, read.conditions, of) for kind in kinds[type(feature)]]
    return tuple(Reading(measure, read.window_days, read.lag_days) for measure in measures)


def value_of(feature: Feature, values: list[exp.Expr], as_of: exp.Expr) -> exp.Expr:
    """Put a feature together from its readings, in the order of `readings`."""
    first = values[0]
    if isinstance(feature, (Count, DistinctDays)):
        return exp.cast(exp.Coalesce(this=first, expressions=[lit(0)]), "bigint")
    if isinstance(feature, (Recency, Tenure)):
        return exp.cast(
            exp.Sub(this=exp.Sub(this=as_of, expression=first), expression=lit(1)), "bigint"
        )
    if isinstance(feature, Sum):
        return exp.Coalesce(this=first, expressions=[double(lit(0))])
    if isinstance(feature, (Mean, Share)):
        return divide(first, values[1])
    if isinstance(feature, Trend):
        recent = divide(
            exp.Coalesce(this=first, expressions=[double(lit(0))]),
            double(lit(feature.window_days)),
        )
        return divide(recent, divide(values[1], double(lit(feature.against_days))))
    return first


def divide(over: exp.Expr, under: exp.Expr) -> exp.Expr:
    """Divide doubles; nothing where the second is 0.

    Examples
    --------
    >>> from churnkit.timeline.sql.expressions import column
    >>> divide(column("a"), column("b")).sql()
    '"a" / NULLIF("b", 0)'
    """
    safe = exp.Nullif(this=under, expression=lit(0))
    return exp.Div(this=exp.paren(over) if isinstance(over, exp.Binary) else over, expression=safe)

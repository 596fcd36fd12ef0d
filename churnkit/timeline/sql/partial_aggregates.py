"""Decompose windowed features into sums, counts and extremes that roll up over intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.core.predicate import Where
from churnkit.timeline.features.aggregations import (
    Count,
    DistinctDays,
    Max,
    Mean,
    Min,
    Recency,
    Share,
    Sum,
    Tenure,
    Trend,
)
from churnkit.timeline.sql.expressions import (
    DAY,
    as_double,
    case_when,
    coalesce,
    column,
    literal,
    where_clause,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.timeline.features.base import Feature

__all__ = ["PartialAggregate", "WindowAggregate", "divide", "feature_value", "window_aggregates"]

# The functions that combine partial aggregates; counts of rows are added.
_COMBINE: dict[str, type[exp.AggFunc]] = {
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
class PartialAggregate:
    """An aggregate over the rows that meet conditions.

    Parameters
    ----------
    kind
        ``count`` of rows, ``known`` (count of non-missing values), ``sum``, ``min`` or ``max``
        of a column, ``days`` with a row, ``first_day`` or ``last_day``.
    where
        Conditions on the rows.
    column
        The aggregated column.

    Examples
    --------
    >>> PartialAggregate("sum", (), "amount").over_rows().sql()
    'SUM(CAST("amount" AS DOUBLE))'
    """

    kind: str
    where: tuple[Where, ...] = ()
    column: str | None = None

    def over_rows(self) -> exp.Expr:
        """Aggregate source rows."""
        condition = where_clause(self.where)
        if self.kind in {"first_day", "last_day"}:
            return self._combine(case_when(condition, column(DAY)))
        if self.kind in {"count", "days"}:
            # As a double: integer sums are 128 bits wide and take twice as long.
            return as_double(exp.Count(this=case_when(condition, literal(1))))
        value = as_double(column(self.column or DAY))
        if self.kind == "known":
            return as_double(exp.Count(this=case_when(condition, value)))
        return self._combine(case_when(condition, value))

    def over_days(self, name: str) -> exp.Expr:
        """Count the days on which the column of this name counted a row."""
        return as_double(exp.Count(this=case_when(column(name) > literal(0), literal(1))))

    def over_window(
        self, condition: exp.Expr | None, name: Callable[[PartialAggregate], str]
    ) -> exp.Expr:
        """Combine the rolled-up intervals that lie in a window."""
        return self._combine(case_when(condition, column(name(self))))

    def _combine(self, this: exp.Expr) -> exp.Expr:
        return _COMBINE[self.kind](this=this)


@dataclass(frozen=True, slots=True)
class WindowAggregate:
    """A partial aggregate over the window ``[as_of - lag - width, as_of - lag)``, in days.

    Examples
    --------
    >>> WindowAggregate(PartialAggregate("count"), width=30, lag=7).start
    37
    """

    aggregate: PartialAggregate
    width: int | None
    lag: int

    @property
    def start(self) -> int | None:
        """Days from the start of the window to `as_of`; None for an unbounded window."""
        return None if self.width is None else self.width + self.lag


def window_aggregates(feature: Feature) -> tuple[WindowAggregate, ...]:
    """List the aggregates that a windowed feature needs; none for other features.

    Examples
    --------
    >>> [one.aggregate.kind for one in window_aggregates(Mean("orders", "amount"))]
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
    windowed: Any = feature
    if type(feature) not in kinds:
        return ()
    if isinstance(feature, Trend):
        kind = "count" if feature.column is None else "sum"
        aggregate = PartialAggregate(kind, feature.conditions, feature.column)
        return (
            WindowAggregate(aggregate, feature.window_days, feature.lag_days),
            WindowAggregate(aggregate, feature.against_days, feature.lag_days),
        )
    if isinstance(feature, Share):
        with_value = (*feature.conditions, Where(feature.column, "==", feature.value))
        aggregates = [
            PartialAggregate("count", with_value),
            PartialAggregate("count", feature.conditions),
        ]
    else:
        name = getattr(feature, "column", None)
        aggregates = [
            PartialAggregate(kind, windowed.conditions, name) for kind in kinds[type(feature)]
        ]
    return tuple(
        WindowAggregate(aggregate, windowed.window_days, windowed.lag_days)
        for aggregate in aggregates
    )


def feature_value(feature: Feature, values: list[exp.Expr], as_of: exp.Expr) -> exp.Expr:
    """Compute a feature from its aggregates, in the order of `window_aggregates`."""
    first = values[0]
    if isinstance(feature, (Count, DistinctDays)):
        return exp.cast(coalesce(first, literal(0)), "bigint")
    if isinstance(feature, (Recency, Tenure)):
        return exp.cast(as_of - first - literal(1), "bigint")
    if isinstance(feature, Sum):
        return coalesce(first, as_double(literal(0)))
    if isinstance(feature, (Mean, Share)):
        return divide(first, values[1])
    if isinstance(feature, Trend):
        recent = divide(
            coalesce(first, as_double(literal(0))), as_double(literal(feature.window_days))
        )
        return divide(recent, divide(values[1], as_double(literal(feature.against_days))))
    return first


def divide(numerator: exp.Expr, denominator: exp.Expr) -> exp.Expr:
    """Divide doubles; NULL if the denominator is 0.

    Examples
    --------
    >>> from churnkit.timeline.sql.expressions import column
    >>> divide(column("a"), column("b")).sql()
    '"a" / NULLIF("b", 0)'
    """
    if isinstance(numerator, exp.Binary):
        numerator = exp.paren(numerator)
    non_zero = exp.Nullif(this=denominator, expression=literal(0))
    return exp.Div(this=numerator, expression=non_zero)

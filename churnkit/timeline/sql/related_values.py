"""Related features: those of the products, accounts or other keys in a customer's rows.

Rows are rolled up twice: by key, and by pair of customer and key. Counts of other customers' rows are
those of the key minus those of the customer. Sums of other customers' values are added without the
customer: a difference of sums cancels, and leaves rounding errors where the others have nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.timeline.feature_parts import Ratio, Related, base_features
from churnkit.timeline.sql.as_of_state import VALUE, LastValue, first_day
from churnkit.timeline.sql.expressions import (
    AS_OF,
    ENTITY,
    SnapshotDays,
    aliased,
    all_of,
    as_double,
    case_when,
    coalesce,
    column,
    is_null,
    literal,
    not_null,
    step_name,
)
from churnkit.timeline.sql.partial_aggregates import (
    PartialAggregate,
    WindowAggregate,
    divide,
    feature_value,
    window_aggregates,
)
from churnkit.timeline.sql.source_rows import step_table
from churnkit.timeline.sql.window_aggregates import WindowQuery, key_windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.timeline.features.base import Feature
    from churnkit.timeline.timeline import Timeline

__all__ = ["RelatedValues"]

_KEY, _ROWS = "ck_key", "ck_rows"


@dataclass(frozen=True, slots=True)
class _Rollup:
    """Aggregates of one table by key, or by customer and key."""

    table: str
    key: str
    by_customer: bool


class RelatedValues:
    """The steps of a timeline's related features.

    Parameters
    ----------
    timeline
        The timeline.
    days
        The snapshot dates.
    features
        Distinct related features of the timeline.
    """

    def __init__(self, timeline: Timeline, days: SnapshotDays, features: Iterable[Related]) -> None:
        self.timeline = timeline
        self.days = days
        self.features: tuple[Related, ...] = tuple(features)
        needed: dict[_Rollup, list[WindowAggregate]] = {}
        for feature in self.features:
            if feature.combine != "last":
                links = _Rollup(feature.table, feature.key, by_customer=True)
                needed.setdefault(links, []).append(_link_count(feature))
            for base in base_features([feature.feature]):
                for rollup in self._rollups(base, feature.key):
                    needed.setdefault(rollup, []).extend(window_aggregates(base))
        self.windows: dict[tuple[_Rollup, WindowAggregate], WindowQuery] = {}
        for number, (rollup, aggregates) in enumerate(needed.items()):
            table = timeline.table(rollup.table)
            queries = key_windows(
                table, days, aggregates, key=rollup.key, by_customer=rollup.by_customer,
                number=number, within=self._within(rollup, aggregates),
            )  # fmt: skip
            for query in queries:
                self.windows |= {(rollup, one): query for one in query.aggregates}

    def steps(self) -> list[tuple[str, exp.Query]]:
        """Return the steps: rollups and windows, latest keys, and the value of each feature."""
        steps: list[tuple[str, exp.Query]] = []
        for query in dict.fromkeys(self.windows.values()):
            steps += query.steps()
            if _others_sums(query):
                steps.append((_others_step(query), _select_others(query)))
        for feature in self.features:
            if feature.combine == "last":
                last = self._last(feature)
                steps.append((last.step, last.query()))
            steps.append((self.step(feature), self._select_value(feature)))
        return steps

    def step(self, feature: Related) -> str:
        """Return the step with the value of a feature by customer and date."""
        return step_name("ck_related", str(self.features.index(feature)))

    def _rollups(self, base: Any, key: str) -> tuple[_Rollup, ...]:
        """List the rollups of a feature of a key: of all rows, and of the customer's own."""
        everyone = _Rollup(base.table, key, by_customer=False)
        if self.timeline.table(base.table).entity == key:
            return (everyone,)
        return everyone, _Rollup(base.table, key, by_customer=True)

    def _within(
        self, rollup: _Rollup, aggregates: list[WindowAggregate]
    ) -> tuple[tuple[int, int], ...]:
        """List the windows of which a customer's row with the key is read; none for all rows."""
        windows: set[tuple[int, int]] = set()
        for feature in self.features:
            bases = base_features([feature.feature])
            if not any(rollup in self._rollups(base, feature.key) for base in bases) and (
                rollup != _Rollup(feature.table, feature.key, by_customer=True)
            ):
                continue
            if feature.table != rollup.table or feature.window_days is None:
                return ()
            windows.add((feature.window_days + feature.lag_days, feature.lag_days))
        # Sums over the other customers need the rows of all; a window of all days restricts nothing.
        is_sum = any(one.aggregate.kind == "sum" for one in aggregates)
        starts = [one.start for one in aggregates]
        longest = None if None in starts else max(start for start in starts if start is not None)
        all_days = any((start, end) == (longest, 0) for start, end in windows)
        return () if is_sum or all_days else tuple(sorted(windows))

    def _last(self, feature: Related) -> LastValue:
        table = self.timeline.table(feature.table)
        number = f"key{self.features.index(feature)}"
        first = first_day(self.days, [feature])
        return LastValue(table, self.days, feature.key, feature.conditions, number, first)

    def _select_links(self, feature: Related) -> exp.Select:
        """Select customers, dates and keys, with the number of rows in the window."""
        if feature.combine == "last":
            last = self._last(feature)
            names = (column(ENTITY, "r"), column(AS_OF, "d"), aliased(column(VALUE, "r"), _KEY))
            return (
                exp.select(*names, aliased(as_double(literal(1)), _ROWS))
                .from_(step_table(step_name("dates"), "d"))
                .join(
                    step_table(last.step, "r"),
                    on=last.matches(feature, "r", column(AS_OF, "d")),
                )
            )
        query, count = self._links(feature), _link_count(feature)
        rows = column(query.column_name(count))
        names = (column(ENTITY), column(AS_OF), aliased(column(feature.key), _KEY))
        own = (column(query.column_name(one)) for one in query.aggregates)
        return (
            exp.select(*names, aliased(rows, _ROWS), *own)
            .from_(step_table(query.step, "w"))
            .where(rows.copy() > literal(0))
        )

    def _links(self, feature: Related) -> WindowQuery:
        """Return the query with the customer's rows by key, in which links are counted."""
        rollup = _Rollup(feature.table, feature.key, by_customer=True)
        return self.windows[rollup, _link_count(feature)]

    def _select_value(self, feature: Related) -> exp.Query:
        joins: dict[str, tuple[str, exp.Expr | None]] = {}
        if feature.combine != "last":
            # The links have the aggregates of the customer's own rows of their table.
            joins["l"] = (self._links(feature).step, None)
        value = as_double(self._value(feature.feature, feature.key, joins))
        joins.pop("l", None)
        values = exp.select(
            column(ENTITY, "l"), column(AS_OF, "l"), column(_ROWS, "l"), aliased(value, VALUE)
        ).from_(self._select_links(feature).subquery("l"))
        for alias, (step, on) in joins.items():
            values = values.join(step_table(step, alias), on=on, join_type="left")
        query = exp.select(column(ENTITY), column(AS_OF), aliased(_combine(feature), VALUE))
        return query.from_(values.subquery("v")).group_by(column(ENTITY), column(AS_OF))

    def _value(
        self, feature: Feature, key: str, joins: dict[str, tuple[str, exp.Expr | None]]
    ) -> exp.Expr:
        if isinstance(feature, Ratio):
            parts = (feature.over, feature.under)
            over, under = (as_double(self._value(part, key, joins)) for part in parts)
            return divide(over, under)
        values = []
        everyone, *by_customer = self._rollups(feature, key)
        for aggregate in window_aggregates(feature):
            value: exp.Expr = self._column(everyone, aggregate, joins)
            for own in by_customer:
                value = self._without(own, aggregate, value, joins)
            values.append(value)
        return feature_value(feature, values, column(AS_OF, "l"))

    def _without(
        self,
        own: _Rollup,
        aggregate: WindowAggregate,
        total: exp.Expr,
        joins: dict[str, tuple[str, exp.Expr | None]],
    ) -> exp.Expr:
        """Return the aggregate of the key's rows without those of the customer."""
        if aggregate.aggregate.kind != "sum":
            customer = self._column(own, aggregate, joins)
            zero = as_double(literal(0))
            return exp.paren(exp.Sub(this=total, expression=coalesce(customer, zero)))
        query = self.windows[own, aggregate]
        alias = self._join(own, _others_step(query), joins)
        others = column(query.column_name(aggregate), alias)
        # A customer without rows of the key in this table is not in the step.
        return exp.Case().when(is_null(column(ENTITY, alias)), total).else_(others)

    def _column(
        self,
        rollup: _Rollup,
        aggregate: WindowAggregate,
        joins: dict[str, tuple[str, exp.Expr | None]],
    ) -> exp.Expr:
        """Return the column of an aggregate, joining its step on first use."""
        query = self.windows[rollup, aggregate]
        return column(query.column_name(aggregate), self._join(rollup, query.step, joins))

    def _join(
        self, rollup: _Rollup, step: str, joins: dict[str, tuple[str, exp.Expr | None]]
    ) -> str:
        """Return the alias of a rollup's step, joining it on first use."""
        known = [alias for alias, (joined, _) in joins.items() if joined == step]
        if known:
            return known[0]
        alias = f"j{len(joins)}"
        owner = ENTITY if not rollup.by_customer else rollup.key
        on = all_of(
            column(owner, alias).eq(column(_KEY, "l")),
            column(AS_OF, alias).eq(column(AS_OF, "l")),
            column(ENTITY, alias).eq(column(ENTITY, "l")) if rollup.by_customer else None,
        )
        joins[alias] = (step, on)
        return alias


def _others_sums(query: WindowQuery) -> list[WindowAggregate]:
    """List the sums of a query by customer and key; none of a query by key."""
    return [one for one in query.aggregates if query.by and one.aggregate.kind == "sum"]


def _others_step(query: WindowQuery) -> str:
    return f"{query.step}_others"


def _select_others(query: WindowQuery) -> exp.Query:
    """Select each customer's sums over the other customers with the same key and date."""
    keys = [column(ENTITY), column(AS_OF), *(column(name) for name in query.by)]
    sums = []
    for one in _others_sums(query):
        name = query.column_name(one)
        # In both directions from the first row: a frame that ends at the last one costs Spark the
        # square of the rows.
        before, after = (_running_sum(name, query.by, descending=way) for way in (False, True))
        both = exp.Add(this=before, expression=after)
        sums.append(aliased(exp.Coalesce(this=both, expressions=[before, after]), name))
    return exp.select(*keys, *sums).from_(step_table(query.step, "w"))


def _running_sum(name: str, by: Iterable[str], *, descending: bool) -> exp.Expr:
    """Add the values of the customers before this one, in ascending or descending order."""
    return exp.Window(
        this=exp.Sum(this=column(name)),
        partition_by=[column(AS_OF), *(column(key) for key in by)],
        order=exp.Order(expressions=[exp.Ordered(this=column(ENTITY), desc=descending)]),
        spec=exp.WindowSpec(
            kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="1", end_side="PRECEDING"
        ),
    )


def _link_count(feature: Related) -> WindowAggregate:
    count = PartialAggregate("count", feature.conditions)
    return WindowAggregate(count, feature.window_days, feature.lag_days)


def _combine(feature: Related) -> exp.Expr:
    """Combine the values of a customer's keys; the window of ``"last"`` has one."""
    value = column(VALUE)
    if feature.combine == "min":
        return exp.Min(this=value)
    if feature.combine in {"max", "last"}:
        return exp.Max(this=value)
    rows = case_when(not_null(value), column(_ROWS))
    return divide(exp.Sum(this=value * column(_ROWS)), exp.Sum(this=rows))

"""A timeline as SQL: named steps, each a query on tables and earlier steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.errors import RecipeError
from churnkit.timeline.aggregations import Feature, Last, Ratio
from churnkit.timeline.labels import ActiveSubscription, ActiveWithin
from churnkit.timeline.sql.as_of_state import VALUE, LastValue, Running, value_type
from churnkit.timeline.sql.expressions import (
    AS_OF,
    ENTITY,
    Days,
    aliased,
    both,
    column,
    double,
    lit,
    step,
)
from churnkit.timeline.sql.label_query import active_reading, label_value, outcome, population
from churnkit.timeline.sql.partial_aggregates import Measure, Reading, divide, readings, value_of
from churnkit.timeline.sql.source_rows import dates, named
from churnkit.timeline.sql.window_aggregates import Windows
from churnkit.timeline.validation import referenced

if TYPE_CHECKING:
    from churnkit.timeline.timeline import Timeline

__all__ = ["DIALECTS", "Lowered", "lower", "to_sql"]

DIALECTS = ("duckdb", "spark", "databricks", "snowflake", "bigquery", "postgres")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Lowered:
    """A timeline as SQL.

    Parameters
    ----------
    steps
        Names and queries, in an order in which each reads only earlier ones.
    result
        The query of the result.
    """

    steps: tuple[tuple[str, exp.Query], ...]
    result: exp.Query

    def text(self, query: exp.Query, dialect: str) -> str:
        """Write one query in a dialect, indented."""
        written = query.transform(_unquoted) if dialect == "snowflake" else query
        return written.sql(dialect=dialect, pretty=True)

    def reads(self) -> list[list[str]]:
        """Name the tables and steps that each step reads, and last those of the result."""
        queries = [*(query for _, query in self.steps), self.result]
        return [[table.name for table in query.find_all(exp.Table)] for query in queries]

    def streamed(self) -> Lowered:
        """Put the steps that only the result reads, each once, into its query.

        They then flow into the result, and are not written down before it.
        """
        reads = self.reads()
        inner = [
            (name, query)
            for name, query in self.steps
            if reads[-1].count(name) == 1 and not any(name in found for found in reads[:-1])
        ]
        result = self.result.copy()
        for name, made in inner:
            result = result.with_(exp.to_identifier(name, quoted=True), as_=made.copy(), copy=False)
        return Lowered(tuple(one for one in self.steps if one not in inner), result)

    def whole(self) -> exp.Query:
        """Return everything as one query."""
        query = self.result.copy()
        for name, made in self.steps:
            query = query.with_(exp.to_identifier(name, quoted=True), as_=made.copy(), copy=False)
        return query


def to_sql(timeline: Timeline, dialect: str = "duckdb") -> str:
    """Write a timeline as one query for a warehouse.

    Times are taken as UTC: run it in a session whose time zone is UTC. The checks of `build` on
    the tables are not part of it.

    Parameters
    ----------
    timeline
        The plan.
    dialect
        One of `DIALECTS`.

    Raises
    ------
    RecipeError
        If the dialect is unknown, or a table's times are in another zone.

    Examples
    --------
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> plan = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-01-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> to_sql(plan, "snowflake").splitlines()[0]
    'WITH ck_dates AS ('
    """
    if dialect not in DIALECTS:
        raise RecipeError(f"there is no dialect '{dialect}'; choose one of: {', '.join(DIALECTS)}")
    for table in timeline.tables:
        if table.time_zone != "UTC":
            raise RecipeError(
                f"table '{table.name}': its times are in {table.time_zone}; in a warehouse, give "
                "a view with times in UTC and declare time_zone='UTC'"
            )
    lowered = lower(timeline)
    return lowered.text(lowered.whole(), dialect)


def lower(timeline: Timeline, complete: frozenset[tuple[str, str]] = frozenset()) -> Lowered:
    """Turn a timeline into steps.

    Parameters
    ----------
    timeline
        The plan.
    complete
        Tables and columns without a missing value, where that is known: less has to be counted.

    Examples
    --------
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> plan = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-01-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> [name for name, _ in lower(plan).steps]
    ['ck_dates', 'ck_orders_rollup', 'ck_orders_windows']
    """
    return _Lowering(timeline, complete).lowered()


class _Lowering:
    """The parts of one timeline, and where each feature is found in them."""

    def __init__(self, timeline: Timeline, complete: frozenset[tuple[str, str]]) -> None:
        self.plan = timeline
        self.complete = complete
        self.days = Days.of(timeline.snapshots)
        parts = list(dict.fromkeys(referenced(timeline.features.values())))
        self.windows: dict[tuple[str, Reading], Windows] = {}
        self.running: dict[str, Running] = {}
        self.last: dict[tuple[Any, ...], LastValue] = {}
        for table in timeline.tables:
            own = [part for part in parts if part.table == table.name]
            needed = [reading for part in own for reading in self._readings(part)]
            if (
                isinstance(timeline.eligible, ActiveWithin)
                and timeline.eligible.table == table.name
            ):
                needed.append(active_reading(timeline.eligible))
            for windows in Windows.of(table, self.days, needed):
                self.windows |= dict.fromkeys(
                    ((table.name, reading) for reading in windows.readings), windows
                )
            states = tuple(p for p in own if not readings(p) and not isinstance(p, Last))
            if states:
                self.running[table.name] = Running(table, self.days, states)
            for part in own:
                if isinstance(part, Last):
                    place = len(self.last)
                    value = LastValue(table, self.days, part.column, part.conditions, place)
                    self.last.setdefault(_last_key(part), value)
        self.joins: dict[str, tuple[exp.Table, exp.Expr | None]] = {}

    def _readings(self, feature: Any) -> tuple[Reading, ...]:
        """List what a feature needs; where no value is missing, rows are counted for values."""
        return tuple(
            replace(one, measure=Measure("count", one.measure.where))
            if one.measure.kind == "known" and (feature.table, feature.column) in self.complete
            else one
            for one in readings(feature)
        )

    def lowered(self) -> Lowered:
        plan = self.plan
        steps: list[tuple[str, exp.Query]] = [(step("dates"), dates(self.days))]
        for part in dict.fromkeys(self.windows.values()):
            steps += part.steps()
        if isinstance(plan.eligible, ActiveSubscription):
            eligible = plan.table(plan.eligible.table)
            steps.append((step("population"), population(eligible, self.days, plan.eligible)))
        for state in self.running.values():
            steps += state.steps()
        steps += [(value.step, value.query()) for value in self.last.values()]
        if plan.label is not None:
            steps += outcome(plan.table(plan.label.table), self.days, plan.label)
        return Lowered(tuple(steps), self._result())

    def _result(self) -> exp.Query:
        plan = self.plan
        found = [aliased(self._value(one), name) for name, one in plan.features.items()]
        if plan.label is not None:
            self._join(step("outcome"), "o")
            found.append(aliased(label_value(plan.label), plan.label_name))
        moment = exp.Case(this=column(AS_OF, "p"))
        for number in self.days.numbers:
            text = self.days.moment(number).strftime("%Y-%m-%d %H:%M:%S")
            moment = moment.when(lit(number), exp.cast(lit(text), "timestamp"))
        query = exp.select(
            aliased(column(ENTITY, "p"), plan.entity), aliased(moment, plan.as_of), *found
        ).from_(named(self._population, "p"))
        if isinstance(plan.eligible, ActiveWithin):
            # Who was active is found among the windows: where they count a row.
            reading = active_reading(plan.eligible)
            rows = column(self.windows[plan.eligible.table, reading].place(reading), "p")
            query = query.where(exp.GT(this=rows, expression=lit(0)))
        for source, on in self.joins.values():
            query = query.join(source, on=on, join_type="left")
        return query.order_by(column(AS_OF, "p"), column(ENTITY, "p"))

    def _join(self, source: str, alias: str = "", fits: exp.Expr | None = None) -> str:
        """Join a step once by customer, and by date where nothing else says what fits."""
        alias = alias or f"j{len(self.joins)}"
        on = both(
            exp.EQ(this=column(ENTITY, alias), expression=column(ENTITY, "p")),
            fits or exp.EQ(this=column(AS_OF, alias), expression=column(AS_OF, "p")),
        )
        self.joins[alias] = (named(source, alias), on)
        return alias

    @property
    def _population(self) -> str:
        """The step with a row for each eligible customer and date, and perhaps others."""
        eligible = self.plan.eligible
        if isinstance(eligible, ActiveWithin):
            return self.windows[eligible.table, active_reading(eligible)].step
        return step("population")

    def _alias(self, source: str) -> str:
        if source == self._population:
            return "p"
        for alias, (joined, _) in self.joins.items():
            if joined.name == source:
                return alias
        return self._join(source)

    def _value(self, feature: Feature) -> exp.Expr:
        as_of = column(AS_OF, "p")
        if isinstance(feature, Ratio):
            return divide(double(self._value(feature.over)), double(self._value(feature.under)))
        of: Any = feature
        if isinstance(feature, Last):
            return self._last_value(feature, as_of)
        needed = self._readings(feature)
        if needed:
            values: list[exp.Expr] = []
            for one in needed:
                windows = self.windows[of.table, one]
                values.append(column(windows.place(one), self._alias(windows.step)))
            return value_of(feature, values, as_of)
        source, name = self.running[of.table].place(feature)
        return self.running[of.table].value(feature, column(name, self._alias(source)), as_of)

    def _last_value(self, feature: Last, as_of: exp.Expr) -> exp.Expr:
        value = self.last[_last_key(feature)]
        alias = f"j{len(self.joins)}"
        self._join(value.step, alias, value.fits(feature, alias, as_of))
        kind = value_type(value.table[feature.column].type)
        return exp.cast(column(VALUE, alias), kind)


def _last_key(feature: Last) -> tuple[Any, ...]:
    return feature.table, feature.column, feature.conditions


def _unquoted(node: exp.Expr) -> exp.Expr:
    """Leave plain names to the warehouse, which has them in upper case unless quoted."""
    if isinstance(node, exp.Identifier) and _PLAIN.fullmatch(node.name):
        node.set("quoted", False)
    return node

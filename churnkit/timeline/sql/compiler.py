"""Compile a timeline to SQL: named steps, each a query on tables and earlier steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.errors import RecipeError
from churnkit.timeline.feature_parts import Ratio, Related, base_features
from churnkit.timeline.features.aggregations import Last
from churnkit.timeline.labels import ActiveSubscription, ActiveWithin, label_cause
from churnkit.timeline.sql.as_of_state import VALUE, ActiveState, LastValue, first_day, sql_type
from churnkit.timeline.sql.expressions import (
    AS_OF,
    ENTITY,
    SnapshotDays,
    aliased,
    all_of,
    as_double,
    column,
    is_null,
    literal,
    lower_day_numbers,
    step_name,
)
from churnkit.timeline.sql.label_query import (
    activity,
    cause_steps,
    cause_value,
    label_value,
    last_days,
    outcome_steps,
    select_population,
)
from churnkit.timeline.sql.partial_aggregates import (
    PartialAggregate,
    WindowAggregate,
    divide,
    feature_value,
    window_aggregates,
)
from churnkit.timeline.sql.related_values import RelatedValues
from churnkit.timeline.sql.source_rows import select_dates, step_table
from churnkit.timeline.sql.window_aggregates import WindowQuery

if TYPE_CHECKING:
    from churnkit.timeline.features.base import Feature
    from churnkit.timeline.timeline import Timeline

__all__ = ["DIALECTS", "CompiledTimeline", "compile_timeline", "render", "to_sql"]

DIALECTS = (
    "duckdb", "spark", "databricks", "snowflake", "bigquery", "postgres", "redshift", "trino",
)  # fmt: skip
_SPARK = ("spark", "databricks")
_LOWER_CASE_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class CompiledTimeline:
    """A timeline as SQL.

    Parameters
    ----------
    steps
        Names and queries, ordered so that each reads only earlier ones.
    result
        The query of the result.
    """

    steps: tuple[tuple[str, exp.Query], ...]
    result: exp.Query

    def sources(self) -> list[list[str]]:
        """List the tables and steps that each step reads, and last those of the result."""
        queries = [*(query for _, query in self.steps), self.result]
        return [[table.name for table in query.find_all(exp.Table)] for query in queries]

    def inlined(self) -> CompiledTimeline:
        """Move the steps that only the result reads, each once, into its query.

        They are then streamed into the result instead of being stored first.
        """
        *step_sources, result_sources = self.sources()
        stored: list[tuple[str, exp.Query]] = []
        inlined: list[tuple[str, exp.Query]] = []
        for name, query in self.steps:
            read_once = result_sources.count(name) == 1
            elsewhere = any(name in sources for sources in step_sources)
            (inlined if read_once and not elsewhere else stored).append((name, query))
        return CompiledTimeline(tuple(stored), _with_steps(self.result, inlined))

    def single_query(self) -> exp.Query:
        """Return all steps as one query."""
        return _with_steps(self.result, self.steps)


def _with_steps(query: exp.Query, steps: Any) -> exp.Query:
    query = query.copy()
    for name, step in steps:
        query = query.with_(exp.to_identifier(name, quoted=True), as_=step, copy=False)
    return query


def render(query: exp.Query, dialect: str, *, utc_session: bool = True) -> str:
    """Format a query in a dialect, indented."""
    lowered = lower_day_numbers(query, dialect, utc_session=utc_session)
    if dialect == "snowflake":
        names = [column.alias for column in query.selects]
        lowered = lowered.transform(_unquoted, copy=False)
        # The columns of the result keep the names that the timeline declares.
        for column, name in zip(lowered.expressions, names, strict=False):
            column.set("alias", exp.to_identifier(name, quoted=True))
    return lowered.sql(dialect=dialect, pretty=True, copy=False)


def to_sql(timeline: Timeline, dialect: str = "duckdb") -> str:
    """Compile a timeline to one query for a warehouse.

    Timestamps without a time zone are read as UTC. The result does not depend on the time zone of
    the session; on Spark and Databricks, whose functions all do, the query fails unless it is
    UTC. The checks of `build` on the tables are not part of the query.

    Parameters
    ----------
    timeline
        The timeline.
    dialect
        One of `DIALECTS`.

    Returns
    -------
    str
        The query.

    Raises
    ------
    RecipeError
        If the dialect is unknown, or a table has lookups, formats, or times in a zone other than
        UTC.

    Examples
    --------
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> timeline = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-01-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> to_sql(timeline, "snowflake").splitlines()[0]
    'WITH ck_dates AS ('
    """
    if dialect not in DIALECTS:
        raise RecipeError(f"unknown dialect '{dialect}'; choose one of: {', '.join(DIALECTS)}")
    for table in timeline.tables:
        if table.time_zone != "UTC":
            raise RecipeError(
                f"table '{table.name}' has times in {table.time_zone}: for a warehouse, create "
                "a view with times in UTC and declare time_zone='UTC'"
            )
        if table.lookups or table.written or table.missing:
            raise RecipeError(
                f"table '{table.name}' has lookups, formats or texts for missing values: for a "
                "warehouse, create a view with the joined and converted columns, and declare it "
                "without them"
            )
    query = compile_timeline(timeline).single_query()
    if dialect in _SPARK and isinstance(query, exp.Select):
        query = query.where(_utc_session_check())
    return render(query, dialect, utc_session=False)


def _utc_session_check() -> exp.Expr:
    zone = exp.Anonymous(this="CURRENT_TIMEZONE")
    is_utc = exp.In(
        this=zone, expressions=[literal(name) for name in ("UTC", "Etc/UTC", "GMT", "Z")]
    )
    message = literal("set the time zone of the session to UTC")
    return is_null(exp.Anonymous(this="ASSERT_TRUE", expressions=[is_utc, message]))


def compile_timeline(
    timeline: Timeline, complete: frozenset[tuple[str, str]] = frozenset()
) -> CompiledTimeline:
    """Compile a timeline to steps.

    Parameters
    ----------
    timeline
        The timeline.
    complete
        Pairs of table and column without missing values; their non-missing values need not be
        counted separately.

    Returns
    -------
    CompiledTimeline

    Examples
    --------
    >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
    >>> timeline = Timeline(
    ...     [Table("orders", "buyer", happened="at")],
    ...     {"orders_30d": Count("orders", window_days=30)},
    ...     Snapshots(dates=("2025-01-01",)),
    ...     ActiveWithin("orders", days=90),
    ... )
    >>> [name for name, _ in compile_timeline(timeline).steps]
    ['ck_dates', 'ck_orders_rollup', 'ck_orders_windows']
    """
    return _Compiler(timeline, complete).compile()


class _Compiler:
    """The queries of one timeline, and the sources of its features."""

    def __init__(self, timeline: Timeline, complete: frozenset[tuple[str, str]]) -> None:
        self.timeline = timeline
        self.complete = complete
        self.days = SnapshotDays.from_snapshots(timeline.snapshots)
        self.windows: dict[tuple[str, WindowAggregate], WindowQuery] = {}
        self.states: dict[str, ActiveState] = {}
        self.last_values: dict[tuple[Any, ...], LastValue] = {}
        self.joins: dict[str, tuple[exp.Table, exp.Expr | None]] = {}
        features = list(dict.fromkeys(base_features(timeline.features.values())))
        related = [one for one in features if isinstance(one, Related)]
        self.related = RelatedValues(timeline, self.days, related)
        own = [one for one in features if not isinstance(one, Related)]
        for table in timeline.tables:
            self._add_table(table, [one for one in own if one.table == table.name])

    def _add_table(self, table: Any, features: list[Any]) -> None:
        aggregates = [one for feature in features for one in self._aggregates(feature)]
        eligible = self.timeline.eligible
        if isinstance(eligible, ActiveWithin):
            aggregates += [one for name, one in _population(eligible) if name == table.name]
        for query in WindowQuery.group(table, self.days, aggregates):
            self.windows |= dict.fromkeys(((table.name, one) for one in query.aggregates), query)
        states = tuple(
            one for one in features if not window_aggregates(one) and not isinstance(one, Last)
        )
        if states:
            self.states[table.name] = ActiveState(table, self.days, states)
        last: dict[tuple[Any, ...], list[Last]] = {}
        for feature in features:
            if isinstance(feature, Last):
                last.setdefault(_last_key(feature), []).append(feature)
        for key, same in last.items():
            self.last_values[key] = LastValue(
                table, self.days, same[0].column, same[0].conditions, len(self.last_values),
                first_day(self.days, same),
            )  # fmt: skip

    def _aggregates(self, feature: Any) -> tuple[WindowAggregate, ...]:
        """List a feature's aggregates; columns without missing values share the count of rows."""
        return tuple(
            replace(one, aggregate=PartialAggregate("count", one.aggregate.where))
            if one.aggregate.kind == "known" and (feature.table, feature.column) in self.complete
            else one
            for one in window_aggregates(feature)
        )

    def compile(self) -> CompiledTimeline:
        timeline = self.timeline
        steps: list[tuple[str, exp.Query]] = [(step_name("dates"), select_dates(self.days))]
        for windows in dict.fromkeys(self.windows.values()):
            steps += windows.steps()
        if isinstance(timeline.eligible, ActiveSubscription):
            table = timeline.table(timeline.eligible.table)
            population = select_population(table, self.days, timeline.eligible)
            steps.append((step_name("population"), population))
        for state in self.states.values():
            steps += state.steps()
        steps += [(value.step, value.query()) for value in self.last_values.values()]
        steps += self.related.steps()
        if timeline.label is not None:
            table = timeline.table(timeline.label.table)
            steps += outcome_steps(table, self.days, timeline.label)
            steps += cause_steps(table, self.days, timeline.label)
        return CompiledTimeline(tuple(steps), self._result({name for name, _ in steps}))

    def _result(self, names: set[str]) -> exp.Query:
        timeline = self.timeline
        values = [aliased(self._value(one), name) for name, one in timeline.features.items()]
        if timeline.label is not None:
            self._join(step_name("outcome"), "o")
            values.append(aliased(label_value(timeline.label), timeline.label_name))
            cause = label_cause(timeline.label)
            if cause is not None:
                if step_name("cause") in names:
                    self._join(step_name("cause"), "c")
                values.append(aliased(cause_value(timeline.label, cause), timeline.cause_name))
        date = exp.Case(this=column(AS_OF, "p"))
        for number in self.days.numbers:
            text = self.days.timestamp(number).strftime("%Y-%m-%d %H:%M:%S")
            date = date.when(literal(number), exp.cast(literal(text), "timestamp"))
        query = exp.select(
            aliased(column(ENTITY, "p"), timeline.entity), aliased(date, timeline.as_of), *values
        ).from_(step_table(self._population, "p"))
        if isinstance(timeline.eligible, ActiveWithin):
            # The population is the window query; its active customers are those with a row.
            aggregate = activity(timeline.eligible)
            windows = self.windows[timeline.eligible.table, aggregate]
            query = query.where(column(windows.column_name(aggregate), "p") > literal(0))
            query = query.where(self._not_churned(timeline.eligible))
        for source, on in self.joins.values():
            query = query.join(source, on=on, join_type="left")
        return query.order_by(column(AS_OF, "p"), column(ENTITY, "p"))

    def _not_churned(self, eligible: ActiveWithin) -> exp.Expr | None:
        """Test that no churn event is as late as the last activity."""
        days = []
        for table, aggregate in _population(eligible)[1:]:
            windows = self.windows[table, aggregate]
            days.append(column(windows.column_name(aggregate), self._alias(windows.step)))
        if not days:
            return None
        active, churned = days
        return exp.or_(is_null(churned), churned < active)

    def _join(self, step: str, alias: str = "", matches: exp.Expr | None = None) -> str:
        """Join a step by customer, and by date unless `matches` gives another condition."""
        alias = alias or f"j{len(self.joins)}"
        on = all_of(
            column(ENTITY, alias).eq(column(ENTITY, "p")),
            matches or column(AS_OF, alias).eq(column(AS_OF, "p")),
        )
        self.joins[alias] = (step_table(step, alias), on)
        return alias

    @property
    def _population(self) -> str:
        """The step with a row per eligible customer and date, and possibly others."""
        eligible = self.timeline.eligible
        if isinstance(eligible, ActiveWithin):
            return self.windows[eligible.table, activity(eligible)].step
        return step_name("population")

    def _alias(self, step: str) -> str:
        """Return the alias of a step, joining it on first use."""
        if step == self._population:
            return "p"
        for alias, (joined, _) in self.joins.items():
            if joined.name == step:
                return alias
        return self._join(step)

    def _value(self, feature: Feature) -> exp.Expr:
        if isinstance(feature, Ratio):
            over, under = (as_double(self._value(one)) for one in (feature.over, feature.under))
            return divide(over, under)
        if isinstance(feature, Last):
            return self._last_value(feature)
        if isinstance(feature, Related):
            return column(VALUE, self._alias(self.related.step(feature)))
        base: Any = feature
        as_of = column(AS_OF, "p")
        aggregates = self._aggregates(feature)
        if aggregates:
            values: list[exp.Expr] = []
            for one in aggregates:
                windows = self.windows[base.table, one]
                values.append(column(windows.column_name(one), self._alias(windows.step)))
            return feature_value(feature, values, as_of)
        state = self.states[base.table]
        step, name = state.source(feature)
        return state.value(feature, column(name, self._alias(step)), as_of)

    def _last_value(self, feature: Last) -> exp.Expr:
        value = self.last_values[_last_key(feature)]
        alias = f"j{len(self.joins)}"
        self._join(value.step, alias, value.matches(feature, alias, column(AS_OF, "p")))
        return exp.cast(column(VALUE, alias), sql_type(value.table[feature.column].type))


def _population(eligible: ActiveWithin) -> list[tuple[str, Any]]:
    """List the tables and aggregates that decide which customers are eligible."""
    needed = [(eligible.table, activity(eligible))]
    days = last_days(eligible)
    if days and eligible.unless:
        needed += zip((eligible.table, eligible.unless.table), days, strict=True)
    return needed


def _last_key(feature: Last) -> tuple[Any, ...]:
    return feature.table, feature.column, feature.conditions


def _unquoted(node: exp.Expr) -> exp.Expr:
    """Unquote lower-case names, which Snowflake otherwise does not find in upper case."""
    if isinstance(node, exp.Identifier) and _LOWER_CASE_NAME.fullmatch(node.name):
        node.set("quoted", False)
    return node

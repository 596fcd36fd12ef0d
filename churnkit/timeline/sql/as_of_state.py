"""State at a snapshot date: active rows, and the last value known before the date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.timeline.features.states import Current, CurrentSum, DaysSince, OpenCount
from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    ENTITY,
    KNOWN,
    SnapshotDays,
    aliased,
    all_of,
    as_double,
    case_when,
    coalesce,
    column,
    day_number,
    literal,
    not_null,
    step_name,
    where_clause,
)
from churnkit.timeline.sql.source_rows import select_active, select_rows, step_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.core.predicate import Where
    from churnkit.timeline.features.base import Windowed
    from churnkit.timeline.source_tables import Table

__all__ = ["VALUE", "ActiveState", "LastValue", "first_day", "sql_type"]

NEXT_DAY = "ck_next_day"
VALUE = "ck_value"
# After every day that a timestamp can have; the last value of a customer stays current.
_NEVER = 2_000_000_000


def sql_type(contract_type: str) -> str:
    """Return the SQL type of a column type of contracts.

    Examples
    --------
    >>> sql_type("string")
    'text'
    """
    types = {"integer": "bigint", "number": "double", "boolean": "boolean", "string": "text"}
    return types[contract_type]


@dataclass(frozen=True)
class ActiveState:
    """The features of one table's active rows at the snapshot dates.

    Parameters
    ----------
    table
        The source table.
    days
        The snapshot dates.
    features
        Distinct `Current`, `CurrentSum`, `DaysSince` and `OpenCount` features of the table.
    """

    table: Table
    days: SnapshotDays
    features: tuple[Any, ...]

    def steps(self) -> list[tuple[str, exp.Query]]:
        """Return the steps: active rows, their sums, and the latest row per set of conditions."""
        columns = {one.column for one in self.features if not isinstance(one, OpenCount)}
        columns |= {where.column for one in self.features for where in one.conditions}
        steps: list[tuple[str, exp.Query]] = [
            (self._step("running"), select_active(self.table, self.days, columns))
        ]
        if self._sums:
            steps.append((self._step("running", "sums"), self._select_sums()))
        steps += [
            (self._step("latest", str(number)), self._select_latest(conditions))
            for number, conditions in enumerate(self._filters)
        ]
        return steps

    def source(self, feature: Any) -> tuple[str, str]:
        """Return the step and the column of a feature."""
        if feature in self._sums:
            return self._step("running", "sums"), f"s{self._sums.index(feature)}"
        return self._step("latest", str(self._filters.index(feature.conditions))), feature.column

    def value(self, feature: Any, source: exp.Expr, as_of: exp.Expr) -> exp.Expr:
        """Compute a feature from its column."""
        if isinstance(feature, OpenCount):
            return exp.cast(coalesce(source, literal(0)), "bigint")
        if isinstance(feature, CurrentSum):
            return coalesce(source, as_double(literal(0)))
        if isinstance(feature, DaysSince):
            day = day_number(source, self.days.seconds)
            return exp.cast(case_when(day < as_of, as_of - day - literal(1)), "bigint")
        return exp.cast(source, sql_type(self.table[feature.column].type))

    def _step(self, *parts: str) -> str:
        return step_name(self.table.name, *parts)

    @property
    def _sums(self) -> tuple[Any, ...]:
        return tuple(one for one in self.features if isinstance(one, (CurrentSum, OpenCount)))

    @property
    def _filters(self) -> tuple[tuple[Where, ...], ...]:
        latest = [one.conditions for one in self.features if isinstance(one, (Current, DaysSince))]
        return tuple(dict.fromkeys(latest))

    def _select_sums(self) -> exp.Query:
        sums = []
        for number, feature in enumerate(self._sums):
            condition = where_clause(feature.conditions)
            total: exp.Expr
            if isinstance(feature, OpenCount):
                total = exp.Count(this=case_when(condition, literal(1)))
            else:
                total = exp.Sum(this=case_when(condition, as_double(column(feature.column))))
            sums.append(aliased(total, f"s{number}"))
        query = exp.select(column(ENTITY), column(AS_OF), *sums)
        return query.from_(step_table(self._step("running"), "r")).group_by(
            column(ENTITY), column(AS_OF)
        )

    def _select_latest(self, conditions: tuple[Where, ...]) -> exp.Query:
        names = sorted(
            {
                one.column
                for one in self.features
                if isinstance(one, (Current, DaysSince)) and one.conditions == conditions
            }
        )
        order = [
            exp.Ordered(this=column(name), desc=True, nulls_first=False) for name in (KNOWN, *names)
        ]
        rank = exp.Window(
            this=exp.RowNumber(),
            partition_by=[column(ENTITY), column(AS_OF)],
            order=exp.Order(expressions=order),
        )
        columns = [column(name) for name in (ENTITY, AS_OF, *names)]
        ranked = exp.select(*columns, aliased(rank, "ck_rank")).from_(
            step_table(self._step("running"), "r")
        )
        condition = where_clause(conditions)
        if condition is not None:
            ranked = ranked.where(condition)
        first = column("ck_rank").eq(literal(1))
        return exp.select(*columns).from_(ranked.subquery("k")).where(first)


def first_day(days: SnapshotDays, features: Iterable[Windowed]) -> int | None:
    """Return the first day of the features' windows on any date; None if one is unbounded.

    A row before it is the last in no window, and the rows after it do not depend on it.
    """
    starts = [
        None if one.window_days is None else days.numbers[0] - one.window_days - one.lag_days
        for one in features
    ]
    return None if None in starts else min(one for one in starts if one is not None)


@dataclass(frozen=True)
class LastValue:
    """The last known value of a column, with the range of days on which it is the last.

    Rows are ordered by time and value. Each is the last from the day after it became known to
    the day of the next one, so at most one matches a date, whatever the order of the input.

    Parameters
    ----------
    table
        The source table.
    days
        The snapshot dates.
    column
        The column of the value.
    where
        Conditions on the rows.
    number
        Number of the step.
    first_day
        The first day that matters, see `first_day`; None for every day.
    """

    table: Table
    days: SnapshotDays
    column: str
    where: tuple[Where, ...]
    number: int | str
    first_day: int | None = None

    @property
    def step(self) -> str:
        """The name of its step."""
        return step_name(self.table.name, "last", str(self.number))

    def query(self) -> exp.Query:
        """Select the ranges: customer, value, day and next day."""
        columns = {self.column, *(where.column for where in self.where)}
        following = exp.Window(
            this=exp.Lead(this=column(DAY)),
            partition_by=[column(ENTITY)],
            order=exp.Order(
                expressions=[
                    exp.Ordered(this=column(name), nulls_first=False)
                    for name in (KNOWN, self.column)
                ]
            ),
        )
        ordered = (
            exp.select(
                column(ENTITY),
                aliased(column(self.column), VALUE),
                column(DAY),
                # A number in place of NULL keeps OR out of the join, which DuckDB 1.x executes
                # as a nested loop.
                aliased(coalesce(following, literal(_NEVER)), NEXT_DAY),
            )
            .from_(select_rows(self.table, self.days, columns, keep=(KNOWN,)).subquery("r"))
            .where(
                all_of(
                    column(DAY) < literal(self.days.numbers[-1]),
                    None if self.first_day is None else column(DAY) >= literal(self.first_day),
                    not_null(column(self.column)),
                    where_clause(self.where),
                )
            )
        )
        names = [column(name) for name in (ENTITY, VALUE, DAY, NEXT_DAY)]
        query = exp.select(*names).from_(ordered.subquery("o"))
        return query.where(column(NEXT_DAY) > column(DAY))

    def matches(self, feature: Windowed, alias: str, as_of: exp.Expr) -> exp.Expr:
        """Test that a customer's range contains the end of a feature's window."""
        end = as_of - literal(feature.lag_days) if feature.lag_days else as_of
        day = column(DAY, alias)
        first = None
        if feature.window_days is not None:
            first = day >= as_of - literal(feature.window_days + feature.lag_days)
        return exp.and_(*filter(None, (day < end, first, column(NEXT_DAY, alias) >= end)))

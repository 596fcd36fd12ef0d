"""What runs at a date, and the last value known before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from churnkit.timeline.aggregations import Current, CurrentSum, DaysSince, Last, OpenCount
from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    ENTITY,
    KNOWN,
    Days,
    aliased,
    both,
    case,
    column,
    condition,
    day_number,
    double,
    known,
    lit,
    step,
)
from churnkit.timeline.sql.source_rows import named, rows, running

if TYPE_CHECKING:
    from churnkit.core.predicate import Where
    from churnkit.timeline.source_tables import Table

__all__ = ["LastValue", "Running", "value_type"]

NEXT_DAY = "ck_next_day"
VALUE = "ck_value"


def value_type(kind: str) -> str:
    """Return the SQL type of a column of a contract's type.

    Examples
    --------
    >>> value_type("string")
    'text'
    """
    return {"integer": "bigint", "number": "double", "boolean": "boolean", "string": "text"}[kind]


@dataclass(frozen=True)
class Running:
    """Everything that features ask of the rows of one table that run at a date.

    Parameters
    ----------
    table
        What is read.
    days
        The dates.
    features
        `Current`, `CurrentSum`, `DaysSince` and `OpenCount` of this table, each once.
    """

    table: Table
    days: Days
    features: tuple[Any, ...]

    def steps(self) -> list[tuple[str, exp.Query]]:
        """Return the steps: what runs, its sums, and the latest row for each set of conditions."""
        own = {one.column for one in self.features if not isinstance(one, OpenCount)}
        own |= {where.column for one in self.features for where in one.conditions}
        found: list[tuple[str, exp.Query]] = [
            (self._step("running"), running(self.table, self.days, own))
        ]
        if self._summed:
            found.append((self._step("running", "sums"), self._sums()))
        found += [
            (self._step("latest", str(place)), self._latest(where))
            for place, where in enumerate(self._filters)
        ]
        return found

    def place(self, feature: Any) -> tuple[str, str]:
        """Name the step and the column that hold a feature."""
        if feature in self._summed:
            return self._step("running", "sums"), f"s{self._summed.index(feature)}"
        return self._step("latest", str(self._filters.index(feature.conditions))), feature.column

    def value(self, feature: Any, found: exp.Expr, as_of: exp.Expr) -> exp.Expr:
        """Put a feature together from its column."""
        if isinstance(feature, OpenCount):
            return exp.cast(exp.Coalesce(this=found, expressions=[lit(0)]), "bigint")
        if isinstance(feature, CurrentSum):
            return exp.Coalesce(this=found, expressions=[double(lit(0))])
        if isinstance(feature, DaysSince):
            day = day_number(found, self.days.seconds)
            since = exp.Sub(this=exp.Sub(this=as_of, expression=day), expression=lit(1))
            passed = exp.LT(this=day.copy(), expression=as_of.copy())
            return exp.cast(case(passed, since), "bigint")
        return exp.cast(found, value_type(self.table[feature.column].type))

    def _step(self, *parts: str) -> str:
        return step(self.table.name, *parts)

    @property
    def _summed(self) -> tuple[Any, ...]:
        return tuple(one for one in self.features if isinstance(one, (CurrentSum, OpenCount)))

    @property
    def _filters(self) -> tuple[tuple[Where, ...], ...]:
        latest = [one.conditions for one in self.features if isinstance(one, (Current, DaysSince))]
        return tuple(dict.fromkeys(latest))

    def _sums(self) -> exp.Query:
        values = []
        for place, one in enumerate(self._summed):
            when = condition(one.conditions)
            total: exp.Expr
            if isinstance(one, OpenCount):
                total = exp.Count(this=case(when, lit(1)))
            else:
                total = exp.Sum(this=case(when, double(column(one.column))))
            values.append(aliased(total, f"s{place}"))
        found = exp.select(column(ENTITY), column(AS_OF), *values)
        return found.from_(named(self._step("running"), "r")).group_by(
            column(ENTITY), column(AS_OF)
        )

    def _latest(self, where: tuple[Where, ...]) -> exp.Query:
        own = sorted(
            {
                one.column
                for one in self.features
                if isinstance(one, (Current, DaysSince)) and one.conditions == where
            }
        )
        order = [
            exp.Ordered(this=column(name), desc=True, nulls_first=False) for name in (KNOWN, *own)
        ]
        rank = exp.Window(
            this=exp.RowNumber(),
            partition_by=[column(ENTITY), column(AS_OF)],
            order=exp.Order(expressions=order),
        )
        columns = [column(name) for name in (ENTITY, AS_OF, *own)]
        ranked = exp.select(*columns, aliased(rank, "ck_rank")).from_(
            named(self._step("running"), "r")
        )
        met = condition(where)
        if met is not None:
            ranked = ranked.where(met)
        first = exp.EQ(this=column("ck_rank"), expression=lit(1))
        return exp.select(*(one.copy() for one in columns)).from_(ranked.subquery("k")).where(first)


@dataclass(frozen=True)
class LastValue:
    """The last known value of a column, as the stretch of days on which it is the last.

    Rows are put in order of time and value; each is the last from the day after it was known to
    the day of the next, so at most one fits a date, whatever the order they came in.

    Parameters
    ----------
    table
        What is read.
    days
        The dates.
    column
        Whose value.
    where
        The conditions on the rows.
    place
        Its number among the steps.
    """

    table: Table
    days: Days
    column: str
    where: tuple[Where, ...]
    place: int

    @property
    def step(self) -> str:
        """The name of its step."""
        return step(self.table.name, "last", str(self.place))

    def query(self) -> exp.Query:
        """Return the stretches: customer, value, day and next day."""
        own = {self.column, *(where.column for where in self.where)}
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
        seen = exp.LT(this=column(DAY), expression=lit(self.days.numbers[-1]))
        ordered = (
            exp.select(
                column(ENTITY),
                aliased(column(self.column), VALUE),
                column(DAY),
                aliased(following, NEXT_DAY),
            )
            .from_(rows(self.table, self.days, own, keep=(KNOWN,)).subquery("r"))
            .where(both(seen, known(column(self.column)), condition(self.where)))
        )
        later = exp.GT(this=column(NEXT_DAY), expression=column(DAY))
        last = exp.Is(this=column(NEXT_DAY), expression=exp.Null())
        columns = [column(name) for name in (ENTITY, VALUE, DAY, NEXT_DAY)]
        return exp.select(*columns).from_(ordered.subquery("o")).where(exp.or_(last, later))

    def fits(self, feature: Last, alias: str, as_of: exp.Expr) -> exp.Expr:
        """Tell which stretch of a customer holds the end of a feature's window."""
        end = exp.Sub(this=as_of, expression=lit(feature.lag_days)) if feature.lag_days else as_of
        day, following = column(DAY, alias), column(NEXT_DAY, alias)
        since = None
        if feature.window_days is not None:
            first = exp.Sub(
                this=as_of.copy(), expression=lit(feature.window_days + feature.lag_days)
            )
            since = exp.GTE(this=day.copy(), expression=first)
        over = exp.or_(
            exp.Is(this=following, expression=exp.Null()),
            exp.GTE(this=following.copy(), expression=end.copy()),
        )
        found = both(exp.LT(this=day, expression=end), since, over)
        return found if found is not None else exp.true()

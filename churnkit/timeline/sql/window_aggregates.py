"""Windowed features: roll rows up to intervals between window edges, then combine intervals.

Every window of every date starts and ends at an edge. Rows are first rolled up to one row per
customer and interval between two edges. A window is a union of intervals, so all windows are
computed from the short rollup and the source rows are read once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from churnkit.timeline.source_tables import RESERVED
from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    ENTITY,
    SnapshotDays,
    aliased,
    all_of,
    column,
    literal,
    not_null,
    step_name,
    union_all,
)
from churnkit.timeline.sql.source_rows import interval_start, select_rows, step_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.timeline.source_tables import Table
    from churnkit.timeline.sql.partial_aggregates import PartialAggregate, WindowAggregate

__all__ = ["WindowQuery", "key_windows"]

_INTERVAL = "ck_interval"


@dataclass(frozen=True)
class WindowQuery:
    """The windowed aggregates of one table.

    Parameters
    ----------
    table
        The source table.
    days
        The snapshot dates.
    aggregates
        Distinct window aggregates; either all or none of them count days.
    name
        Prefix of its steps, by default the name of the table.
    by
        Further columns of the groups.
    present
        Columns without which a row is ignored, in addition to those of the groups.
    within
        First and last days before a date, such as ``(90, 0)``: a group without a row in one of
        these windows is left out on that date. All groups are in the result if there are none.
    """

    table: Table
    days: SnapshotDays
    aggregates: tuple[WindowAggregate, ...]
    name: str = ""
    by: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    within: tuple[tuple[int, int], ...] = ()

    @classmethod
    def group(
        cls, table: Table, days: SnapshotDays, aggregates: Iterable[WindowAggregate]
    ) -> list[WindowQuery]:
        """Group a table's aggregates in queries.

        Counts of days have a query of their own, since they need a rollup to days first.
        """
        distinct = dict.fromkeys(aggregates)
        by_day = tuple(one for one in distinct if one.aggregate.kind == "days")
        others = tuple(one for one in distinct if one.aggregate.kind != "days")
        return [cls(table, days, part) for part in (others, by_day) if part]

    @property
    def step(self) -> str:
        """The name of the last step."""
        return step_name(*self._prefix, "windows")

    def column_name(self, aggregate: WindowAggregate) -> str:
        """Return the column of an aggregate in the last step."""
        return f"w{self.aggregates.index(aggregate)}"

    def steps(self) -> list[tuple[str, exp.Query]]:
        """Return the steps: days if they are counted, the rollup, the windows."""
        steps: list[tuple[str, exp.Query]] = []
        source: exp.Expr = self._select_rows().subquery("r")
        if self._by_day:
            steps.append((step_name(*self._prefix), self._select_days()))
            source = step_table(step_name(*self._prefix), "r")
        rollup = step_name(*self._prefix, "rollup")
        steps.append((rollup, self._select_rollup(source)))
        windows = union_all([self._select_date(number, rollup) for number in self.days.numbers])
        return [*steps, (self.step, windows)]

    @property
    def _by_day(self) -> bool:
        return self.aggregates[0].aggregate.kind == "days"

    @property
    def _prefix(self) -> tuple[str, ...]:
        name = self.name or self.table.name
        return (name, "days") if self._by_day else (name,)

    @property
    def _groups(self) -> list[exp.Expr]:
        return [column(name) for name in (ENTITY, *self.by)]

    @property
    def _partials(self) -> tuple[PartialAggregate, ...]:
        return tuple(dict.fromkeys(one.aggregate for one in self.aggregates))

    def _partial_name(self, partial: PartialAggregate) -> str:
        return f"m{self._partials.index(partial)}"

    @property
    def _is_bounded(self) -> bool:
        return all(one.start is not None for one in self.aggregates)

    @property
    def _edges(self) -> list[int]:
        """The days on which a window starts or ends, ascending."""
        offsets = {one.lag for one in self.aggregates}
        offsets |= {one.start for one in self.aggregates if one.start is not None}
        offsets |= {offset for window in self.within for offset in window}
        return sorted({date - offset for date in self.days.numbers for offset in offsets})

    def _select_rows(self) -> exp.Select:
        columns = {one.column for one in self._partials if one.column}
        columns |= {where.column for one in self._partials for where in one.where}
        columns |= {*self.by, *self.present}
        edges = self._edges
        query = exp.select("*").from_(select_rows(self.table, self.days, columns).subquery("s"))
        first = column(DAY) >= literal(edges[0]) if self._is_bounded else None
        present = [not_null(column(name)) for name in (*self.by, *self.present)]
        return query.where(all_of(first, column(DAY) < literal(edges[-1]), *present))

    def _select_days(self) -> exp.Query:
        counts = [aliased(one.over_rows(), self._partial_name(one)) for one in self._partials]
        query = exp.select(*self._groups, column(DAY), *counts)
        return query.from_(self._select_rows().subquery("r")).group_by(*self._groups, column(DAY))

    def _select_rollup(self, source: exp.Expr) -> exp.Query:
        interval = interval_start(self._edges)
        names = {one: self._partial_name(one) for one in self._partials}
        partials = [
            aliased(one.over_days(name) if self._by_day else one.over_rows(), name)
            for one, name in names.items()
        ]
        query = exp.select(*self._groups, aliased(interval, _INTERVAL), *partials)
        return query.from_(source).group_by(*self._groups, interval.copy())

    def _select_date(self, date: int, rollup: str) -> exp.Query:
        """Compute all windows of one date."""
        bounds = [
            (None if one.start is None else date - one.start, date - one.lag)
            for one in self.aggregates
        ]
        first = None
        if self._is_bounded:
            first = min(start for start, _ in bounds if start is not None)
        last = max(end for _, end in bounds)
        values = [
            aliased(
                one.aggregate.over_window(
                    all_of(
                        None if start in {None, first} else _from(start),
                        None if end == last else _before(end),
                    ),
                    self._partial_name,
                ),
                self.column_name(one),
            )
            for one, (start, end) in zip(self.aggregates, bounds, strict=True)
        ]
        return (
            exp.select(*self._groups, aliased(literal(date), AS_OF), *values)
            .from_(step_table(rollup, "r"))
            .where(all_of(_from(first), _before(last), self._is_within(date, rollup)))
            .group_by(*self._groups)
        )

    def _is_within(self, date: int, rollup: str) -> exp.Expr | None:
        """Test that the group of a row of `r` has a row in one of the windows of `within`."""
        if not self.within:
            return None
        names = (ENTITY, *self.by)
        windows = (
            exp.and_(_from(date - start, "k"), _before(date - end, "k"))
            for start, end in self.within
        )
        same = (column(name, "k").eq(column(name, "r")) for name in names)
        rows = exp.select(literal(1)).from_(step_table(rollup, "k"))
        return exp.Exists(this=rows.where(*same, exp.or_(*windows)))


def key_windows(
    table: Table,
    days: SnapshotDays,
    aggregates: Iterable[WindowAggregate],
    *,
    key: str,
    by_customer: bool,
    number: int,
    within: tuple[tuple[int, int], ...] = (),
) -> list[WindowQuery]:
    """Group a table's aggregates by a key, or by customer and key.

    Parameters
    ----------
    table
        The source table.
    days
        The snapshot dates.
    aggregates
        Window aggregates.
    key
        Column of the key; rows without one, or without a customer, are ignored.
    by_customer
        Group by customer and key.
    number
        Number of the steps.
    within
        As of `WindowQuery`, for groups by customer and key.
    """
    # No table can have this name, as names that start with RESERVED are refused.
    name = f"{RESERVED}{number}"
    queries = WindowQuery.group(table, days, aggregates)
    if by_customer:
        return [replace(query, name=name, by=(key,), within=within) for query in queries]
    present = () if key == table.entity else (table.entity,)
    keyed = replace(table, entity=key)
    return [replace(query, table=keyed, name=name, present=present) for query in queries]


def _from(day: int | None, alias: str | None = None) -> exp.Expr | None:
    return None if day is None else column(_INTERVAL, alias) >= literal(day)


def _before(day: int, alias: str | None = None) -> exp.Expr:
    return column(_INTERVAL, alias) < literal(day)

"""Windowed features: rows rolled up to the stretches between window edges, then added up.

Every window of every date begins and ends at some edge. Rows are first rolled up to one row for
each customer and stretch between two edges; a window is a whole number of stretches, so all
windows are read from the short rollup and the rows are read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from churnkit.timeline.sql.expressions import (
    AS_OF,
    DAY,
    ENTITY,
    Days,
    aliased,
    both,
    column,
    lit,
    step,
    union,
)
from churnkit.timeline.sql.source_rows import named, rows, stretch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.timeline.source_tables import Table
    from churnkit.timeline.sql.partial_aggregates import Measure, Reading

__all__ = ["Windows"]


@dataclass(frozen=True)
class Windows:
    """The windows of one table.

    Parameters
    ----------
    table
        What is read.
    days
        The dates.
    readings
        What the features need, each once, in order; either all count days or none does.
    """

    table: Table
    days: Days
    readings: tuple[Reading, ...]

    @classmethod
    def of(cls, table: Table, days: Days, needed: Iterable[Reading]) -> list[Windows]:
        """Gather what features need of one table.

        Days are counted apart: rows must be rolled up to days first, which would be a detour
        for everything else.
        """
        listed = dict.fromkeys(needed)
        plain = tuple(one for one in listed if one.measure.kind != "days")
        by_day = tuple(one for one in listed if one.measure.kind == "days")
        return [cls(table, days, part) for part in (plain, by_day) if part]

    @property
    def step(self) -> str:
        """The name of the last step."""
        return step(self.table.name, *(["days"] if self._by_day else []), "windows")

    def place(self, reading: Reading) -> str:
        """Name the column of the last step that holds a reading."""
        return f"w{self.readings.index(reading)}"

    def steps(self) -> list[tuple[str, exp.Query]]:
        """Return the steps: by day where days are counted, the rollup, the windows."""
        found: list[tuple[str, exp.Query]] = []
        source: exp.Expr = self._rows().subquery("r")
        name = [self.table.name, *(["days"] if self._by_day else [])]
        if self._by_day:
            found.append((step(*name), self._days()))
            source = named(step(*name), "r")
        rollup = step(*name, "rollup")
        found.append((rollup, self._rollup(source)))
        windows = union([self._at(number, rollup) for number in self.days.numbers])
        found.append((self.step, windows))
        return found

    @property
    def _by_day(self) -> bool:
        return self.readings[0].measure.kind == "days"

    @property
    def _measures(self) -> tuple[Measure, ...]:
        return tuple(dict.fromkeys(reading.measure for reading in self.readings))

    def _name(self, measure: Measure) -> str:
        """Name the column that holds a measure."""
        return f"m{self._measures.index(measure)}"

    @property
    def _bounded(self) -> bool:
        return all(reading.reach is not None for reading in self.readings)

    @property
    def _edges(self) -> list[int]:
        """The days at which a window begins or ends, ascending."""
        edges = {date - reading.lag for date in self.days.numbers for reading in self.readings}
        for reading in self.readings:
            if reading.reach is not None:
                edges |= {date - reading.reach for date in self.days.numbers}
        return sorted(edges)

    def _rows(self) -> exp.Select:
        own = {one.column for one in self._measures if one.column}
        own |= {where.column for one in self._measures for where in one.where}
        edges = self._edges
        found = exp.select("*").from_(rows(self.table, self.days, own).subquery("s"))
        first = exp.GTE(this=column(DAY), expression=lit(edges[0])) if self._bounded else None
        return found.where(both(first, exp.LT(this=column(DAY), expression=lit(edges[-1]))))

    def _days(self) -> exp.Query:
        counts = [aliased(one.of_rows(), self._name(one)) for one in self._measures]
        found = exp.select(column(ENTITY), column(DAY), *counts)
        return found.from_(self._rows().subquery("r")).group_by(column(ENTITY), column(DAY))

    def _rollup(self, source: exp.Expr) -> exp.Query:
        begins = stretch(self._edges)
        measures = [
            aliased(
                one.of_days(self._name(one)) if self._by_day else one.of_rows(), self._name(one)
            )
            for one in self._measures
        ]
        found = exp.select(column(ENTITY), aliased(begins, _STRETCH), *measures)
        return found.from_(source).group_by(column(ENTITY), begins.copy())

    def _at(self, date: int, rollup: str) -> exp.Query:
        """Read all windows of one date."""
        spans = [
            (None if one.reach is None else date - one.reach, date - one.lag)
            for one in self.readings
        ]
        first = min((start for start, _ in spans if start is not None), default=None)
        if not self._bounded:
            first = None
        beyond = max(end for _, end in spans)
        values = [
            aliased(
                one.measure.within(
                    both(
                        None if start in {None, first} else _since(start),
                        None if end == beyond else _before(end),
                    ),
                    self._name,
                ),
                self.place(one),
            )
            for one, (start, end) in zip(self.readings, spans, strict=True)
        ]
        return (
            exp.select(column(ENTITY), aliased(lit(date), AS_OF), *values)
            .from_(named(rollup, "r"))
            .where(both(None if first is None else _since(first), _before(beyond)))
            .group_by(column(ENTITY))
        )


_STRETCH = "ck_stretch"


def _since(day: int | None) -> exp.Expr | None:
    return None if day is None else exp.GTE(this=column(_STRETCH), expression=lit(day))


def _before(day: int) -> exp.Expr:
    return exp.LT(this=column(_STRETCH), expression=lit(day))

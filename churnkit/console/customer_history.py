"""What happened to one customer, from raw tables, and how the risk went."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from churnkit.console.event_text import tell
from churnkit.errors import ChurnkitError
from churnkit.insights.table_layouts import LAYOUTS, find_columns
from churnkit.report.gather import currency_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.bundle.model import RetentionModel

__all__ = ["Event", "History"]

_SHOWN: Final = 60
_DATES: Final = 5
_STEP_DAYS: Final = 30
_DAY: Final = 40


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, once or several times in a row, of which table, in words."""

    at: str
    table: str
    says: str
    since: str
    times: int = 1


class History:
    """Raw tables, looked at by customer.

    Parameters
    ----------
    model
        Its plan, if it has one, makes rows at earlier dates.
    tables
        Paths by name.
    as_of
        The last date that risk is shown for.
    """

    def __init__(self, model: RetentionModel, tables: Mapping[str, Path], as_of: date) -> None:
        self._model = model
        self._tables = dict(tables)
        self._as_of = as_of
        catalogue = model.contents.catalogue
        self._titles = {one.name: one.title for one in catalogue.actions} if catalogue else {}
        self._currency = currency_of(model)
        self._lock = threading.Lock()
        self._read: dict[str, tuple[pa.Table, dict[str, str]]] = {}
        self._risk: list[tuple[date, dict[str, float]]] | None = None

    @property
    def tables(self) -> dict[str, Path]:
        """Where the raw tables are."""
        return dict(self._tables)

    def table(self, name: str) -> tuple[pa.Table, dict[str, str]]:
        """Read a table once, with its customers as text, and find its columns."""
        import pyarrow as pa

        from churnkit.core.io.table_file import read_table

        with self._lock:
            if name not in self._read:
                rows = read_table(self._tables[name])
                found = find_columns(LAYOUTS[name], rows.column_names)
                place = rows.column_names.index(found["customer"])
                text = rows[found["customer"]].cast(pa.string())
                self._read[name] = rows.set_column(place, found["customer"], text), found
            return self._read[name]

    def only(self, customers: Any) -> dict[str, pa.Table]:
        """Give the raw tables of some customers alone."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(customers, pa.string())
        found = {}
        for name in self._tables:
            rows, columns = self.table(name)
            kept = rows.filter(pc.is_in(rows[columns["customer"]], value_set=wanted))
            if kept.num_rows:
                found[name] = kept
        return found

    def events(self, customer: str) -> list[Event]:
        """Give what happened to a customer, the newest first."""
        found = []
        for name in self._tables:
            rows, columns = self.table(name)
            layout = LAYOUTS[name]
            mine = rows.filter(_equal(rows[columns["customer"]], customer))
            for row in mine.to_pylist():
                at = columns[layout.at]
                told = tell(
                    name,
                    {
                        part: row[column]
                        for part, column in columns.items()
                        if part not in {"customer", layout.at}
                    },
                    titles=self._titles,
                    currency=self._currency,
                )
                day = f"{row[at]:%Y-%m-%d}" if isinstance(row[at], date) else str(row[at])[:_DAY]
                found.append(Event(day, name, told, day))
        return _in_runs(sorted(found, key=lambda one: one.at, reverse=True))[:_SHOWN]

    def risk(self, customer: str) -> list[tuple[date, float]]:
        """Give a customer's probability at a few dates, where rows can be made again."""
        return [(day, known[customer]) for day, known in self._dates() if customer in known]

    def _dates(self) -> list[tuple[date, dict[str, float]]]:
        timeline = self._model.contents.timeline
        if timeline is None or not {one.source for one in timeline.tables} <= set(self._tables):
            return []
        with self._lock:
            if self._risk is None:
                self._risk = []
                for step in reversed(range(_DATES)):
                    day = self._as_of - timedelta(days=_STEP_DAYS * step)
                    try:
                        rows = self._model.snapshot(self._tables, as_of=day.isoformat())
                    except ChurnkitError:
                        continue
                    self._risk.append((day, self._scored(rows)))
            return self._risk

    def _scored(self, rows: pa.Table) -> dict[str, float]:
        from churnkit.bundle.entity_ids import entities

        encoded = self._model.encode(rows)
        chance = self._model.probabilities(encoded).tolist()
        return {
            name: one
            for name, one in zip(entities(encoded), chance, strict=True)
            if not math.isnan(one)
        }


def _in_runs(events: list[Event]) -> list[Event]:
    """Tell what came several times in a row once; newest first."""
    runs: list[Event] = []
    for one in events:
        last = runs[-1] if runs else None
        if last is not None and (last.table, last.says) == (one.table, one.says):
            runs[-1] = replace(last, since=one.at, times=last.times + 1)
        else:
            runs.append(one)
    return runs


def _equal(column: pa.ChunkedArray, customer: str) -> Any:
    import pyarrow.compute as pc

    return pc.equal(column, customer)

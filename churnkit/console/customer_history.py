"""Events and past risk of one customer, from raw tables."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from churnkit.bundle.parts.horizons import find_horizons
from churnkit.console.event_text import NO_ACTION, describe_event
from churnkit.errors import ChurnkitError
from churnkit.insights.table_layouts import LAYOUTS, find_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.bundle.model import RetentionModel

__all__ = ["Event", "History"]

_MOST_EVENTS: Final = 60
_DATES: Final = 5
_STEP_DAYS: Final = 30
_LONGEST_TIME: Final = 40


@dataclass(frozen=True, slots=True)
class Event:
    """An event, or several identical events in a row.

    Parameters
    ----------
    at
        Date of the latest.
    table
        Name of the raw table.
    text
        Description.
    since
        Date of the earliest.
    times
        Number of events.
    """

    at: str
    table: str
    text: str
    since: str
    times: int = 1


class History:
    """Raw tables, read by customer.

    Parameters
    ----------
    model
        A trained model; with a timeline it scores customers at past dates.
    tables
        Paths of the raw tables by name.
    as_of
        Latest date of the risk history.
    """

    def __init__(self, model: RetentionModel, tables: Mapping[str, Path], as_of: date) -> None:
        self._model = model
        self._tables = dict(tables)
        self._as_of = as_of
        catalogue = model.contents.catalogue
        self._titles = {a.name: a.title for a in catalogue.actions} if catalogue else {}
        self._currency = find_horizons(model).currency
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[pa.Table, dict[str, str]]] = {}
        self._risk: list[tuple[date, dict[str, float]]] | None = None

    @property
    def tables(self) -> dict[str, Path]:
        """Paths of the raw tables by name."""
        return dict(self._tables)

    def table(self, name: str) -> tuple[pa.Table, dict[str, str]]:
        """Read a table with customer ids as text, and match its columns; cached."""
        import pyarrow as pa

        from churnkit.core.io.table_sources import read_table

        with self._lock:
            if name not in self._cache:
                rows = read_table(self._tables[name])
                columns = find_columns(LAYOUTS[name], rows.column_names)
                position = rows.column_names.index(columns["customer"])
                ids = rows[columns["customer"]].cast(pa.string())
                self._cache[name] = rows.set_column(position, columns["customer"], ids), columns
            return self._cache[name]

    def filter_tables(self, customers: Any, names: Collection[str]) -> dict[str, pa.Table]:
        """Return some of the raw tables with the rows of some customers only."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = pa.array(customers, pa.string())
        tables = {}
        for name in self._tables.keys() & set(names):
            rows, columns = self.table(name)
            selected = rows.filter(pc.is_in(rows[columns["customer"]], value_set=ids))
            if selected.num_rows:
                tables[name] = selected
        return tables

    def events(self, customer: str) -> list[Event]:
        """Return the latest events of a customer, the newest first."""
        import pyarrow.compute as pc

        events = []
        for name in self._tables:
            rows, columns = self.table(name)
            time = columns[LAYOUTS[name].at]
            parts = {
                part: column
                for part, column in columns.items()
                if part != "customer" and column != time
            }
            is_customer = pc.equal(rows[columns["customer"]], customer)
            for row in rows.filter(is_customer).to_pylist():
                text = describe_event(
                    name,
                    {part: row[column] for part, column in parts.items()},
                    titles=self._titles,
                    currency=self._currency,
                )
                at = row[time]
                day = f"{at:%Y-%m-%d}" if isinstance(at, date) else str(at)[:_LONGEST_TIME]
                events.append(Event(day, name, text, day))
        events.sort(key=lambda event: event.at, reverse=True)
        return _merge_repeats(events)[:_MOST_EVENTS]

    def contacts(self) -> dict[str, date]:
        """Return the day of each customer's latest action in the table of treatments."""
        if "treatments" not in self._tables:
            return {}
        rows, columns = self.table("treatments")
        latest: dict[str, date] = {}
        names = (columns["customer"], columns.get("action"), columns[LAYOUTS["treatments"].at])
        values = (rows[name].to_pylist() if name else [None] * len(rows) for name in names)
        for customer, action, at in zip(*values, strict=True):
            day = _to_day(at)
            is_action = str(action or "").strip().lower() not in NO_ACTION
            if day is not None and is_action and day > latest.get(customer, date.min):
                latest[customer] = day
        return latest

    def risk(self, customer: str) -> list[tuple[date, float]]:
        """Return a customer's churn probability at past dates; empty without a timeline."""
        return [(day, scores[customer]) for day, scores in self._dates() if customer in scores]

    def _dates(self) -> list[tuple[date, dict[str, float]]]:
        timeline = self._model.contents.timeline
        if timeline is None or not {name for t in timeline.tables for name in t.sources} <= set(
            self._tables
        ):
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
                    self._risk.append((day, self._scores(rows)))
            return self._risk

    def _scores(self, rows: pa.Table) -> dict[str, float]:
        from churnkit.bundle.entity_ids import entities

        encoded = self._model.encode(rows)
        probabilities = self._model.probabilities(encoded).tolist()
        pairs = zip(entities(encoded), probabilities, strict=True)
        return {customer: p for customer, p in pairs if not math.isnan(p)}


def _to_day(at: Any) -> date | None:
    """Return the date of a time, which an untyped file holds as text."""
    if isinstance(at, datetime):
        return at.date()
    if isinstance(at, date):
        return at
    try:
        return datetime.fromisoformat(str(at)).date()
    except ValueError:
        return None


def _merge_repeats(events: list[Event]) -> list[Event]:
    """Merge identical events in a row; newest first."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if last is not None and (last.table, last.text) == (event.table, event.text):
            merged[-1] = replace(last, since=event.at, times=last.times + 1)
        else:
            merged.append(event)
    return merged

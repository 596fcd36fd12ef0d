"""A draft from raw tables: which rows are events, which last, and what to count of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.scalars import read_date, read_text
from churnkit.core.io.table_file import read_table
from churnkit.core.time import from_microseconds
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import facts_of
from churnkit.pipeline.scaffold.column_roles import are_dates
from churnkit.pipeline.scaffold.key_columns import refuse_unknown
from churnkit.pipeline.scaffold.number_columns import read_numbers

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.pipeline.scaffold.column_profile import Facts

__all__ = ["RawTable", "looks_like_a_log", "read_raw_tables"]

_ENDED = {
    "end", "ended", "closed", "cancelled", "canceled", "expired", "until", "stopped", "terminated",
    "resolved", "finished", "valid",
}  # fmt: skip
_KNOWN = {"available", "known", "loaded", "ingested", "recorded", "synced"}
_LASTING = {"subscription", "subscriptions", "contract", "contracts", "policies", "memberships"}
_MOST_CATEGORIES = 12
# So many rows may hold such a column before its time and still be slips.
_SLIPS = 0.01


@dataclass(frozen=True)
class RawTable:
    """What one raw table was taken for.

    Parameters
    ----------
    name, source
        What the recipe calls it, and its file's name.
    path
        The file.
    entity
        The column that names the customer.
    happened, available, ended
        Columns with times; None where there is none.
    numbers, categories
        Columns that features can be made of; categories with their texts, the frequent first.
    known_at_end
        Columns that are filled in when a row ends.
    revenue
        The column with what a customer pays each period, if one sounds like it.
    rows
        How many rows it has.
    one_each
        Whether it has one row a customer.
    first, last
        Its first and last moment.
    """

    name: str
    source: str
    path: Path
    entity: str
    happened: str
    available: str | None
    ended: str | None
    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    known_at_end: tuple[str, ...]
    revenue: str | None
    rows: int
    one_each: bool
    first: dt.datetime
    last: dt.datetime

    @property
    def is_subscription(self) -> bool:
        """Whether its rows are what a customer pays for while they last."""
        named = bool(set(name_rules.words_of(self.source)) & _LASTING)
        return self.ended is not None and (named or self.revenue is not None)


def looks_like_a_log(facts: Mapping[str, Facts], entity: str) -> bool:
    """Tell whether a table is a log: customers again and again, with times.

    Examples
    --------
    >>> import pyarrow as pa
    >>> who = facts_of("customer_id", pa.chunked_array([["a", "a", "b"]]))
    >>> at = facts_of("at", pa.chunked_array([["2025-01-01", "2025-01-02", "2025-01-03"]]))
    >>> looks_like_a_log({"customer_id": who, "at": at}, "customer_id")
    True
    """
    repeated = facts[entity].distinct < facts[entity].known
    return repeated and any(are_dates(one, iso=True) for one in facts.values())


def read_raw_tables(
    tables: Mapping[str, Path], *, entity: str | None
) -> tuple[tuple[RawTable, ...], tuple[str, ...]]:
    """Read raw tables and tell what each is.

    Parameters
    ----------
    tables
        Files by name.
    entity
        The column that names the customer; guessed if None.

    Returns
    -------
    The tables that a timeline can read, and a note on each of the others.

    Raises
    ------
    ChurnkitError
        If no table says who and when.
    """
    read = {name: _read(path) for name, path in tables.items()}
    facts = {
        name: {column: facts_of(column, table[column]) for column in table.column_names if column}
        for name, table in read.items()
    }
    customer = entity or _shared_entity(facts)
    if entity is not None and not any(entity in columns for columns in facts.values()):
        every = {name: one for columns in facts.values() for name, one in columns.items()}
        refuse_unknown("no table here", every, "--entity", entity)
    found, notes = [], [] if entity else [f"'{customer}' names the customer"]
    for name, columns in facts.items():
        if customer not in columns:
            notes.append(f"table '{name}' is left out: it has no column '{customer}'")
            continue
        table = _raw_table(name, tables[name], columns, customer, read[name])
        if table is None:
            notes.append(f"table '{name}' is left out: it has no column with times in ISO 8601")
        else:
            found.append(table)
    if not found:
        raise ChurnkitError(
            "no table has both a customer and a time that is written YYYY-MM-DD or YYYY-MM-DD "
            f"HH:MM:SS: {'; '.join(notes)}"
        )
    return tuple(found), tuple(notes)


def _read(path: Path) -> pa.Table:
    if path.is_dir():
        import pyarrow.parquet as pq

        return pq.read_table(path)
    return read_table(path)


def _shared_entity(tables: Mapping[str, Mapping[str, Facts]]) -> str:
    """Find the column that names the customer: by its name, in most tables."""
    held = Counter(
        name for columns in tables.values() for name in columns if name_rules.is_customer_id(name)
    )
    best = held.most_common(2)
    if best and (len(best) == 1 or best[0][1] > best[1][1]):
        return best[0][0]
    candidates = sorted({name for columns in tables.values() for name in columns})
    hint = ", ".join(f"'{name}'" for name in ([name for name, _ in best] or candidates)[:8])
    raise ChurnkitError(
        f"no column is known to name the customer in all tables: say which with --entity COLUMN; "
        f"candidates are {hint}"
    )


def _raw_table(
    name: str, path: Path, columns: Mapping[str, Facts], entity: str, table: pa.Table
) -> RawTable | None:
    times = [one.name for one in columns.values() if one.texts and are_dates(one, iso=True)]
    ended = _named(times, _ENDED)
    available = _named([time for time in times if time != ended], _KNOWN)
    begins = [time for time in times if time not in {ended, available}]
    if not begins:
        return None
    happened = min(begins, key=lambda time: (columns[time].missing, times.index(time)))
    moments = [read_date(text) for text in columns[happened].texts]
    span = [_moment(moment) for moment in moments if isinstance(moment, int)]
    told_later = _filled_in_with(table, columns, {*times} - {happened, available})
    others = [
        one
        for one in columns.values()
        if one.name not in {entity, *times, *told_later} and not name_rules.is_label(one.name)
    ]
    numbers = tuple(one.name for one in others if _plain_number(one))
    revenue = next((one for one in numbers if name_rules.is_revenue(one)), None)
    return RawTable(
        name=name_rules.module_name(name),
        source=name,
        path=path,
        entity=entity,
        happened=happened,
        available=available if available and not columns[available].missing else None,
        ended=ended,
        numbers=numbers,
        categories={one.name: _ordered(one) for one in others if _is_category(one)},
        known_at_end=tuple(name for name, time in told_later.items() if time == ended),
        revenue=revenue,
        rows=columns[entity].rows,
        one_each=columns[entity].distinct == columns[entity].known,
        first=min(span),
        last=max(span),
    )


def _filled_in_with(
    table: pa.Table, columns: Mapping[str, Facts], times: set[str]
) -> dict[str, str]:
    """Find columns that are filled in at a later time, such as why a contract ended.

    They are known in the rows that have this time, and hardly ever in the others: a feature that
    reads them would see what happened after its date.
    """
    found: dict[str, str] = {}
    known = {name: _known(table[name]) for name, one in columns.items() if one.missing}
    for time in sorted(times & set(known)):
        there = known[time]
        if not there.any():
            continue
        for name, filled in known.items():
            if name not in times and not filled[~there].mean() > _SLIPS and filled[there].any():
                found.setdefault(name, time)
    return found


def _known(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    values, index = distinct_values(one_array(column))
    known = np.array([read_text(value, lenient=True) != "" for value in values])
    told: NDArray[np.bool_] = known[index]
    return told


def _named(columns: list[str], words: set[str]) -> str | None:
    return next((name for name in columns if set(name_rules.words_of(name)) & words), None)


def _moment(microseconds: int) -> dt.datetime:
    return from_microseconds(microseconds)


def _plain_number(facts: Facts) -> bool:
    """Tell whether a column holds numbers that a timeline reads, and not ids or codes."""
    if facts.kind not in {"text", "number"} or name_rules.is_id(facts.name) or facts.distinct < 2:
        return False
    found = read_numbers(facts)
    return found is not None and not found.settings


def _is_category(facts: Facts) -> bool:
    text = facts.kind == "text" and not _plain_number(facts)
    return text and 2 <= facts.distinct <= _MOST_CATEGORIES and not name_rules.is_id(facts.name)


def _ordered(facts: Facts) -> tuple[str, ...]:
    pairs: list[Any] = sorted(zip(facts.counts.tolist(), facts.texts, strict=True), reverse=True)
    return tuple(text for _, text in pairs)

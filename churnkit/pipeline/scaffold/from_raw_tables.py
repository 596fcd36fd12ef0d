"""Infer the structure of raw tables: customers, times, numbers and categories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import read_date
from churnkit.core.io.table_file import read_table
from churnkit.core.time import from_microseconds
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import holds_dates
from churnkit.pipeline.scaffold.key_columns import refuse_unknown_column
from churnkit.pipeline.scaffold.number_columns import read_numbers
from churnkit.pipeline.training.row_filters import has_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["RawTable", "is_event_log", "read_raw_tables"]

_END_WORDS = {
    "end", "ended", "closed", "cancelled", "canceled", "expired", "until", "stopped", "terminated",
    "resolved", "finished", "valid",
}  # fmt: skip
_AVAILABLE_WORDS = {"available", "known", "loaded", "ingested", "recorded", "synced"}
_SUBSCRIPTION_WORDS = {
    "subscription",
    "subscriptions",
    "contract",
    "contracts",
    "policies",
    "memberships",
}
_MAX_CATEGORIES = 12
# Share of rows that may hold a column before its time, as errors.
_MAX_EARLY_SHARE = 0.01


@dataclass(frozen=True)
class RawTable:
    """Inferred structure of a raw table.

    Parameters
    ----------
    name, source
        Name in the recipe, and name of the file.
    path
        The file.
    entity
        Column of the customer.
    happened, available, ended
        Columns of times; None if missing.
    numbers, categories
        Columns for features; categories with their values, the most frequent first.
    known_at_end
        Columns that are filled in when a row ends.
    revenue
        Column of the revenue per period; None if no name matches.
    rows
        Number of rows.
    is_unique
        True if there is one row per customer.
    first, last
        First and last time.
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
    is_unique: bool
    first: dt.datetime
    last: dt.datetime

    @property
    def is_subscription(self) -> bool:
        """True if rows are subscriptions: they end, and have revenue or a matching name."""
        named = bool(set(name_rules.split_words(self.source)) & _SUBSCRIPTION_WORDS)
        return self.ended is not None and (named or self.revenue is not None)


def is_event_log(profiles: Mapping[str, ColumnProfile], entity: str) -> bool:
    """Return True for an event log: repeated customers, with times.

    Examples
    --------
    >>> import pyarrow as pa
    >>> ids = profile_column("customer_id", pa.chunked_array([["a", "a", "b"]]))
    >>> times = profile_column("at", pa.chunked_array([["2025-01-01", "2025-01-02", "2025-01-03"]]))
    >>> is_event_log({"customer_id": ids, "at": times}, "customer_id")
    True
    """
    repeated = profiles[entity].distinct < profiles[entity].filled
    return repeated and any(holds_dates(profile, iso=True) for profile in profiles.values())


def read_raw_tables(
    tables: Mapping[str, Path], *, entity: str | None
) -> tuple[tuple[RawTable, ...], tuple[str, ...]]:
    """Read raw tables and infer their structure.

    Raises
    ------
    ChurnkitError
        If no table has both a customer and a time.
    """
    read = {name: _read(path) for name, path in tables.items()}
    profiles = {
        name: {
            column: profile_column(column, table[column]) for column in table.column_names if column
        }
        for name, table in read.items()
    }
    customer = entity or _find_entity(profiles)
    if entity is not None and not any(entity in columns for columns in profiles.values()):
        merged = {name: c for columns in profiles.values() for name, c in columns.items()}
        refuse_unknown_column("none of the tables", merged, "--entity", entity)
    raw, notes = [], [] if entity else [f"column of the customer: '{customer}'"]
    for name, columns in profiles.items():
        if customer not in columns:
            notes.append(f"table '{name}' is left out: it has no column '{customer}'")
            continue
        table = _raw_table(name, tables[name], columns, customer, read[name])
        if table is None:
            notes.append(f"table '{name}' is left out: it has no column of times in ISO 8601")
        else:
            raw.append(table)
    if not raw:
        raise ChurnkitError(
            "no table has both a customer and a time written as YYYY-MM-DD or YYYY-MM-DD "
            f"HH:MM:SS: {'; '.join(notes)}"
        )
    return tuple(raw), tuple(notes)


def _read(path: Path) -> pa.Table:
    if path.is_dir():
        import pyarrow.parquet as pq

        return pq.read_table(path)
    return read_table(path)


def _find_entity(tables: Mapping[str, Mapping[str, ColumnProfile]]) -> str:
    """Find the customer's column: an id by name, in the largest number of tables."""
    occurrences = Counter(
        name for columns in tables.values() for name in columns if name_rules.is_customer_id(name)
    )
    best = occurrences.most_common(2)
    if best and (len(best) == 1 or best[0][1] > best[1][1]):
        return best[0][0]
    candidates = sorted({name for columns in tables.values() for name in columns})
    hint = ", ".join(f"'{name}'" for name in ([name for name, _ in best] or candidates)[:8])
    raise ChurnkitError(
        f"no column is recognized as the customer's id in all tables: name it with --entity "
        f"COLUMN; candidates: {hint}"
    )


def _raw_table(
    name: str, path: Path, columns: Mapping[str, ColumnProfile], entity: str, table: pa.Table
) -> RawTable | None:
    times = [c.name for c in columns.values() if c.texts and holds_dates(c, iso=True)]
    ended = _find_named(times, _END_WORDS)
    available = _find_named([time for time in times if time != ended], _AVAILABLE_WORDS)
    starts = [time for time in times if time not in {ended, available}]
    if not starts:
        return None
    happened = min(starts, key=lambda time: (columns[time].missing, times.index(time)))
    dates = [read_date(text) for text in columns[happened].texts]
    span = [from_microseconds(date) for date in dates if isinstance(date, int)]
    filled_later = _filled_at_times(table, columns, {*times} - {happened, available})
    others = [
        column
        for column in columns.values()
        if column.name not in {entity, *times, *filled_later}
        and not name_rules.is_label(column.name)
    ]
    numbers = tuple(column.name for column in others if _is_plain_number(column))
    revenue = next((name for name in numbers if name_rules.is_revenue(name)), None)
    return RawTable(
        name=name_rules.make_module_name(name),
        source=name,
        path=path,
        entity=entity,
        happened=happened,
        available=available if available and not columns[available].missing else None,
        ended=ended,
        numbers=numbers,
        categories={c.name: _by_frequency(c) for c in others if _is_category(c)},
        known_at_end=tuple(name for name, time in filled_later.items() if time == ended),
        revenue=revenue,
        rows=columns[entity].rows,
        is_unique=columns[entity].distinct == columns[entity].filled,
        first=min(span),
        last=max(span),
    )


def _filled_at_times(
    table: pa.Table, columns: Mapping[str, ColumnProfile], times: set[str]
) -> dict[str, str]:
    """Find columns that are filled in at a later time, such as a cancellation reason.

    They have values in rows with that time, and hardly ever in others. A feature that reads them
    would leak the future.
    """
    later: dict[str, str] = {}
    filled = {name: has_text(table[name]) for name, c in columns.items() if c.missing}
    for time in sorted(times & set(filled)):
        has_time = filled[time]
        if not has_time.any():
            continue
        for name, has_value in filled.items():
            if name in times or not has_value[has_time].any():
                continue
            if not has_value[~has_time].mean() > _MAX_EARLY_SHARE:
                later.setdefault(name, time)
    return later


def _find_named(columns: list[str], words: set[str]) -> str | None:
    return next((name for name in columns if set(name_rules.split_words(name)) & words), None)


def _is_plain_number(profile: ColumnProfile) -> bool:
    """Return True for numbers that a timeline reads as they are, other than ids."""
    if (
        profile.kind not in {"text", "number"}
        or name_rules.is_id(profile.name)
        or profile.distinct < 2
    ):
        return False
    numbers = read_numbers(profile)
    return numbers is not None and not numbers.settings


def _is_category(profile: ColumnProfile) -> bool:
    text = profile.kind == "text" and not _is_plain_number(profile)
    return text and 2 <= profile.distinct <= _MAX_CATEGORIES and not name_rules.is_id(profile.name)


def _by_frequency(profile: ColumnProfile) -> tuple[str, ...]:
    pairs: list[Any] = sorted(
        zip(profile.counts.tolist(), profile.texts, strict=True), reverse=True
    )
    return tuple(text for _, text in pairs)

"""Read raw tables and infer their structure: customers, times, numbers and categories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from churnkit.core.loader_columns import is_loader_column
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_values import holds_personal_data
from churnkit.pipeline.scaffold.leakage.tenure_columns import durations_until_end
from churnkit.pipeline.scaffold.raw.tables.column_format import (
    ColumnFormat,
    describe_unread,
    number_formats,
    time_format,
)
from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable, RawTables
from churnkit.pipeline.scaffold.raw.tables.row_times import (
    choose_times,
    describe_possible_ends,
    ends_customer,
    filled_at_times,
    find_leaving,
    find_series,
)
from churnkit.pipeline.scaffold.raw.tables.table_keys import (
    CustomerKeys,
    NoCustomerError,
    find_customers,
)
from churnkit.pipeline.scaffold.raw.tables.table_reader import (
    describe_repeats,
    read_raw,
    without_repeats,
    without_values,
)
from churnkit.timeline.source_tables import TEXT_FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["are_joinable", "read_raw_tables"]

_DURATION = (
    "is the time from '{happened}' to '{ended}', or to the export for rows without one, and so shows "
    "the end at earlier dates; the feature Tenure is that time at each date"
)
# Columns whose value may change after the row.
_MUTABLE = {"status", "stage"}
# Placeholders for columns that a draft asks for.
_MISSING_TIME, _MISSING_CUSTOMER = "date", "customer_id"
_JOIN = (
    "all tables have one row per customer: run churnkit init on one of them (FILE#TABLE names a table or "
    "sheet), or on a folder with a file for each, with the customer's id under one name in each; or, for "
    "a timeline, "
)
_MIN_CODES = 10
# Share of distinct values of the ids of a table's own rows, of which a few are repeated.
_MIN_OWN_IDS = 0.9
_MAX_CATEGORIES = 12
_MAX_COLUMNS, _MAX_STATES = 6, 60


def read_raw_tables(tables: Mapping[str, Path], *, entity: str | None) -> RawTables:
    """Read raw tables and infer their structure.

    A customer or time that is unknown is a question, and the largest table has a placeholder.

    Raises
    ------
    ChurnkitError
        If a table cannot be read, or has no column of `entity`.
    """
    read_with_markers = {name: read_raw(path) for name, path in tables.items()}
    read = {name: table for name, (table, _) in read_with_markers.items()}
    profiles = {
        name: {
            column: profile_column(column, table[column]) for column in table.column_names if column
        }
        for name, table in read.items()
    }
    times = {
        name: {
            column: form
            for column, profile in columns.items()
            if (form := time_format(profile)) is not None
        }
        for name, columns in profiles.items()
    }
    for name, forms in times.items():
        for column, form in forms.items():
            if form.open:
                read[name] = without_values(read[name], column, set(form.open))
                profiles[name][column] = profile_column(column, read[name][column])
    for name, columns in profiles.items():
        read[name], profiles[name] = _without_repeats(read[name], columns, dated=bool(times[name]))
    keys, question = _find_customers(profiles, times, entity)
    notes = [] if entity else [_describe_customer(keys)]
    notes += (*keys.links, *keys.notes, *describe_repeats(read_with_markers, read, times))
    as_text = _has_mixed_ids(keys, profiles)
    table_names = name_rules.make_table_names(profiles)
    raw: dict[str, RawTable] = {}
    # Tables with their own customer come first: others may look up their times.
    for name in sorted(profiles, key=lambda name: len(keys.lookups.get(name, (0,) * 9))):
        if name not in keys.columns:
            notes.append(keys.describe_left_out(name))
            continue
        table, reasons = _raw_table(
            name, tables[name], profiles[name], times[name], keys=keys, table=read[name]
        )
        notes += reasons
        markers = tuple(sorted({*table.missing, *read_with_markers[name][1]}))
        table = replace(table, name=table_names[name], missing=markers)
        table = _with_begin_of_customer(_with_time_of_parent(table, keys, raw), keys, raw)
        if as_text:
            table = replace(table, formats=table.formats | {table.entity: TEXT_FORMAT})
        raw[name] = table
    kept = [raw[name] for name in profiles if name in raw]
    usable = [table for table in kept if table.happened is not None or table.is_unique]
    notes += [
        f"table '{table.source}' is left out: it has several rows per customer and no times"
        for table in kept
        if table not in usable
    ]
    if kept and kept[0].entity not in kept[0].profiles and not kept[0].lookups:
        usable = [replace(kept[0], happened=kept[0].happened or _MISSING_TIME)]
    elif not any(table.happened for table in usable):
        # A column of this name is to be added, or another one to be named.
        largest = max(kept, key=lambda table: (not table.lookups, table.rows))
        notes = [note for note in notes if f"table '{largest.source}' is left out" not in note]
        usable = [replace(largest, happened=_MISSING_TIME, is_unique=False)]
        is_single = len(kept) > 1 and all(table.is_unique for table in kept)
        question = question or (_JOIN if is_single else "") + _ask_for_times(usable[0])
    sources = {source for table in usable for source in table.declaration().sources}
    paths = {name: path for name, path in tables.items() if name in sources}
    return RawTables(tuple(usable), paths, keys, tuple(notes), question, profiles)


def _without_repeats(
    table: pa.Table, columns: dict[str, ColumnProfile], *, dated: bool
) -> tuple[pa.Table, dict[str, ColumnProfile]]:
    """Drop rows that repeat another in all columns; with times only if an id is then unique.

    Rows of a log may be equal; those of a table with an id of its own are errors.
    """
    ids = [name for name in columns if name_rules.is_id(name)]
    if dated and not any(
        _MIN_OWN_IDS * columns[c].filled <= columns[c].distinct < columns[c].filled for c in ids
    ):
        return table, columns
    distinct = without_repeats(table)
    profiles = {name: profile_column(name, distinct[name]) for name in columns}
    if dated and not any(_is_unique(profiles[name]) for name in ids):
        return table, columns
    return distinct, profiles


def are_joinable(raw: RawTables) -> bool:
    """Return True for several tables with one row per customer and no times."""
    return raw.question.startswith(_JOIN)


def _find_customers(
    profiles: Mapping[str, Mapping[str, ColumnProfile]],
    times: Mapping[str, Mapping[str, ColumnFormat]],
    entity: str | None,
) -> tuple[CustomerKeys, str]:
    """Find the customers, or take a column in their place and ask for the right one."""
    dated = {name: set(each) for name, each in times.items()}
    try:
        return find_customers(profiles, dated, entity), ""
    except NoCustomerError as error:
        codes = [
            profile
            for name, columns in profiles.items()
            for profile in columns.values()
            if profile.kind == "text" and profile.distinct >= _MIN_CODES
            if profile.name not in dated[name]
        ]
        if not codes:
            largest = max(profiles, key=lambda name: max(c.rows for c in profiles[name].values()))
            place = CustomerKeys({largest: _MISSING_CUSTOMER}, {largest: ()}, (), (), {})
            return place, f"'{_MISSING_CUSTOMER}' stands in for the customer's id: {error}"
        chosen = max(codes, key=lambda profile: profile.distinct).name
        question = (
            f"'{chosen}' stands in for the customer's id: {error}; or delete todo if it is right"
        )
        return find_customers(profiles, dated, chosen), question


def _ask_for_times(table: RawTable) -> str:
    counts = [
        name
        for name in table.profiles
        if set(name_rules.split_words(name)) & {"day", "days", "week", "month", "number", "dow"}
    ]
    hint = f" ('{counts[0]}' counts, and is no date)" if counts else ""
    return (
        f"no table has both a customer and a date or time{hint}: add the date of each row to "
        f"'{table.source}', as YYYY-MM-DD in a column '{_MISSING_TIME}', and run churnkit init again; "
        "or name the column in happened= of the recipe, and delete todo"
    )


def _describe_customer(keys: CustomerKeys) -> str:
    direct = {table: c for table, c in keys.columns.items() if not keys.lookups[table]}
    names = f"'{next(iter(direct.values()))}'"
    if len(set(direct.values())) > 1:
        names = ", ".join(f"'{column}' of {table}" for table, column in direct.items())
    others = ", ".join(f"--entity {name}" for name in keys.others[:3])
    return f"column of the customer: {names}" + (f" (or {others})" if others else "")


def _has_mixed_ids(keys: CustomerKeys, profiles: Mapping[str, Mapping[str, ColumnProfile]]) -> bool:
    """Return True if ids are text in some tables and numbers in others, or have fractions."""
    kinds, fractions = set(), False
    for table, column in keys.columns.items():
        source = keys.lookups[table][-1].source if keys.lookups[table] else table
        profile = profiles[source].get(column)
        if profile is None:
            continue
        kinds.add(profile.kind)
        fractions |= any(text.endswith(".0") for text in profile.texts[:1_000])
    return len(kinds) > 1 or fractions


def _raw_table(
    name: str,
    path: Path,
    columns: Mapping[str, ColumnProfile],
    times: Mapping[str, ColumnFormat],
    *,
    keys: CustomerKeys,
    table: pa.Table,
) -> tuple[RawTable, list[str]]:
    """Infer the structure of one table, with notes."""
    happened, available, ended, late = choose_times(table, columns, times)
    leaving = find_leaving(table, keys.columns[name], times, happened, ended)
    if leaving is not None:
        happened, ended = leaving[0], None
    series = find_series(table, keys.columns[name], columns, list(times))
    if series is not None:
        happened, available, ended = series, None, None
    filled_later = filled_at_times(table, columns, {*times} - {happened, available})
    entity, lookups = keys.columns[name], keys.lookups[name]
    links = {lookup.key for lookup in keys.parents.get(name, ())}
    # Keys by which other tables find their customers: names of rows, such as phone numbers.
    found_by = {
        lookup.to or lookup.key
        for lookups_of in (*keys.lookups.values(), *keys.parents.values())
        for lookup in lookups_of
        if lookup.source == name
    }
    usable = _usable_columns(columns, {entity, *times, *filled_later, *links, *found_by})
    numbers, refused = number_formats(usable)
    if happened and ended:
        start, end = ((time, times[time].written) for time in (happened, ended))
        plain = [column for column, form in numbers.items() if not form.written]
        for column in durations_until_end(table, plain, start=start, end=end):
            del numbers[column], usable[column]
            refused[column] = _DURATION.format(happened=happened, ended=ended)
    unclear = [
        c
        for c, p in usable.items()
        if not {c} & {*numbers, *refused} and p.distinct > _MAX_CATEGORIES
    ]
    most = _MAX_COLUMNS if series is None else _MAX_STATES
    numbers = dict(list(numbers.items())[:most])
    categories = {
        c: _by_frequency(p)
        for c, p in usable.items()
        if p.kind == "text" and c not in numbers and p.distinct <= _MAX_CATEGORIES
    }
    own_times = {c: times[c] for c in (happened, available, ended) if c}
    used = numbers | own_times
    is_unique = _is_unique(columns.get(entity)) and not lookups
    unread = [c for c in times if c not in own_times and columns[c].missing and is_unique]
    notes = [f"table '{name}': {note}" for note in late]
    notes += [f"column '{c}' of '{name}' is left out: it {why}" for c, why in refused.items()]
    notes += [text for c, form in used.items() for text in _describe_format(name, c, form)]
    notes += describe_unread(name, columns, unclear, required=(entity, happened))
    notes += describe_possible_ends(name, table, times, happened, unread)
    missing = {text for form in used.values() for text in form.missing if "'" not in text}
    raw = RawTable(
        name=name,
        source=name,
        path=path,
        entity=entity,
        happened=happened,
        available=available if available and not columns[available].missing else None,
        ended=ended,
        numbers=tuple(numbers),
        categories=dict(list(categories.items())[:most]),
        flags=tuple(c for c, p in usable.items() if p.kind == "boolean")[:most],
        known_at_end=tuple(c for c, time in filled_later.items() if time == ended),
        revenue=next((c for c in numbers if name_rules.is_revenue(c)), None),
        rows=table.num_rows,
        is_unique=is_unique,
        lookups=lookups,
        formats={c: form.written for c, form in used.items() if form.written},
        missing=tuple(sorted(missing)),
        profiles=dict(columns),
        signed=_find_signed(columns, numbers) if series is None else None,
        is_series=series is not None,
        leaving=leaving[1] if leaving is not None and series is None else None,
    )
    return raw, notes


def _is_unique(column: ColumnProfile | None) -> bool:
    return column is not None and column.distinct == column.filled


def _usable_columns(
    columns: Mapping[str, ColumnProfile], others: set[str]
) -> dict[str, ColumnProfile]:
    """Select the columns that may be features."""
    return {
        column: profile
        for column, profile in columns.items()
        if column not in others
        and name_rules.is_label(column) < 2
        and not holds_personal_data(profile)
        and not name_rules.is_id(column)
        and not is_loader_column(column)
        and not set(name_rules.split_words(column)) & _MUTABLE
        and profile.distinct > 1
    }


def _describe_format(table: str, column: str, form: ColumnFormat) -> list[str]:
    where = f"column '{column}' of '{table}'"
    unit = f" in {form.unit}" if form.unit else ""
    written = [f"{where} is read as {form.written}{unit}"] if form.written else []
    return written + ([f"{where}: {form.review}"] if form.review else [])


def _with_time_of_parent(
    table: RawTable, keys: CustomerKeys, others: Mapping[str, RawTable]
) -> RawTable:
    """Take the time of rows without one from the table that they belong to."""
    if table.happened is not None or table.is_unique:
        return table
    for lookup in (*table.lookups, *keys.parents.get(table.source, ())):
        parent = others.get(lookup.source)
        if parent is None or parent.happened is None or parent.happened in table.profiles:
            continue
        if parent.is_unique and lookup.to == parent.entity:
            # The time of a customer, such as of the sign-up, is not that of the customer's rows.
            continue
        if parent.lookups and not set(parent.lookups) <= set(table.lookups):
            continue
        lookups = table.lookups if lookup in table.lookups else (lookup, *table.lookups)
        formats, name = dict(table.formats), parent.happened
        if name in parent.formats:
            formats[name] = parent.formats[name]
        missing = tuple(sorted({*table.missing, *parent.missing}))
        return replace(table, happened=name, lookups=lookups, formats=formats, missing=missing)
    return table


def _with_begin_of_customer(
    table: RawTable, keys: CustomerKeys, others: Mapping[str, RawTable]
) -> RawTable:
    """Take the begin of rows that have an end only, one for each customer, from the customers.

    Rows without that end, such as active subscriptions, have no time of their own.
    """
    ended = table.happened
    if ended is None or table.ended or not table.is_unique or not table.profiles[ended].missing:
        return table
    if not ends_customer(ended):
        return table
    for lookup in keys.parents.get(table.source, ()):
        parent = others.get(lookup.source)
        if parent is None or not parent.is_unique or lookup.key != table.entity:
            continue
        if parent.happened is None or parent.ended or parent.happened in table.profiles:
            continue
        formats, name = dict(table.formats), parent.happened
        if name in parent.formats:
            formats[name] = parent.formats[name]
        missing = tuple(sorted({*table.missing, *parent.missing}))
        return replace(
            table, happened=name, ended=ended, lookups=(lookup,), formats=formats, missing=missing
        )
    return table


def _find_signed(
    columns: Mapping[str, ColumnProfile], numbers: Mapping[str, ColumnFormat]
) -> str | None:
    """Find the quantity or amount whose few negative values are returns or refunds."""
    for name, form in numbers.items():
        words = set(name_rules.split_words(name))
        if form.written or not words & {
            "quantity",
            "qty",
            "amount",
            "units",
            "total",
            "pieces",
            "menge",
        }:
            continue
        profile = columns[name]
        negative = profile.rows_with({text for text in profile.texts if text.startswith("-")})
        if 0 < negative < 0.3 * profile.filled:
            return name
    return None


def _by_frequency(profile: ColumnProfile) -> tuple[str, ...]:
    pairs: list[Any] = sorted(
        zip(profile.counts.tolist(), profile.texts, strict=True), reverse=True
    )
    return tuple(text for _, text in pairs)

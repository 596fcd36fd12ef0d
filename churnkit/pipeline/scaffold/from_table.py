"""Draft a project from one table with a row per customer, or per customer and date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.contracts.parsing.arrow_columns import number_rows
from churnkit.contracts.parsing.scalars import NOT_READABLE, is_text, read_boolean
from churnkit.contracts.validation.labels import encode_label
from churnkit.core.io.formats.excel import choose_sheets, describe_sheet
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.locations import parse_location
from churnkit.core.io.table_sources import open_rows, open_source, read_all
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import profile_column, refuse_unknown_column
from churnkit.pipeline.scaffold.column_roles import DraftColumn, draft_column
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.keys.entity_column import (
    ROW,
    compile_keys,
    find_entity,
    find_row_key,
    numbered_rows,
)
from churnkit.pipeline.scaffold.keys.label_column import (
    describe_label,
    draft_label,
    find_label,
    list_names,
)
from churnkit.pipeline.scaffold.number_columns import decimal_sign, read_numbers
from churnkit.pipeline.training.row_filters import describe_left_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from churnkit.core.io.table_sources import Source
    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.keys.entity_column import RowKey

__all__ = ["TableDraft", "draft_table", "find_log_entity"]

_MIN_CUSTOMERS = 20


@dataclass(frozen=True)
class TableDraft:
    """Inferred schema of a table.

    Parameters
    ----------
    columns
        Inferred columns, in the table's order.
    leave_out
        Rows to leave out of training; see `churnkit.pipeline.Recipe`.
    reading
        Topics and sentences about how the table was read.
    """

    columns: tuple[DraftColumn, ...]
    leave_out: tuple[str, ...]
    reading: tuple[tuple[str, str], ...]


def draft_table(
    path: Path, *, entity: str | None, label: str | None, positive: str | None
) -> tuple[TableDraft, pa.Table]:
    """Read a table and infer the roles of its columns.

    Raises
    ------
    ChurnkitError
        If the file cannot be read or has no rows or no header, or an option is wrong.
    """
    file = open_rows(open_source(path))
    table = read_all(file)
    if not table.num_rows:
        raise ChurnkitError(f"{path} has a header and no rows: name a file with customers")
    profiles = {
        name: profile_column(name, table[name])
        for name in table.column_names
        if name.strip() and is_text(name)
    }
    _refuse_no_header(path.name, profiles)
    for option, name in (("--entity", entity), ("--label", label)):
        if name is not None and not (option == "--entity" and name == ROW):
            refuse_unknown_column(path.name, profiles, option, name)
    columns = _draft_columns(file, profiles, entity=entity, label=label, positive=positive)
    table = number_rows(table, compile_keys(columns).entity)
    key = find_row_key(columns, table, profiles)
    reading = (
        ("file", _describe_file(path, file, table)),
        ("rows", _describe_rows(key)),
        *_describe_columns(key.columns, key.kept, profiles),
    )
    return TableDraft(key.columns, tuple(key.left_out), reading), table


def _refuse_no_header(table: str, profiles: Mapping[str, ColumnProfile]) -> None:
    """Refuse a file whose first line is a customer: it has numbers above columns of numbers."""
    numeric = [
        name
        for name, profile in profiles.items()
        if profile.kind == "text" and _reads_as_number(profile)
    ]
    headers = [name for name in numeric if name.strip().replace(".", "", 1).isdecimal()]
    if headers and len(headers) == len(numeric):
        raise ChurnkitError(
            f"{table} has no header: its first line has numbers where the columns have numbers; "
            "add a line with the names of the columns"
        )


def _reads_as_number(profile: ColumnProfile) -> bool:
    try:
        return read_numbers(profile) is not None
    except Exception:  # noqa: BLE001 - a column of mixed units is no column of plain numbers
        return False


def _draft_columns(
    file: Source,
    profiles: Mapping[str, ColumnProfile],
    *,
    entity: str | None,
    label: str | None,
    positive: str | None,
) -> tuple[DraftColumn, ...]:
    """Draft each column, the customer and the label by their own rules."""
    outcome, question = (label, "") if label else find_label(profiles)
    others = {name: profile for name, profile in profiles.items() if name != outcome}
    customer, review = (entity, "") if entity else find_entity(others)
    keys: dict[str, DraftColumn] = {}
    if outcome is not None:
        keys[outcome] = draft_label(file.name, profiles[outcome], positive)
        if question:
            question = f"{question}; is it '{outcome}'?"
            if "todo" in keys[outcome].settings:
                question += f" Then {keys[outcome].settings['todo']}"
            settings = {**keys[outcome].settings, "todo": question}
            keys[outcome] = DraftColumn(outcome, keys[outcome].type, "label", settings)
    if customer in profiles:
        keys[str(customer)] = DraftColumn(str(customer), "str", "entity", review=review)
    plain = [p for name, p in profiles.items() if name not in keys and detect_dates(p) is None]
    delimiter, decimal = file.dialect.delimiter if file.dialect else ",", decimal_sign(plain)
    columns = [
        keys.get(name) or draft_column(profile, delimiter=delimiter, decimal=decimal)
        for name, profile in profiles.items()
    ]
    if customer not in profiles:
        columns.insert(0, numbered_rows(review or "rows are numbered from 0"))
    if outcome is None:
        columns.append(DraftColumn("churned", "bool", "label", {"todo": question}))
    return tuple(columns)


def _describe_file(path: Path, file: Source, table: pa.Table) -> str:
    """Describe the format of the file, and what is not read."""
    parts = [f"{table.num_rows:,} rows of {len(file.columns)} columns"]
    if file.dialect is not None:
        remark = "" if file.dialect.is_certain else " (assumed; state it with --csv-encoding)"
        if file.dialect.is_stated:
            remark = " (as stated; state it for train and score too)"
        parts += [f"{file.dialect}{remark}", *file.dialect.notes]
    return "; ".join([*parts, *_describe_sheets(path)])


def _describe_sheets(path: Path) -> list[str]:
    """Name the sheets of a workbook, and the rows that are not read."""
    location = parse_location(path)
    if not location.is_local or kind_of(location.text) != "excel":
        return []
    name = str(location)
    sentences = []
    for sheet in choose_sheets(location.path, location.part, name=name):
        notes = describe_sheet(location.path, sheet, name=name).sentences()
        sentences.append(f"sheet '{sheet}'" + (f" ({', '.join(notes)})" if notes else ""))
    return sentences


def _describe_rows(key: RowKey) -> str:
    customers = len(key.kept[compile_keys(key.columns).entity.name].unique())
    text = f"{customers:,} customers, {key.note}" if key.is_panel else key.note
    left_out = [s.removeprefix("left out: ") for s in describe_left_out(dict(key.left_out))]
    return f"{text}; left out: {', '.join(left_out)}" if left_out else text


def _describe_columns(
    columns: Sequence[DraftColumn], kept: pa.Table, profiles: Mapping[str, ColumnProfile]
) -> list[tuple[str, str]]:
    """Describe the roles, formats and omissions, one topic each."""
    by_role: dict[str, list[DraftColumn]] = {}
    for column in columns:
        by_role.setdefault(column.role, []).append(column)
    customer, outcome = by_role["entity"][0], by_role["label"][0]
    rows = [
        ("customer", f"'{customer.name}'" + (f"; {customer.review}" if customer.review else ""))
    ]
    if "todo" not in outcome.settings:
        labels, _ = encode_label(compile_keys(columns), kept)
        rows.append(("label", describe_label(outcome, int(labels.sum()), len(labels))))
    formats: dict[str, list[str]] = {}
    for column in by_role.get("feature", ()):
        written, unit = column.settings.get("written"), column.settings.get("unit")
        if written or unit:
            formats.setdefault(" ".join(filter(None, (unit, written))), []).append(column.name)
    dated: dict[str, list[str]] = {}
    for column in columns:
        dates = detect_dates(profiles[column.name]) if column.name in profiles else None
        if dates is not None and column.role in {"as_of", "ignore", "label"}:
            other = f" or {dates.other}" if dates.other else ""
            dated.setdefault(f"{dates}{other}", []).append(column.name)
    rows += [("numbers", f"{name}: {list_names(names)}") for name, names in formats.items()]
    rows += [("dates", f"{name}: {list_names(names)}") for name, names in dated.items()]
    return [*rows, ("features", f"{len(by_role.get('feature', ()))} columns")]


def _is_outcome(profile: ColumnProfile) -> bool:
    """Return True for a column that records the outcome, by its name and two values."""
    rating = name_rules.is_label(profile.name)
    # The kind of an event has a name that a label may have, and other values.
    codes = [read_boolean(text, lenient=True) for text in profile.texts[:3]]
    is_flag = 0 < len(codes) <= 2 and not any(code is NOT_READABLE for code in codes)
    return rating == 2 or (rating == 1 and is_flag)


def find_log_entity(path: Path, entity: str | None) -> str | None:
    """Return the customer of an event log: repeated customers, times, and no label.

    None for other files; empty if raw tables find the customer by its name. In a file without a
    header the customer is the first column of repeated values that are no times.
    """
    from churnkit.pipeline.scaffold.raw.raw_table import is_event_log
    from churnkit.pipeline.scaffold.raw.table_keys import is_customer_name

    file = open_rows(open_source(path))
    table = read_all(file)
    profiles = {name: profile_column(name, table[name]) for name in table.column_names if name}
    if any(_is_outcome(profile) for profile in profiles.values()):
        return None
    customers = [entity] if entity else [name for name in profiles if is_customer_name(name)]
    if any(name in profiles and is_event_log(profiles, name) for name in customers):
        return ""
    if file.dialect is None or file.dialect.has_header or entity:
        return None
    first = next((c for c in profiles.values() if not detect_dates(c)), None)
    is_log = (
        first is not None
        and first.distinct >= _MIN_CUSTOMERS
        and is_event_log(profiles, first.name)
    )
    return first.name if first is not None and is_log else None

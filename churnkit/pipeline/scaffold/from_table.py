"""Draft a project from one table with a row per customer, or per customer and date."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.parsing.arrow_columns import complete_keys, is_text_type
from churnkit.contracts.parsing.scalars import is_text
from churnkit.contracts.validation.labels import encode_label
from churnkit.core.io.formats.excel import choose_sheets, describe_sheet
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.locations import parse_location
from churnkit.core.io.table_sources import (
    concatenate,
    describe_join,
    open_rows,
    open_source,
    read_all,
)
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_profile import profile_column, refuse_unknown_column
from churnkit.pipeline.scaffold.column_roles import DraftColumn, draft_column, ignored
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.keys.date_features import draft_date_features
from churnkit.pipeline.scaffold.keys.entity_column import (
    ROW,
    compile_keys,
    find_entity,
    find_panel_entity,
    find_row_key,
    numbered_rows,
)
from churnkit.pipeline.scaffold.keys.label_column import describe_constant, find_label, list_names
from churnkit.pipeline.scaffold.keys.label_draft import describe_label, draft_label
from churnkit.pipeline.scaffold.leakage.export_columns import find_export_columns
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS, decimal_sign, read_numbers
from churnkit.pipeline.training.data.row_filters import describe_left_out, has_text, leave_out_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from churnkit.core.io.table_sources import Source
    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.keys.entity_column import RowKey

__all__ = ["TableDraft", "draft_table"]

_MIN_HEADER = 2
# Columns named by numbers or ids, from which they may be customers.
_MIN_TRANSPOSED = 20
_NUMBERED = re.compile(r"[^\W\d]*[ -]?[0-9][\w.-]*")
_MAX_UNNAMED = 0.05
_EXPONENT = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+")
_ROUNDED = (
    "the ids are numbers with an exponent, such as 4.9E+11, or of more than 15 digits, as spreadsheets round them, "
    "and may have lost digits: export the column as text, and delete todo if they have not"
)
_EXACT_DIGITS = 15


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
    path: Path, *, entity: str | None, label: str | None, positive: Sequence[str]
) -> tuple[TableDraft, pa.Table]:
    """Read a table and infer the roles of its columns.

    Raises
    ------
    ChurnkitError
        If the file cannot be read or has no rows or no header, or an option is wrong.
    """
    file = open_rows(open_source(path, entity=entity))
    table = read_all(file)
    if not table.num_rows:
        raise ChurnkitError(f"{path} has a header and no rows: name a file with customers")
    _refuse_transposed(path.name, file, table)
    _refuse_repeated_header(path.name, table)
    profiles = {
        name: profile_column(name, table[name])
        for name in table.column_names
        if name.strip() and is_text(name)
    }
    _refuse_no_header(path.name, profiles)
    profiles = _without_unnamed(profiles, table, entity)
    for option, name in (("--entity", entity), ("--label", label)):
        if name is not None and not (option == "--entity" and name == ROW):
            refuse_unknown_column(path.name, profiles, option, name)
    columns = _draft_columns(file, profiles, table, entity=entity, label=label, positive=positive)
    table = complete_keys(table, compile_keys(columns))
    key = _without_export_columns(find_row_key(columns, table, profiles), profiles)
    key = _with_dates(key, table, profiles)
    reading = (
        ("file", _describe_file(path, file, table)),
        *(("joined", text) for text in [describe_join(path, entity)] if text),
        ("rows", _describe_rows(key)),
        *_describe_columns(key.columns, key.kept, profiles),
    )
    return TableDraft(key.columns, tuple(key.left_out), reading), table


def _without_unnamed(
    profiles: dict[str, ColumnProfile], table: pa.Table, entity: str | None
) -> dict[str, ColumnProfile]:
    """Profile the columns without the few rows that have no customer, such as totals."""
    customer = entity or find_entity(profiles)[0]
    profile = profiles.get(str(customer))
    if profile is None or not 0 < profile.missing <= _MAX_UNNAMED * profile.rows:
        return profiles
    named = table.filter(pa.array(has_text(table[profile.name])))
    return {name: profile_column(name, named[name]) for name in profiles}


def _refuse_repeated_header(name: str, table: pa.Table) -> None:
    """Refuse rows that repeat the header, as files that were appended to each other have."""
    texts = [
        column
        for column in table.column_names
        if column.strip() and is_text_type(table[column].type)
    ]
    if len(texts) < max(_MIN_HEADER, table.num_columns - 1):
        return
    repeated = np.ones(table.num_rows, dtype=bool)
    for column in texts:
        equal = pc.fill_null(
            pc.equal(pc.utf8_trim_whitespace(table[column]), column.strip()), False
        )
        repeated &= np.asarray(equal)
        if not repeated.any():
            return
    rows = np.flatnonzero(repeated)
    raise ChurnkitError(
        f"{name} repeats its header in {len(rows):,} rows, the first of them row {rows[0] + 1:,} below "
        "the header: remove these rows"
    )


def _refuse_transposed(name: str, file: Source, table: pa.Table) -> None:
    """Refuse a table whose columns are customers: its first column has the names of fields."""
    fields = file.columns if file.dialect is None else file.dialect.fields
    is_wide = len(fields) > max(_MIN_TRANSPOSED, table.num_rows)
    if not is_wide or not all(map(_NUMBERED.fullmatch, fields[1:])):
        return
    # A column without a name is not read otherwise.
    first = concatenate(list(file.batches([fields[0]])))[fields[0]]
    names = [str(value).strip() for value in first.to_pylist()]
    labels = [text for text in names if name_rules.is_label(text) > 1]
    if labels and len(set(names)) == len(names):
        raise ChurnkitError(
            f"{name} has a row for each field, such as '{labels[0]}', and a column for each customer: "
            "transpose it, so that each row is a customer (in a spreadsheet copy it, and paste it "
            "transposed; in pandas table.T)"
        )


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
    table: pa.Table,
    *,
    entity: str | None,
    label: str | None,
    positive: Sequence[str],
) -> tuple[DraftColumn, ...]:
    """Draft each column, the customer and the label by their own rules."""
    outcome, question = (label, "") if label else find_label(profiles)
    # Another column is no label in place of one whose customers all have the same outcome.
    if question and (constant := describe_constant(profiles)):
        raise ChurnkitError(
            f"{file.name}: {constant}; if another column is the label, name it with --label"
        )
    others = {name: profile for name, profile in profiles.items() if name != outcome}
    customer, review = (entity, "") if entity else find_entity(others)
    if customer is None and (customer := find_panel_entity(others, table)):
        review = "assumed to be the customer's id: a date tells its rows apart"
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
        ids = profiles[str(customer)]
        is_inexact = _is_inexact(file, table[ids.name])
        rounded = any(map(_EXPONENT.fullmatch, ids.texts)) or (
            is_inexact and any(len(text) > _EXACT_DIGITS for text in ids.texts)
        )
        todo = {"todo": _ROUNDED} if rounded else {}
        keys[str(customer)] = DraftColumn(str(customer), "str", "entity", todo, review)
    plain = [p for name, p in profiles.items() if name not in keys and detect_dates(p) is None]
    delimiter, decimal = file.dialect.delimiter if file.dialect else ",", decimal_sign(plain)
    columns = [
        keys.get(name) or draft_column(profile, delimiter=delimiter, decimal=decimal)
        for name, profile in profiles.items()
    ]
    if customer not in profiles:
        columns.insert(0, numbered_rows(review or "rows are numbered from 0"))
    if outcome is None:
        name = "churned"
        while name in profiles:
            name += "_label"
        columns.append(DraftColumn(name, "bool", "label", {"todo": question}))
    return tuple(columns)


def _is_inexact(file: Source, column: pa.ChunkedArray) -> bool:
    """Return True for numbers of which spreadsheets and floating numbers keep 15 digits."""
    is_integer = pa.types.is_integer(column.type) and kind_of(file.name) == "excel"
    return is_integer or pa.types.is_floating(column.type)


def _with_dates(key: RowKey, table: pa.Table, profiles: Mapping[str, ColumnProfile]) -> RowKey:
    """Draft dates as features, unless rows of a customer differ in nothing else."""
    columns = draft_date_features(key.columns, key.kept, profiles)
    contract = compile_keys(columns)
    kept, _ = leave_out_rows(contract, complete_keys(table, contract), list(key.left_out))
    return key if kept.num_rows > key.kept.num_rows else replace(key, columns=columns)


def _without_export_columns(key: RowKey, profiles: Mapping[str, ColumnProfile]) -> RowKey:
    """Leave out columns that show the outcome because the table was exported after it."""
    outcome = next(column for column in key.columns if column.role == "label")
    if key.is_panel or "todo" in outcome.settings:
        return key
    labels, _ = encode_label(compile_keys(key.columns), key.kept)
    found = find_export_columns(key.kept, key.columns, profiles, labels == 1)
    columns = tuple(ignored(c.name, found[c.name]) if c.name in found else c for c in key.columns)
    return replace(key, columns=columns)


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
        if column.type == "Utc":
            continue
        written, unit = column.settings.get("written"), column.settings.get("unit")
        if written or unit:
            formats.setdefault(" ".join(filter(None, (unit, written))), []).append(column.name)
    dated: dict[str, list[str]] = {}
    opened: list[str] = []
    for column in columns:
        known = MISSING_TEXTS if column.role == "feature" else ()
        dates = (
            detect_dates(profiles[column.name], missing=known) if column.name in profiles else None
        )
        if dates is not None and column.role in {"as_of", "feature", "ignore", "label"}:
            other = (
                f" or {dates.other}" if dates.other else f", {dates.review}" * bool(dates.review)
            )
            dated.setdefault(f"{dates}{other}", []).append(column.name)
            if dates.open:
                count = profiles[column.name].rows_with(set(dates.open))
                opened.append(f"{list_names(dates.open)} of '{column.name}' in {count:,} rows")
    rows += [("numbers", f"{name}: {list_names(names)}") for name, names in formats.items()]
    rows += [("dates", f"{name}: {list_names(names)}") for name, names in dated.items()]
    rows += [("no date", f"{text}: read as no date") for text in opened]
    return [*rows, ("features", f"{len(by_role.get('feature', ()))} columns")]

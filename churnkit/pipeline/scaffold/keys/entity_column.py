"""Infer the customer's id, and the date of a row where customers have several."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.contracts.contract import Contract
from churnkit.contracts.schema.column import Column
from churnkit.contracts.validation.labels import duplicate_keys
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import (
    MIXED_DAYS,
    SEVERAL_FORMATS,
    DraftColumn,
)
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.keys.label_column import list_names
from churnkit.pipeline.scaffold.keys.label_names import is_date_word
from churnkit.pipeline.training.data.row_filters import REASONS, leave_out_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = [
    "ROW",
    "RowKey",
    "compile_keys",
    "find_entity",
    "find_panel_entity",
    "find_row_key",
    "numbered_rows",
]

# Name of the entity of a table without an id.
ROW = "row"
_CODE = re.compile(r"[A-Za-z]{0,6}[-_]?[0-9][0-9A-Za-z-]*")
_MIN_UNIQUE = 0.98
_MIN_HASH_LENGTH = 12
# A panel has some entities, and several rows of many of them.
_MIN_ENTITIES, _MAX_DISTINCT = 20, 0.7
# Share of distinct values below which a few are kinds, not customers.
_MIN_OWN = 0.1
_MIN_PADDED_LENGTH = 4
# Share of rows that repeat a customer from which customers have several rows.
_MIN_REPEATED = 0.02
_PERIOD_WORDS = {"month", "week", "year", "quarter", "period", "monat", "mois", "mes", "periode"}


def numbered_rows(review: str) -> DraftColumn:
    """Draft the entity of a table without an id: rows are numbered."""
    return DraftColumn(ROW, "int", "entity", {"numbered": True}, review)


def find_entity(columns: Mapping[str, ColumnProfile]) -> tuple[str | None, str]:
    """Find the customer's id by its name and its distinct values.

    Returns
    -------
    name
        The column; None if no column can be the id.
    review
        What to review; empty if the inference is certain.
    """
    usable = [c for c in columns.values() if c.name.strip() and c.texts and c.kind != "other"]
    named = [c for c in usable if name_rules.is_customer_id(c.name) and not _holds_kinds(c)]
    ids = [c for c in usable if name_rules.is_id(c.name) and c not in named]
    for candidates in (named, ids):
        unique = [c for c in candidates if c.distinct >= _MIN_UNIQUE * max(c.filled, 1)]
        if unique:
            others = list_names([c.name for c in unique[1:]])
            return unique[0].name, f"also distinct in nearly every row: {others}" if others else ""
        if candidates is named and named:
            # A customer may have several rows; a plan or a shop has many more.
            return max(named, key=lambda c: c.distinct).name, ""
    codes = [c for c in usable if c.distinct == c.rows and _holds_codes(c)]
    if codes:
        return codes[0].name, "assumed to be the customer's id: it differs in every row"
    return None, "the table has no customer id: rows are numbered from 0"


def find_panel_entity(columns: Mapping[str, ColumnProfile], table: pa.Table) -> str | None:
    """Find an id that repeats, but never at the same date: rows are an entity at a date.

    Parameters
    ----------
    columns
        Profiles of the columns.
    table
        All rows.

    Returns
    -------
    str or None
        The first column with the name of an id for which a column of dates tells its rows apart.
    """
    complete = [column for column in columns.values() if not column.missing]
    dates = [column.name for column in complete if detect_dates(column) is not None]
    for column in complete:
        repeats = _MIN_ENTITIES <= column.distinct <= _MAX_DISTINCT * column.rows
        if not name_rules.is_id(column.name) or not repeats or column.name in dates:
            continue
        for date in dates:
            if table.group_by([column.name, date]).aggregate([]).num_rows == table.num_rows:
                return column.name
    return None


def _holds_kinds(column: ColumnProfile) -> bool:
    """Return True for few values that repeat often, such as kinds of contracts, which are no customers."""
    return column.distinct < min(_MIN_ENTITIES, _MIN_OWN * column.filled)


def _holds_codes(column: ColumnProfile) -> bool:
    is_usable = column.kind == "text" and not name_rules.is_personal(column.name)
    if not is_usable or is_date_word(column.name) or detect_dates(column):
        return False
    letters = sum(text[0].isalpha() for text in column.texts)
    if all(map(_CODE.fullmatch, column.texts)) and letters > 0.9 * column.distinct:
        return True
    lengths = {len(text) for text in column.texts}
    is_padded = all(text.isdecimal() for text in column.texts) and any(
        text[0] == "0" for text in column.texts
    )
    if is_padded and len(lengths) == 1 and max(lengths) >= _MIN_PADDED_LENGTH:
        return True
    is_hash = len(lengths) == 1 and lengths.pop() >= _MIN_HASH_LENGTH
    return is_hash and not any(" " in text for text in column.texts) and letters > 0


@dataclass(frozen=True)
class RowKey:
    """Key of a row: the customer, or the customer and a date.

    Parameters
    ----------
    columns
        Drafted columns with the key's roles.
    note
        Sentence about the key.
    kept
        Rows with a customer and a label, without duplicates.
    left_out
        Number of other rows by reason.
    is_panel
        True if customers have several rows.
    """

    columns: tuple[DraftColumn, ...]
    note: str
    kept: pa.Table
    left_out: Mapping[str, int]
    is_panel: bool = False


def compile_keys(columns: Sequence[DraftColumn]) -> Contract:
    """Compile the keys of a draft, by which duplicate rows are found."""
    types = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
    spelled = ("written", "missing", "numbered", "default")
    return Contract(
        "draft",
        tuple(
            Column(
                column.name,
                types.get(column.type, "datetime"),  # type: ignore[arg-type]  # a ColumnType
                (column.role,),
                positive=column.settings.get("positive"),
                nullable=column.role == "label" and bool(column.settings.get("nullable")),
                **_spelling(
                    {name: column.settings[name] for name in spelled if name in column.settings}
                ),
            )
            for column in columns
        ),
    )


def _spelling(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in settings.items()}


def find_row_key(
    columns: tuple[DraftColumn, ...], table: pa.Table, profiles: Mapping[str, ColumnProfile]
) -> RowKey:
    """Find the key of a row: the customer, or the customer and a date.

    Rows that duplicate an earlier row are left out only if no date tells them apart.
    """
    usable = ("unnamed", "unlabeled")
    entity = compile_keys(columns).entity
    dated = _with_dates(columns, profiles) if _is_repeated(columns, table) else []
    for reasons in (usable,) if entity.numbered else (usable, REASONS):
        for draft, note in ((columns, "one row per customer"), *dated):
            contract = compile_keys(draft)
            kept, counts = leave_out_rows(contract, table, reasons)
            if not duplicate_keys(contract, kept):
                is_panel = draft is not columns
                chosen = draft if is_panel or entity.numbered else _unique(draft)
                return RowKey(chosen, note, kept, counts, is_panel=is_panel)
    contract = compile_keys(columns)
    kept, counts = leave_out_rows(contract, table, REASONS)
    repeated = len(duplicate_keys(contract, kept)[0].positions)
    question = _repeats(columns, profiles, repeated, entity.name)
    asked = tuple(
        replace(c, settings={"todo": question, **c.settings}) if c.role == "entity" else c
        for c in columns
    )
    return RowKey(asked, "several rows per customer", kept, counts, is_panel=True)


def _is_repeated(columns: tuple[DraftColumn, ...], table: pa.Table) -> bool:
    """Return True if enough rows repeat a customer that these are no errors of a table."""
    contract = compile_keys(columns)
    repeated = duplicate_keys(contract, leave_out_rows(contract, table, REASONS)[0])
    return bool(repeated) and len(repeated[0].positions) > _MIN_REPEATED * table.num_rows


def _unique(columns: tuple[DraftColumn, ...]) -> tuple[DraftColumn, ...]:
    return tuple(
        replace(c, settings={**c.settings, "unique": True}) if c.role == "entity" else c
        for c in columns
    )


def _with_dates(
    columns: tuple[DraftColumn, ...], profiles: Mapping[str, ColumnProfile]
) -> list[tuple[tuple[DraftColumn, ...], str]]:
    """Return drafts with each complete column of dates as as-of date, and the key's description."""
    names = [c.name for c in columns if c.role in {"ignore", "feature"}]
    drafts = []
    for name in sorted(names, key=lambda each: not is_date_word(each)):
        draft = None if profiles[name].missing else _with_date(columns, profiles[name])
        if draft is not None:
            drafts.append((draft, f"one row per customer and '{name}'"))
    return drafts


def _with_date(
    columns: tuple[DraftColumn, ...], profile: ColumnProfile
) -> tuple[DraftColumn, ...] | None:
    """Return the columns with a date as as-of date, or None if the column is no date."""
    dates = detect_dates(profile)
    if dates is None or dates.empty or dates.open:
        return None
    settings = {"written": dates.written} if dates.written else {}
    review = "; ".join(filter(None, ("assumed to be the as-of date of the row", dates.review)))
    if dates.other:
        settings["todo"] = (
            f"the dates fit '{dates.written}' and '{dates.other}': set written to the right one, "
            "and delete todo"
        )
        review = ""
    as_of = DraftColumn(profile.name, "Utc", "as_of", settings, review)
    return tuple(as_of if c.name == profile.name else c for c in columns)


def _repeats(
    columns: tuple[DraftColumn, ...],
    profiles: Mapping[str, ColumnProfile],
    count: int,
    entity: str,
) -> str:
    """Describe a customer's repeated rows, and a column that tells them apart."""
    noun = "row" if count == 1 else "rows"
    apart = [
        column.name
        for column in columns
        if column.role in {"feature", "ignore"}
        and set(name_rules.split_words(column.name)) & _PERIOD_WORDS
        and not profiles[column.name].missing
    ]
    hint = ""
    if mixed := [c.name for c in columns if c.review in {SEVERAL_FORMATS, MIXED_DAYS}]:
        hint = f" ('{mixed[0]}' {SEVERAL_FORMATS})"
    elif apart:
        hint = f" ('{apart[0]}' is no date: write it as YYYY-MM-DD in the file)"
    return (
        f"'{entity}' repeats a customer in {count:,} {noun} with other values, and no column of "
        f"dates tells them apart{hint}: keep one row per customer in the file, or take another id, "
        "and delete todo"
    )

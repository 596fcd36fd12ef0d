"""Draft a project from one table with a row per customer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnkit.contracts.contract import Contract
from churnkit.contracts.parsing.scalars import is_text
from churnkit.contracts.validation.labels import duplicate_keys
from churnkit.core.io.table_file import open_table, read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import DraftColumn, draft_column, holds_dates
from churnkit.pipeline.scaffold.key_columns import (
    draft_label,
    find_entity,
    find_label,
    refuse_unknown_column,
)
from churnkit.pipeline.training.row_filters import REASONS, leave_out_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["TableDraft", "draft_table", "is_event_log_file"]


@dataclass(frozen=True)
class TableDraft:
    """Inferred schema of a table.

    Parameters
    ----------
    columns
        Inferred columns, in the table's order.
    leave_out
        Rows to leave out of training; see `churnkit.pipeline.Recipe`.
    notes
        What was inferred, one sentence each.
    """

    columns: tuple[DraftColumn, ...]
    leave_out: tuple[str, ...]
    notes: tuple[str, ...]


def draft_table(
    path: Path, *, entity: str | None, label: str | None, positive: str | None
) -> tuple[TableDraft, pa.Table]:
    """Read a table and infer the roles of its columns.

    Raises
    ------
    ChurnkitError
        If the file cannot be read or has no rows, or customer or label cannot be inferred.
    """
    file = open_table(path)
    table = read_table(path)
    if not table.num_rows:
        raise ChurnkitError(f"{path} has a header and no rows: name a file with customers")
    delimiter = file.dialect.delimiter if file.dialect else ","
    profiles = {name: profile_column(name, table[name]) for name in table.column_names}
    for option, name in (("--entity", entity), ("--label", label)):
        if name is not None:
            refuse_unknown_column(path.name, profiles, option, name)
    customer = entity or find_entity(path.name, profiles)
    others = {name: profile for name, profile in profiles.items() if name != customer}
    outcome = label or find_label(path.name, others)
    notes = [f"column of the customer: '{customer}'"] if entity is None else []
    notes += [f"label: '{outcome}'"] if label is None else []
    keys = {
        customer: DraftColumn(customer, "str", "entity"),
        outcome: draft_label(path.name, profiles[outcome], positive),
    }
    columns = tuple(
        keys.get(name) or draft_column(profile, delimiter=delimiter)
        for name, profile in profiles.items()
        if name and is_text(name)
    )
    draft = _resolve_keys(TableDraft(columns, (), tuple(notes)), table, profiles, path.name)
    return draft, table


def is_event_log_file(path: Path, entity: str | None) -> bool:
    """Return True if a file is an event log: repeated customers, times, and no label."""
    from churnkit.pipeline.scaffold import name_rules
    from churnkit.pipeline.scaffold.from_raw_tables import is_event_log

    open_table(path)
    table = read_table(path)
    if any(name_rules.is_label(name) for name in table.column_names):
        return False
    profiles = {name: profile_column(name, table[name]) for name in table.column_names if name}
    customers = [entity] if entity else [n for n in profiles if name_rules.is_customer_id(n)]
    return any(name in profiles and is_event_log(profiles, name) for name in customers)


def compile_keys(draft: TableDraft) -> Contract:
    """Compile the keys of a draft, by which duplicate rows are found."""
    from churnkit.contracts.schema.column import Column

    types = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
    return Contract(
        "draft",
        tuple(
            Column(
                column.name,
                types.get(column.type, "datetime"),  # type: ignore[arg-type]  # a ColumnType
                (column.role,),
                positive=column.settings.get("positive"),
            )
            for column in draft.columns
        ),
    )


def _resolve_keys(
    draft: TableDraft, table: pa.Table, profiles: Mapping[str, ColumnProfile], name: str
) -> TableDraft:
    """Choose rows to leave out, and the key of a row: the customer, or customer and date."""
    contract = compile_keys(draft)
    kept, counts = leave_out_rows(contract, table, REASONS)
    draft = replace(draft, leave_out=tuple(reason for reason in REASONS if reason in counts))
    repeated = duplicate_keys(contract, kept)
    if not repeated:
        columns = tuple(
            replace(c, settings={"unique": True}) if c.role == "entity" else c
            for c in draft.columns
        )
        return replace(draft, columns=columns)
    for column in draft.columns:
        if column.role == "ignore" and holds_dates(profiles[column.name], iso=True):
            dated = _dated(draft, column.name)
            contract_with_date = compile_keys(dated)
            if not profiles[column.name].missing and not duplicate_keys(contract_with_date, kept):
                note = f"key of a row: the customer and '{column.name}'"
                return replace(dated, notes=(*dated.notes, note))
    rows = len(repeated[0].positions)
    raise ChurnkitError(
        f"{name}: column '{contract.entity.name}' repeats a customer in {rows:,} "
        f"{'row' if rows == 1 else 'rows'} with other values: name a unique column with "
        "--entity, or keep one row per customer"
    )


def _dated(draft: TableDraft, column: str) -> TableDraft:
    as_of = DraftColumn(column, "Utc", "as_of", review="assumed to be the as-of date of the row")
    return replace(draft, columns=tuple(as_of if c.name == column else c for c in draft.columns))

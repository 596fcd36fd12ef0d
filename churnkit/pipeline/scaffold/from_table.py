"""A draft from one table with a row a customer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnkit.contracts.contract import Contract
from churnkit.contracts.parsing.scalars import is_text
from churnkit.contracts.validation.labels import duplicate_keys
from churnkit.core.io.table_file import open_table, read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import facts_of
from churnkit.pipeline.scaffold.column_roles import DraftColumn, are_dates, draft_column
from churnkit.pipeline.scaffold.key_columns import (
    draft_label,
    find_entity,
    find_label,
    refuse_unknown,
)
from churnkit.pipeline.training.row_filters import REASONS, leave_out_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from churnkit.pipeline.scaffold.column_profile import Facts

__all__ = ["FlatDraft", "draft_table", "is_log"]


@dataclass(frozen=True)
class FlatDraft:
    """What was guessed of one table.

    Parameters
    ----------
    columns
        A guess for each column, in the table's order.
    leave_out
        Rows to leave out of training; see `churnkit.pipeline.Recipe`.
    notes
        Sentences for the person who reads the draft.
    """

    columns: tuple[DraftColumn, ...]
    leave_out: tuple[str, ...]
    notes: tuple[str, ...]


def draft_table(
    path: Path, *, entity: str | None, label: str | None, positive: str | None
) -> tuple[FlatDraft, pa.Table]:
    """Read a table and guess what its columns are for.

    Parameters
    ----------
    path
        A CSV or Parquet file.
    entity, label
        The columns that name the customer and say who left; guessed if None.
    positive
        The label's value that means "has left"; guessed if None.

    Returns
    -------
    The draft, and the table as it was read.

    Raises
    ------
    ChurnkitError
        If the file cannot be read, has no rows, or does not say who the customer is or who left.
    """
    file = open_table(path)
    table = read_table(path)
    if not table.num_rows:
        raise ChurnkitError(f"{path} has a header and no rows: name a table with customers in it")
    delimiter = file.dialect.delimiter if file.dialect else ","
    facts = {name: facts_of(name, table[name]) for name in table.column_names}
    for option, name in (("--entity", entity), ("--label", label)):
        if name is not None:
            refuse_unknown(path.name, facts, option, name)
    customer = entity or find_entity(path.name, facts)
    others = {name: one for name, one in facts.items() if name != customer}
    outcome = label or find_label(path.name, others)
    notes = [f"'{customer}' names the customer"] if entity is None else []
    notes += [f"'{outcome}' says who left"] if label is None else []
    given = {
        customer: DraftColumn(customer, "str", "entity"),
        outcome: draft_label(path.name, facts[outcome], positive),
    }
    columns = tuple(
        given.get(name) or draft_column(one, delimiter=delimiter)
        for name, one in facts.items()
        if name and is_text(name)
    )
    draft = _keyed(FlatDraft(columns, (), tuple(notes)), table, facts, path.name)
    return draft, table


def is_log(path: Path, entity: str | None) -> bool:
    """Tell whether a file is a log: no label, customers again and again, with times."""
    from churnkit.pipeline.scaffold import name_rules
    from churnkit.pipeline.scaffold.from_raw_tables import looks_like_a_log

    open_table(path)
    table = read_table(path)
    if any(name_rules.is_label(name) for name in table.column_names):
        return False
    facts = {name: facts_of(name, table[name]) for name in table.column_names if name}
    customers = [entity] if entity else [name for name in facts if name_rules.is_customer_id(name)]
    return any(name in facts and looks_like_a_log(facts, name) for name in customers)


def contract_of(draft: FlatDraft) -> Contract:
    """Compile the keys and the names of a draft, as far as rows are told apart by them."""
    from churnkit.contracts.schema.column import Column

    types = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
    return Contract(
        "draft",
        tuple(
            Column(
                column.name,
                types.get(column.type, "datetime"),  # type: ignore[arg-type]  # one of them
                (column.role,),
                positive=column.settings.get("positive"),
            )
            for column in draft.columns
        ),
    )


def _keyed(draft: FlatDraft, table: pa.Table, facts: Mapping[str, Facts], name: str) -> FlatDraft:
    """Settle which rows are left out, and whether a row is a customer or a customer and date."""
    contract = contract_of(draft)
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
        if column.role == "ignore" and are_dates(facts[column.name], iso=True):
            dated = _dated(draft, column.name)
            again = contract_of(dated)
            if not facts[column.name].missing and not duplicate_keys(again, kept):
                note = f"a row is a customer at '{column.name}'"
                return replace(dated, notes=(*dated.notes, note))
    raise ChurnkitError(
        f"{name}: column '{contract.entity.name}' names a customer again in "
        f"{len(repeated[0].positions):,} rows that differ: name a column that tells the rows apart "
        "with --entity, or keep one row a customer"
    )


def _dated(draft: FlatDraft, column: str) -> FlatDraft:
    changed = DraftColumn(column, "Utc", "as_of", review="taken for the date the row is known at")
    return replace(draft, columns=tuple(changed if c.name == column else c for c in draft.columns))

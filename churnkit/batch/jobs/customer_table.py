"""Read all customers of a table, and write all decisions to one."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.batch.io.open_writer import check_access, open_writer
from churnkit.batch.io.outputs import parse_output, refuse_input
from churnkit.batch.jobs.input_summary import count_inputs
from churnkit.bundle.entity_ids import arrow_ids, refuse_repeated
from churnkit.bundle.scoring import ScoredTable
from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.parsing.arrow_columns import complete_keys
from churnkit.contracts.parsing.scalars import is_missing, to_text
from churnkit.core.io.table_sources import concatenate, open_rows, open_source, read_all
from churnkit.core.output_ledger import record_output
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts import Contract
    from churnkit.contracts.contract import Purpose
    from churnkit.contracts.validation.violations import Finding
    from churnkit.core.io.table_sources import Query, Source

__all__ = [
    "customer_batches",
    "identify_rows",
    "read_customers",
    "score_customers",
    "write_customers",
]


def identify_rows(table: pa.Table, contract: Contract, *, first: int = 0) -> pa.Table:
    """Add row numbers or the as-of date that a table may lack, and write ids that are floats as text.

    A table program stores whole numbers next to a blank as floats: 4711.0 is the customer 4711.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member", "string", ("entity",)),))
    >>> identify_rows(pa.table({"member": [4711.0, None]}), gym).to_pylist()
    [{'member': '4711'}, {'member': None}]
    """
    table = complete_keys(table, contract, first=first)
    entity = contract.entity
    if entity.name not in table.column_names:
        return table
    place = table.column_names.index(entity.name)
    ids = table.column(place)
    if not (pa.types.is_floating(ids.type) or pa.types.is_decimal(ids.type)):
        return table
    texts = [None if is_missing(value) else to_text(value) for value in ids.to_pylist()]
    return table.set_column(place, entity.name, pa.array(texts, pa.string()))


def customer_batches(
    source: Source | Query,
    contract: Contract,
    *,
    purpose: Purpose = "predict",
    labeled: bool = False,
) -> Iterator[pa.Table]:
    """Read the columns that scores need in batches, with row numbers for tables without an id.

    Parameters
    ----------
    source
        From `open_source`.
    contract
        Contract of the model.
    purpose
        ``"recommend"`` for the columns that decisions need too.
    labeled
        Read the label too.

    Yields
    ------
    pyarrow.Table
        Rows in order; one table without rows if there are none.

    Raises
    ------
    DataError
        If a column is missing.
    """
    rows = open_rows(source)
    missing = contract.missing_columns(purpose, rows.columns)
    if missing:
        raise DataError(rows.name, missing)
    needed = {c.name for c in (*contract.required(purpose), *contract.optional(purpose))}
    if labeled and contract.label is not None:
        needed.add(contract.label.name)
    selected = [name for name in rows.columns if name in needed]
    empty = pa.table({name: pa.array([], pa.string()) for name in selected})
    start = 0
    for batch in chain(rows.batches(selected), [empty]):
        if batch.num_rows or not start:
            yield identify_rows(batch, contract, first=start)
        start += batch.num_rows


def read_customers(
    source: str | Path | Source | Query, contract: Contract, *, output: str | Path | None
) -> pa.Table:
    """Read the columns that decisions need, one row per customer.

    Parameters
    ----------
    source
        The name of a table as `open_source` takes it, or what it gives.
    contract
        Contract of the model.
    output
        Destination of the decisions. An invalid name is refused here: decisions must not be recorded in
        the journal if they cannot be written.

    Returns
    -------
    pyarrow.Table
        The customers.

    Raises
    ------
    ChurnkitError
        If a file cannot be read, or the output is the input or has an invalid name.
    """
    opened = _open(source, contract, output)
    selected = (*contract.required("recommend"), *contract.optional("recommend"))
    table = read_all(opened, columns=[column.name for column in selected])
    return identify_rows(table, contract)


def score_customers(
    source: str | Path | Source | Query, model: RetentionModel, *, output: str | Path | None
) -> tuple[ScoredTable, list[dict[str, Any]]]:
    """Read, encode and score customers batch by batch for decisions, one row per customer.

    Only their ids, encoded columns and probabilities are kept, which equal those of
    `RetentionModel.score_table` for the whole table.

    Parameters
    ----------
    source, output
        As of `read_customers`.
    model
        Model with a catalogue of actions.

    Returns
    -------
    scored, counts
        All customers in order, and `count_inputs` of each batch.

    Raises
    ------
    DataError
        If a column is missing, or a customer has two rows.
    ChurnkitError
        As of `read_customers`.
    """
    contract = model.contract
    entity = contract.entity.name
    matrix = np.empty((0, len(contract.encoded("recommend"))))
    ids: list[pa.Table] = []
    probabilities: list[NDArray[np.float64]] = []
    findings: list[Finding] = []
    counts: list[dict[str, Any]] = []
    opened = _open(source, contract, output)
    for batch in customer_batches(opened, contract, purpose="recommend"):
        start = len(matrix)
        encoded, scored = model.score_table(batch, "recommend")
        # In place: a copy would take as much again.
        matrix.resize((start + len(scored), matrix.shape[1]), refcheck=False)
        matrix[start:] = encoded.matrix
        ids.append(pa.table({entity: arrow_ids(encoded.entity)}))
        probabilities.append(scored)
        counts.append(count_inputs(encoded, model))
        findings += [replace(each, positions=each.positions + start) for each in encoded.findings]
    together = Encoded(
        concatenate(ids)[entity], matrix, len(contract.features), findings=tuple(findings)
    )
    refuse_repeated(together, entity)
    # What batches took is free for the decisions.
    pa.default_memory_pool().release_unused()
    return ScoredTable(together, np.concatenate(probabilities)), counts


def _open(
    source: str | Path | Source | Query, contract: Contract, output: str | Path | None
) -> Source | Query:
    """Open a table, and refuse an output that cannot be written."""
    entity = contract.entity.name
    opened = open_source(source, entity=entity) if isinstance(source, (str, Path)) else source
    if output is not None:
        target = parse_output(output)
        refuse_input(opened, target)
        check_access(target)
    return opened


def write_customers(table: pa.Table, output: str | Path, contract: Contract) -> None:
    """Write a table of customers atomically, and record it for erasures.

    Raises
    ------
    ChurnkitError
        If the output cannot be written.
    """
    record_output(output, contract.entity.name)
    with open_writer(output, table.schema) as writer:
        writer.write(table)
        writer.finish()

"""Read all customers of a table, and write all decisions to one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.batch.io.open_writer import check_access, open_writer
from churnkit.batch.io.outputs import parse_output, refuse_input
from churnkit.contracts.parsing.arrow_columns import number_rows
from churnkit.core.io.table_sources import open_source, read_all
from churnkit.core.output_ledger import record_output

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.contracts import Contract
    from churnkit.core.io.table_sources import Query, Source

__all__ = ["read_customers", "write_customers"]


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
    opened = open_source(source) if isinstance(source, (str, Path)) else source
    if output is not None:
        target = parse_output(output)
        refuse_input(opened, target)
        check_access(target)
    selected = (*contract.required("recommend"), *contract.optional("recommend"))
    table = read_all(opened, columns=[column.name for column in selected])
    return number_rows(table, contract.entity)


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

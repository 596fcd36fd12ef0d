"""A whole file of customers in, a whole file of decisions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.batch.io.table_writer import TableWriter, refuse_overwriting, refuse_unwritable
from churnkit.core.io.table_sources import Query, open_source, read_all
from churnkit.core.output_ledger import note_output

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.contracts import Contract
    from churnkit.core.io.table_sources import Source

__all__ = ["read_customers", "write_whole"]


def read_customers(
    source: str | Path | Source | Query, contract: Contract, *, output: str | Path | None
) -> pa.Table:
    """Read the columns that decisions need, a row a customer.

    Parameters
    ----------
    source
        A .csv or .parquet file, a folder or a pattern of them, or what `open_source` gives.
    contract
        Of the model that decides.
    output
        Where the decisions will go. What cannot be written is refused here: a decision that
        stands in the journal, but in no file, would be one that nobody acts on.

    Raises
    ------
    ChurnkitError
        If a file cannot be read, or the output is a file that is read or no result's name.
    """
    opened = open_source(source) if isinstance(source, (str, Path)) else source
    if output is not None:
        refuse_unwritable(Path(output))
        for path in () if isinstance(opened, Query) else opened.paths:
            refuse_overwriting(path, output)
    wanted = (*contract.required("recommend"), *contract.optional("recommend"))
    return read_all(opened, columns=[column.name for column in wanted])


def write_whole(table: pa.Table, output: str | Path, contract: Contract) -> None:
    """Write a table of customers whole or not at all, where an erasure will find it.

    Raises
    ------
    ChurnkitError
        If the disk refuses.
    """
    note_output(output, contract.entity.name)
    with TableWriter(output, table.schema) as writer:
        writer.write(table)
        writer.finish()

"""Delete customers' rows from files; all other rows stay unchanged."""

from __future__ import annotations

import csv
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnkit.batch.io.outputs import WRITABLE
from churnkit.batch.io.table_writer import TableWriter
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.core.io.atomic_write import atomic_write, private_mode
from churnkit.core.io.formats.signature import kind_of, split_compression
from churnkit.core.io.table_sources import list_files, open_rows, open_source
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["erase_rows"]


def erase_rows(file: Path, customers: set[str], *, column: str = "", dry_run: bool = False) -> int:
    """Delete the rows of some customers from a file, which is replaced atomically.

    Parameters
    ----------
    file
        A file that churnkit writes, or a folder of them.
    customers
        Ids as text.
    column
        Column with the ids; any column if empty.
    dry_run
        Only count.

    Returns
    -------
    int
        Number of their rows.

    Raises
    ------
    ChurnkitError
        If the file has another format, cannot be read or written, or lacks the column.
    """
    if file.is_dir():
        parts = list_files(file)
        return sum(erase_rows(f, customers, column=column, dry_run=dry_run) for f in parts)
    kind, compression = kind_of(file.name), split_compression(file.name)[1]
    if kind == "parquet" and compression is None:
        return _in_parquet(file, customers, column=column, dry_run=dry_run)
    if kind == "csv" and compression is None:
        return _in_csv(file, customers, column=column, dry_run=dry_run)
    if kind in {"csv", "json", "arrow"}:
        return _in_table(file, customers, column=column, dry_run=dry_run)
    raise ChurnkitError(f"{file}: rows can be erased from {WRITABLE} files only")


def _in_parquet(file: Path, customers: set[str], *, column: str, dry_run: bool) -> int:
    ids = pa.array(sorted(customers), pa.string())
    try:
        with pq.ParquetFile(file) as opened:
            names = [column] if column else list(opened.schema_arrow.names)
            if column and column not in opened.schema_arrow.names:
                raise _unreadable(file)
            groups = range(opened.num_row_groups)
            count = sum(
                pc.sum(_customer_rows(opened.read_row_group(index, columns=names), ids)).as_py()
                or 0
                for index in groups
            )
            if not count or dry_run:
                return int(count)
            with TableWriter(file, opened.schema_arrow) as writer:
                for index in groups:
                    group = opened.read_row_group(index)
                    kept = group.filter(pc.invert(_customer_rows(group.select(names), ids)))
                    if kept.num_rows:
                        writer.write(kept)
                writer.finish()
    except (pa.ArrowException, OSError, KeyError):
        raise _unreadable(file) from None
    return int(count)


def _in_table(file: Path, customers: set[str], *, column: str, dry_run: bool) -> int:
    """Write a file of another format again, batch by batch."""
    ids = pa.array(sorted(customers), pa.string())
    source = open_rows(open_source(file))
    names = [column] if column else list(source.columns)
    if column and column not in source.columns:
        raise _unreadable(file)
    count = sum(
        pc.sum(_customer_rows(batch, ids)).as_py() or 0
        for batch in source.batches(names)
        if batch.num_rows
    )
    if count and not dry_run:
        writer: TableWriter | None = None
        with ExitStack() as stack:
            for batch in source.batches():
                if writer is None:
                    writer = stack.enter_context(TableWriter(file, batch.schema))
                writer.write(batch.filter(pc.invert(_customer_rows(batch.select(names), ids))))
            if writer is not None:
                writer.finish()
    return int(count)


def _customer_rows(table: pa.Table, ids: pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return which rows contain one of the ids."""
    mask: Any = pa.array(np.zeros(table.num_rows, dtype=bool))
    for values in table.columns:
        kind = values.type
        if pa.types.is_dictionary(kind):
            values, kind = values.cast(kind.value_type), kind.value_type  # noqa: PLW2901
        if not (
            pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
        ):
            continue
        text = pc.utf8_trim(values.cast(pa.string()), characters=BLANKS)
        mask = pc.or_(mask, pc.fill_null(pc.is_in(text, value_set=ids), False))
    return mask


def _in_csv(file: Path, customers: set[str], *, column: str, dry_run: bool) -> int:
    """Copy the records of all other customers byte for byte."""
    try:
        with file.open(encoding="utf-8", newline="") as read:
            records = _records(read)
            header, first = next(records, ([], ""))
            if column and column not in header:
                raise _unreadable(file)
            indices = [header.index(column)] if column else list(range(len(header)))
            count = sum(_contains(row, indices, customers) for row, _ in records)
        if not count or dry_run:
            return count
        with file.open(encoding="utf-8", newline="") as read, _replacement(file) as write:
            records = _records(read)
            next(records)
            write.write(first)
            for row, text in records:
                if not _contains(row, indices, customers):
                    write.write(text)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise _unreadable(file) from None
    return count


def _records(stream: Any) -> Iterator[tuple[list[str], str]]:
    """Read CSV records with their original text; quoted values may contain line ends."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in stream:
            taken.append(line)
            yield line

    for row in csv.reader(lines()):
        yield row, "".join(taken)
        taken.clear()


def _contains(row: list[str], indices: Sequence[int], customers: set[str]) -> bool:
    return any(index < len(row) and row[index].strip(BLANKS) in customers for index in indices)


@contextmanager
def _replacement(file: Path) -> Iterator[Any]:
    """Write a file aside, which takes the other's place when the block ends without an error."""
    with atomic_write(file, mode=private_mode(file)) as path:
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        path.chmod(file.stat().st_mode & 0o777)


def _unreadable(file: Path) -> ChurnkitError:
    return ChurnkitError(
        f"{file} cannot be read or written and was not changed: repair it or move it away, "
        "and erase again"
    )

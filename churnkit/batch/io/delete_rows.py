"""Take customers' rows out of files, and leave all others as they are."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnkit.batch.io.table_writer import TableWriter
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.core.io.atomic_write import atomic_write
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["erase_rows"]

_CSV, _PARQUET = {".csv"}, {".parquet", ".pq"}


def erase_rows(file: Path, wanted: set[str], *, column: str = "", dry_run: bool = False) -> int:
    """Take some customers' rows out of a file, which is rewritten whole or left as it was.

    Parameters
    ----------
    file
        A .csv or .parquet file.
    wanted
        The customers' ids as text.
    column
        Where ids are; any column if not given.
    dry_run
        Whether only to count.

    Returns
    -------
    How many rows were theirs.

    Raises
    ------
    ChurnkitError
        If the file is of another kind, cannot be read or written, or lacks the column.
    """
    kind = file.suffix.lower()
    if kind in _PARQUET:
        return _in_parquet(file, wanted, column=column, dry_run=dry_run)
    if kind in _CSV:
        return _in_csv(file, wanted, column=column, dry_run=dry_run)
    raise ChurnkitError(f"{file}: rows are erased from .csv and .parquet files")


def _in_parquet(file: Path, wanted: set[str], *, column: str, dry_run: bool) -> int:
    ids = pa.array(sorted(wanted), pa.string())
    try:
        with pq.ParquetFile(file) as opened:
            names = [column] if column else list(opened.schema_arrow.names)
            if column and column not in opened.schema_arrow.names:
                raise _unread(file)
            groups = range(opened.num_row_groups)
            found = sum(
                pc.sum(_theirs(opened.read_row_group(place, columns=names), ids)).as_py() or 0
                for place in groups
            )
            if not found or dry_run:
                return int(found)
            with TableWriter(file, opened.schema_arrow) as writer:
                for place in groups:
                    group = opened.read_row_group(place)
                    kept = group.filter(pc.invert(_theirs(group.select(names), ids)))
                    if kept.num_rows:
                        writer.write(kept)
                writer.finish()
    except (pa.ArrowException, OSError, KeyError):
        raise _unread(file) from None
    return int(found)


def _theirs(table: pa.Table, ids: pa.Array) -> pa.ChunkedArray | pa.Array:
    """Tell which rows hold one of the ids."""
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


def _in_csv(file: Path, wanted: set[str], *, column: str, dry_run: bool) -> int:
    """Copy the records that are not theirs, byte for byte."""
    try:
        with file.open(encoding="utf-8", newline="") as read:
            records = _records(read)
            header, first = next(records, ([], ""))
            if column and column not in header:
                raise _unread(file)
            places = [header.index(column)] if column else list(range(len(header)))
            found = sum(_holds(row, places, wanted) for row, _ in records)
        if not found or dry_run:
            return found
        with file.open(encoding="utf-8", newline="") as read, _in_place_of(file) as write:
            records = _records(read)
            next(records)
            write.write(first)
            for row, text in records:
                if not _holds(row, places, wanted):
                    write.write(text)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise _unread(file) from None
    return found


def _records(stream: Any) -> Iterator[tuple[list[str], str]]:
    """Read CSV records with their very text; a quoted value may hold line ends."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in stream:
            taken.append(line)
            yield line

    for row in csv.reader(lines()):
        yield row, "".join(taken)
        taken.clear()


def _holds(row: list[str], places: Sequence[int], wanted: set[str]) -> bool:
    return any(place < len(row) and row[place].strip(BLANKS) in wanted for place in places)


@contextmanager
def _in_place_of(file: Path) -> Iterator[Any]:
    """Write a file aside, which takes the other's place when the block ends without an error."""
    with atomic_write(file, mode=0o600) as path:
        with path.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        path.chmod(file.stat().st_mode & 0o777)


def _unread(file: Path) -> ChurnkitError:
    return ChurnkitError(
        f"{file} cannot be read or written as it was noted; it was not changed: mend it, or move it "
        "away, and erase again"
    )

"""Parquet files of an object store, read in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from churnkit.core.io import table_file
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from churnkit.core.io.remote.object_store import ObjectFile
    from churnkit.core.io.source_files import Fingerprint

__all__ = ["ObjectParquet"]

# Bytes that are fetched together, and kept in memory.
_READ_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class ObjectParquet:
    """A Parquet file of an object store, of which only the needed columns are read.

    Parameters
    ----------
    file
        The file.
    columns
        Column names.
    rows
        Number of rows.
    """

    file: ObjectFile
    columns: tuple[str, ...]
    rows: int

    @classmethod
    def open(cls, file: ObjectFile) -> ObjectParquet:
        """Read the schema of a file.

        Raises
        ------
        ChurnkitError
            If the file cannot be read, or is not Parquet.
        """
        try:
            with file.open() as stream, pq.ParquetFile(stream) as parquet:
                columns = tuple(parquet.schema_arrow.names)
                rows = parquet.metadata.num_rows
        except (pa.ArrowException, OSError):
            raise _damaged(file.url) from None
        table_file.refuse_duplicates(file.url, columns)
        return cls(file, columns, rows)

    @property
    def name(self) -> str:
        """URL of the file."""
        return self.file.url

    @property
    def paths(self) -> tuple[Path, ...]:
        """No local file."""
        return ()

    @property
    def dialect(self) -> None:
        """No dialect."""
        return

    @property
    def fingerprint(self) -> Fingerprint:
        """URL, size and time."""
        return [[self.file.url, self.file.size, self.file.modified]]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order, at most `BATCH_ROWS` in each table.

        Raises
        ------
        ChurnkitError
            If the connection is lost, or the file is damaged.
        """
        selected = list(self.columns if columns is None else columns)
        try:
            with self.file.open() as stream:
                metadata = pq.read_metadata(stream)
                for groups in _row_group_ranges(metadata):
                    # A reader fetches its row groups in few requests, and keeps them to its end.
                    parquet = pq.ParquetFile(stream, metadata=metadata, pre_buffer=True)
                    for batch in parquet.iter_batches(
                        table_file.batch_rows(selected), row_groups=groups, columns=selected
                    ):
                        yield pa.Table.from_batches([batch]).select(selected)
        except (pa.ArrowException, OSError):
            raise _damaged(self.file.url) from None


def _row_group_ranges(metadata: pq.FileMetaData) -> Iterator[list[int]]:
    """Yield row groups whose compressed columns have about `_READ_BYTES` together."""
    groups: list[int] = []
    size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        groups.append(number)
        size += sum(group.column(i).total_compressed_size for i in range(group.num_columns))
        if size >= _READ_BYTES or number + 1 == metadata.num_row_groups:
            yield groups
            groups, size = [], 0


def _damaged(url: str) -> ChurnkitError:
    return ChurnkitError(
        f"{url} cannot be read as Parquet: the connection was lost, or the file is damaged; try "
        "again, or export it again"
    )

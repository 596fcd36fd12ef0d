"""Write result tables atomically to files."""

from __future__ import annotations

import json
import lzma
import math
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from churnkit.batch.io.outputs import parse_output
from churnkit.core.io.atomic_write import StagedFile, private_mode
from churnkit.core.io.formats.signature import split_compression
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from types import TracebackType

    from churnkit.core.io.formats.signature import Kind

__all__ = ["TableWriter", "Writer", "open_encoder", "write_error"]


class Writer(ABC):
    """A destination of tables, which appears complete with `finish`, or not at all."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of rows written."""

    @abstractmethod
    def write(self, table: pa.Table) -> None:
        """Append rows."""

    @abstractmethod
    def seal(self) -> None:
        """Complete the content, which appears under its name with `finish`."""

    @abstractmethod
    def finish(self) -> None:
        """Put the content in its place; without this call nothing changes there."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was not finished."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


class TableWriter(Writer):
    """Write tables one after another to a file, atomically.

    An error or interruption leaves an existing file unchanged. Text is written to CSV unchanged, in
    double quotes: an id that a spreadsheet takes for a formula (``=...``) is kept, so that the
    scores join with the customers.

    Parameters
    ----------
    path
        The file to write: .parquet, .csv, .jsonl or .feather; CSV and JSON lines also compressed.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If results cannot be written to such a file, or the disk cannot be written.
    """

    def __init__(self, path: str | Path, schema: pa.Schema) -> None:
        self.path: Path = Path(path)
        self._rows = 0
        self._format = parse_output(self.path).format
        self._staged: StagedFile | None = None
        self._encoder: Any = None
        try:
            self._staged = StagedFile(self.path, mode=private_mode(self.path))
            self._encoder = open_encoder(
                self._staged.path, schema, self._format, split_compression(self.path.name)[1]
            )
        except (OSError, pa.ArrowException) as error:
            self.discard()
            raise write_error(self.path, error) from None

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        # After an empty chunk, pyarrow 20 writes a CSV's header again.
        batches = [batch for batch in table.to_batches() if batch.num_rows]
        try:
            self._encoder.write_table(pa.Table.from_batches(batches, table.schema))
        except (OSError, pa.ArrowException) as error:
            raise write_error(self.path, error) from None
        self._rows += table.num_rows

    def seal(self) -> None:
        """Flush all rows to disk; the file appears under its name with `finish`."""
        if self._encoder is None or self._staged is None:
            return
        try:
            self._encoder.close()
            self._encoder = None
            self._staged.sync()
        except (OSError, pa.ArrowException) as error:
            raise write_error(self.path, error) from None

    def finish(self) -> None:
        """Move the file to its name; without this call no file appears."""
        if self._staged is None:
            return
        self.seal()
        try:
            self._staged.commit()
        except OSError as error:
            raise write_error(self.path, error) from None
        self._staged = None

    def discard(self) -> None:
        """Remove the unfinished file."""
        if self._encoder is not None:
            with suppress(OSError, pa.ArrowException):
                self._encoder.close()
        if self._staged is not None:
            self._staged.discard()
            self._staged = None


def open_encoder(path: Path, schema: pa.Schema, kind: Kind, compression: str | None) -> Any:
    """Open an encoder of a format, with the methods ``write_table`` and ``close``.

    Parameters
    ----------
    path
        File to write.
    schema
        Schema of all tables.
    kind
        ``"parquet"``, ``"csv"``, ``"json"`` or ``"arrow"``.
    compression
        Compression of CSV and JSON lines; None for none.
    """
    if kind == "parquet":
        return pq.ParquetWriter(path, schema)
    if kind == "arrow":
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        return pa.ipc.new_file(str(path), schema, options=options)
    if compression is None and kind == "csv":
        return pcsv.CSVWriter(path, schema)
    return _TextEncoder(path, schema, kind, compression)


class _TextEncoder:
    """CSV or JSON lines in a stream, which may be compressed."""

    def __init__(self, path: Path, schema: pa.Schema, kind: Kind, compression: str | None) -> None:
        self._stream: Any
        if compression == "xz":
            self._stream = lzma.open(path, "wb")  # noqa: SIM115 - closed by close()
        else:
            self._stream = pa.output_stream(str(path), compression=compression)
        self._csv = pcsv.CSVWriter(self._stream, schema) if kind == "csv" else None

    def write_table(self, table: pa.Table) -> None:
        if self._csv is not None:
            self._csv.write_table(table)
            return
        for row in table.to_pylist():
            # JSON has no NaN and no infinity.
            finite = {
                name: None if isinstance(cell, float) and not math.isfinite(cell) else cell
                for name, cell in row.items()
            }
            text = json.dumps(finite, ensure_ascii=False, default=str, allow_nan=False)
            self._stream.write(f"{text}\n".encode())

    def close(self) -> None:
        if self._csv is not None:
            self._csv.close()
        if not self._stream.closed:
            self._stream.close()


def write_error(output: object, error: Exception) -> ChurnkitError:
    """Describe a write error without the error's own message, which may quote values."""
    if isinstance(error, OSError):
        reason = error.strerror or "the disk cannot be written"
    else:
        reason = "a column type is not supported by this format; try .parquet"
    return ChurnkitError(f"cannot write {output}: {reason}; nothing was changed")

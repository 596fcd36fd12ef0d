"""Write result tables atomically to CSV and Parquet files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from churnkit.core.io.atomic_write import StagedFile, refuse_url
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["TableWriter", "check_output", "invalid_path", "refuse_same_file"]

_KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}


def invalid_path(path: str | Path) -> Path:
    """Return the file for rows that violate a rule, next to the scores.

    Examples
    --------
    >>> invalid_path("out/scores.parquet").as_posix()
    'out/scores.invalid.parquet'
    """
    file = Path(path)
    return file.with_name(f"{file.stem}.invalid{file.suffix}")


def refuse_same_file(source: str | Path, *outputs: str | Path) -> None:
    """Refuse an output that is the source.

    Raises
    ------
    ChurnkitError
        If an output is the same file as the source.
    """
    for output in map(Path, outputs):
        if output.exists() and output.samefile(source):
            raise ChurnkitError(
                f"{output} is the input file and would be overwritten: use another output"
            )


def check_output(path: Path) -> str:
    """Check the name of an output before any work; return its format.

    Raises
    ------
    ChurnkitError
        If the path is a URL or a folder, or its suffix is neither .csv nor .parquet.
    """
    refuse_url(path)
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ChurnkitError(f"{path}: results go to a .parquet or .csv file")
    if path.is_dir():
        raise ChurnkitError(f"{path} is a folder: name a file in it")
    return kind


class TableWriter:
    """Write tables one after another to a CSV or Parquet file, atomically.

    An error or interruption leaves an existing file unchanged. Text is written to CSV unchanged, in
    double quotes: an id that a spreadsheet takes for a formula (``=...``) is kept, so that the
    scores join with the customers.

    Parameters
    ----------
    path
        The file to write.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If the suffix is neither .csv nor .parquet, or the disk cannot be written.
    """

    def __init__(self, path: str | Path, schema: pa.Schema) -> None:
        self.path = Path(path)
        self.rows = 0
        self._kind = check_output(self.path)
        self._staged: StagedFile | None = None
        self._writer: Any = None
        try:
            self._staged = StagedFile(self.path)
            self._writer = self._open(self._staged.path, schema)
        except (OSError, pa.ArrowException) as error:
            self._discard()
            raise _write_error(self.path, error) from None

    def _open(self, path: Path, schema: pa.Schema) -> Any:
        return (pq.ParquetWriter if self._kind == "parquet" else pcsv.CSVWriter)(path, schema)

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        # After an empty chunk, pyarrow 20 writes a CSV's header again.
        batches = [batch for batch in table.to_batches() if batch.num_rows]
        try:
            self._writer.write_table(pa.Table.from_batches(batches, table.schema))
        except (OSError, pa.ArrowException) as error:
            raise _write_error(self.path, error) from None
        self.rows += table.num_rows

    def seal(self) -> None:
        """Flush all rows to disk; the file appears under its name with `finish`."""
        if self._writer is None or self._staged is None:
            return
        try:
            self._writer.close()
            self._writer = None
            self._staged.sync()
        except (OSError, pa.ArrowException) as error:
            raise _write_error(self.path, error) from None

    def finish(self) -> None:
        """Move the file to its name; without this call no file appears."""
        if self._staged is None:
            return
        self.seal()
        try:
            self._staged.commit()
        except OSError as error:
            raise _write_error(self.path, error) from None
        self._staged = None

    def _discard(self) -> None:
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
        if self._staged is not None:
            self._staged.discard()
            self._staged = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()


def _write_error(path: Path, error: Exception) -> ChurnkitError:
    if isinstance(error, OSError):
        reason = error.strerror or "the disk cannot be written"
    else:
        reason = "a column type is not supported by this format; try .parquet"
    return ChurnkitError(f"cannot write {path}: {reason}; nothing was changed")

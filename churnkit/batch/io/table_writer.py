"""Result files that are there whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from churnkit.core.io.atomic_write import StagedFile
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["TableWriter", "invalid_path", "refuse_overwriting", "refuse_unwritable"]

_KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}


def invalid_path(path: str | Path) -> Path:
    """Return where the rows that break a rule go: beside the scores.

    Examples
    --------
    >>> invalid_path("out/scores.parquet").as_posix()
    'out/scores.invalid.parquet'
    """
    file = Path(path)
    return file.with_name(f"{file.stem}.invalid{file.suffix}")


def refuse_overwriting(source: str | Path, *outputs: str | Path) -> None:
    """Refuse to write over the file that is read.

    Raises
    ------
    ChurnkitError
        If an output is the source, under whatever name.
    """
    for output in map(Path, outputs):
        if output.exists() and output.samefile(source):
            raise ChurnkitError(
                f"{output} is the file that is read, and would be written over: write elsewhere"
            )


def refuse_unwritable(path: Path) -> str:
    """Refuse a name that no result can have, before any work is done; return its kind.

    Raises
    ------
    ChurnkitError
        If the ending is neither .csv nor .parquet, or it is a folder.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ChurnkitError(f"{path}: results go to a .parquet or .csv file")
    if path.is_dir():
        raise ChurnkitError(f"{path} is a folder: name a file in it")
    return kind


class TableWriter:
    """Write tables one after another into one CSV or Parquet file.

    The rows go to a file aside, which takes the name when all are written; an error or an
    interruption leaves an older file of that name as it was. Text goes to CSV as it is, in
    double quotes: an id that a spreadsheet would take for a formula (``=...``) is not changed,
    since the scores would no longer join with the customers.

    Parameters
    ----------
    path
        The file to write.
    schema
        Of every table that is written.

    Raises
    ------
    ChurnkitError
        If the ending is neither .csv nor .parquet, or the disk refuses.
    """

    def __init__(self, path: str | Path, schema: pa.Schema) -> None:
        self.path = Path(path)
        self.rows = 0
        self._kind = refuse_unwritable(self.path)
        self._staged: StagedFile | None = None
        self._writer: Any = None
        try:
            self._staged = StagedFile(self.path)
            self._writer = self._open(self._staged.path, schema)
        except (OSError, pa.ArrowException) as error:
            self._discard()
            raise _refused(self.path, error) from None

    def _open(self, path: Path, schema: pa.Schema) -> Any:
        return (pq.ParquetWriter if self._kind == "parquet" else pcsv.CSVWriter)(path, schema)

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        # After an empty chunk, pyarrow 20 writes a CSV's header again.
        batches = [batch for batch in table.to_batches() if batch.num_rows]
        try:
            self._writer.write_table(pa.Table.from_batches(batches, table.schema))
        except (OSError, pa.ArrowException) as error:
            raise _refused(self.path, error) from None
        self.rows += table.num_rows

    def seal(self) -> None:
        """Bring every row to the disk; the file has its name only after `finish`."""
        if self._writer is None or self._staged is None:
            return
        try:
            self._writer.close()
            self._writer = None
            self._staged.sync()
        except (OSError, pa.ArrowException) as error:
            raise _refused(self.path, error) from None

    def finish(self) -> None:
        """Give the file its name; without this call nothing appears."""
        if self._staged is None:
            return
        self.seal()
        try:
            self._staged.commit()
        except OSError as error:
            raise _refused(self.path, error) from None
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


def _refused(path: Path, error: Exception) -> ChurnkitError:
    if isinstance(error, OSError):
        why = error.strerror or "the disk refuses"
    else:
        why = "a column's type has no place in such a file; try .parquet"
    return ChurnkitError(f"cannot write {path}: {why}; nothing was changed")

"""CSV and Parquet files as Arrow, whole or in batches, the way people really write them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from churnkit.batch.io.csv_dialect import Dialect, look
from churnkit.contracts.validation.violations import Violation
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BATCH_ROWS", "READABLE", "TableFile", "open_table", "read_table"]

BATCH_ROWS = 65_536
_READ_BYTES = 1 << 20
_CSV_BLOCK_BYTES = 8_000_000
_PARQUET = {".parquet", ".pq"}
_CSV = {".csv", ".tsv", ".txt"}
READABLE = _PARQUET | _CSV


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table in a file, ready to be read in batches.

    Parameters
    ----------
    path
        The file.
    columns
        Its columns' names.
    rows
        How many rows it has, where the file says so (Parquet); None for CSV.
    size
        Its size in bytes.
    dialect
        How it is written; None for Parquet.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int | None
    size: int
    dialect: Dialect | None = None

    @property
    def name(self) -> str:
        """The file's name, as messages call it."""
        return self.path.name

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file that is read."""
        return (self.path,)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order, some ten thousand at a time; blank lines are no rows.

        Parameters
        ----------
        columns
            Only these; all if None.

        Raises
        ------
        ChurnkitError
            If the file is damaged further down.
        """
        wanted = list(self.columns if columns is None else columns)
        ragged: list[tuple[int, int]] = []
        try:
            if self.dialect is None:
                yield from self._parquet(wanted)
            else:
                yield from self._csv(wanted, self.dialect, ragged)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise ChurnkitError(_damage(self.path, error, ragged)) from None

    def _parquet(self, columns: list[str]) -> Iterator[pa.Table]:
        # Else the reader keeps what it has read of the file until its end.
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                # Asked for by name: the file gives them in its own order.
                yield pa.Table.from_batches([batch]).select(columns)

    def _csv(
        self, columns: list[str], dialect: Dialect, ragged: list[tuple[int, int]]
    ) -> Iterator[pa.Table]:
        def refuse(row: Any) -> str:
            ragged.append((row.expected_columns, row.actual_columns))
            return "error"

        last = self.columns[-1]
        # All columns are read as text; the contract, which knows their types, converts them.
        options = pcsv.ConvertOptions(
            column_types=dict.fromkeys(self.columns, pa.string()),
            include_columns=list(dict.fromkeys([*columns, last])),
            strings_can_be_null=False,
        )
        try:
            reader = pcsv.open_csv(
                self.path,
                read_options=pcsv.ReadOptions(
                    encoding=dialect.encoding, block_size=_CSV_BLOCK_BYTES
                ),
                parse_options=pcsv.ParseOptions(
                    delimiter=dialect.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=refuse,
                ),
                convert_options=options,
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header without a line end
                return
            raise
        with reader:
            for batch in reader:
                if batch.num_rows and dialect.odd_quotes:
                    _refuse_open_quote(self.path, batch[last][-1].as_py())
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    table = pa.Table.from_batches([batch.slice(start, BATCH_ROWS)])
                    yield table.select(columns)


def _refuse_open_quote(file: Path, last_field: str) -> None:
    """Refuse a quote that nobody closed: all rows after it would vanish into one field."""
    if "\n" in last_field or "\r" in last_field:
        raise ChurnkitError(
            f"{file}: a double quote is opened and never closed: close it, or double it where it "
            "stands for itself"
        )


def open_table(path: str | Path) -> TableFile:
    """Open a CSV or Parquet file.

    A CSV file may be written in UTF-8, UTF-16 or Latin-1, with commas, semicolons, tabs or
    bars between its fields.

    Raises
    ------
    ChurnkitError
        If there is no such file, or it is neither.
    DataError
        If it names a column twice or is empty.
    """
    file = Path(path)
    if not file.is_file():
        what = "is a folder, not a file" if file.is_dir() else "does not exist"
        raise ChurnkitError(f"{file} {what}: name a .csv or .parquet file")
    suffix = file.suffix.lower()
    rows: int | None = None
    dialect: Dialect | None = None
    try:
        if suffix in _PARQUET:
            with pq.ParquetFile(file) as parquet:
                columns = tuple(parquet.schema_arrow.names)
                rows = parquet.metadata.num_rows
        elif suffix in _CSV:
            dialect = look(file)
            columns = dialect.columns
        else:
            raise ChurnkitError(f"{file}: a table is a .csv, .tsv or .parquet file")
    except (pa.ArrowException, OSError, UnicodeError, csv.Error) as error:
        raise ChurnkitError(_damage(file, error, [])) from None
    if not columns:
        raise DataError(file.name, [Violation("", "empty", 1)])
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(file.name, [Violation(name, "duplicate_column", 1) for name in twice])
    return TableFile(file, columns, rows, file.stat().st_size, dialect)


def read_table(path: str | Path, *, columns: list[str] | None = None) -> pa.Table:
    """Read a whole CSV or Parquet file.

    Parameters
    ----------
    path
        The file.
    columns
        Only those of these that it has; all if None.

    Raises
    ------
    ChurnkitError
        If there is no such file, or it cannot be read.
    """
    file = open_table(path)
    wanted = [name for name in file.columns if columns is None or name in columns]
    batches = list(file.batches(wanted))
    if batches:
        return pa.concat_tables(batches)
    return pa.table({name: pa.array([], pa.string()) for name in wanted})


def _damage(file: Path, error: Exception, ragged: list[tuple[int, int]]) -> str:
    """Say what is wrong with a file; Arrow's own words on CSV may quote a customer's row."""
    if ragged:
        expected, actual = ragged[0]
        return (
            f"{file}: a row has {actual} fields where the header has {expected}: put text that "
            "holds the delimiter or a line break in double quotes"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{file} cannot be read: {error.strerror}"
    kind = "CSV" if file.suffix.lower() in _CSV else "Parquet"
    return (
        f"{file} cannot be read as {kind}: it is damaged, cut off, or of another kind; "
        "export it again"
    )

"""Read CSV and Parquet files as Arrow tables, whole or in batches."""

from __future__ import annotations

import csv
import re
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from churnkit.core.io.csv.dialect import Dialect, detect_dialect
from churnkit.core.io.csv.encoding import open_text
from churnkit.core.io.csv.layout import ALIGNED, find_line, first_rows
from churnkit.core.io.csv.text_check import find_open_quote
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "BATCH_CELLS",
    "BATCH_ROWS",
    "CSV_SUFFIXES",
    "PARQUET_SUFFIXES",
    "TableFile",
    "batch_rows",
    "open_table",
    "quote_column",
    "read_table",
    "refuse_duplicates",
]

BATCH_ROWS = 65_536
BATCH_CELLS = 4_000_000
"""Wide tables have fewer rows in a batch, so that it has at most this many values."""
PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
CSV_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".psv", ".txt"})
_READ_BYTES = 1 << 20
_DELIMITERS = ",;|\t"
# Signs that may separate the fields of lines that are read as one column.
_SEPARATORS = f"{_DELIMITERS}~^:!#&*\x01\x1f"
_CSV_BLOCK_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class TableFile:
    """CSV or Parquet file that can be read in batches.

    Parameters
    ----------
    path
        The file.
    columns
        Column names.
    rows
        Number of rows for Parquet; None for CSV.
    size
        Bytes.
    dialect
        CSV dialect; None for Parquet.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int | None
    size: int
    dialect: Dialect | None = None

    @property
    def name(self) -> str:
        """File name, for messages."""
        return self.path.name

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file, as a tuple of one."""
        return (self.path,)

    @property
    def fingerprint(self) -> list[list[Any]]:
        """Path, size and time of the file: equal values mean equal content."""
        stat = self.path.stat()
        return [[str(self.path.absolute()), stat.st_size, stat.st_mtime_ns]]

    @property
    def _is_capitalized(self) -> bool:
        """True for CUSTOMERS.CSV.GZ, whose compression Arrow does not recognize."""
        suffix = self.path.suffix
        return suffix != ".gz" and suffix.lower() == ".gz"

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order, at most `BATCH_ROWS` in each table; blank lines are skipped.

        Parameters
        ----------
        columns
            Columns to read; all if None.

        Returns
        -------
        Iterator of pyarrow.Table
            Tables with these columns. Every CSV column is text.

        Raises
        ------
        ChurnkitError
            If a later part of the file is damaged.
        """
        selected = list(self.columns if columns is None else columns)
        ragged: list[tuple[int, int]] = []
        try:
            if self.dialect is None:
                yield from self._parquet(selected)
            else:
                yield from self._csv(selected, self.dialect, ragged)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise ChurnkitError(_read_error(self.path, error, ragged, self.dialect)) from None

    def dataset(self) -> Any:
        """Return the file as a `pyarrow.dataset.Dataset` with the same dialect.

        Column names and the file name are taken literally: no wildcards, no partitions.

        Raises
        ------
        ChurnkitError
            If a double quote is not closed.
        """
        import pyarrow.dataset as ds

        if self.dialect is None:
            return ds.dataset([str(self.path)], format="parquet")
        if (
            self.dialect.footer_rows
            or self.dialect.footer_lines
            or self.dialect.delimiter == ALIGNED
            or self._is_capitalized
        ):
            return ds.dataset(pa.concat_tables(self.batches()))
        if self.dialect.odd_quotes:
            for _ in self.batches([self.columns[-1]]):
                pass
        return ds.dataset(
            [str(self.path)], format=ds.CsvFileFormat(**self._csv_options(self.dialect))
        )

    def _csv_options(self, dialect: Dialect) -> dict[str, Any]:
        return {
            "read_options": pcsv.ReadOptions(block_size=_CSV_BLOCK_BYTES, **dialect.read_options()),
            "parse_options": pcsv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=True
            ),
            # All columns are read as text; the contract, which has their types, converts them.
            "convert_options": pcsv.ConvertOptions(
                column_types=dict.fromkeys(dialect.fields, pa.string()), strings_can_be_null=False
            ),
        }

    def _parquet(self, columns: list[str]) -> Iterator[pa.Table]:
        # With pre_buffer the reader keeps the data in memory until the end of the file.
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            for batch in file.iter_batches(batch_rows(columns), columns=columns):
                # The file returns the columns in its own order.
                yield pa.Table.from_batches([batch]).select(columns)

    def _csv(
        self, columns: list[str], dialect: Dialect, ragged: list[tuple[int, int]]
    ) -> Iterator[pa.Table]:
        def refuse_row(row: Any) -> str:
            if (row.text or "").strip() in dialect.footer_lines:
                return "skip"
            ragged.append((row.expected_columns, row.actual_columns))
            return "error"

        if not dialect.has_rows:
            return
        if dialect.delimiter == ALIGNED:
            rows = _aligned_batches(self.path, dialect, ragged)
            yield from (part.select(columns) for part in _without_last(rows, dialect.footer_rows))
            return
        last = self.columns[-1]
        options = self._csv_options(dialect)
        options["parse_options"].invalid_row_handler = refuse_row
        options["convert_options"].include_columns = list(dict.fromkeys([*columns, last]))
        try:
            file = pa.input_stream(str(self.path), "gzip") if self._is_capitalized else self.path
            reader = pcsv.open_csv(file, **options)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header without a line end
                return
            raise
        with reader:
            for batch in _without_last(reader, dialect.footer_rows):
                if batch.num_rows and dialect.odd_quotes:
                    _refuse_unclosed_quote(self.path, batch[last][-1].as_py())
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS).select(columns)


def _aligned_batches(
    path: Path, dialect: Dialect, ragged: list[tuple[int, int]]
) -> Iterator[pa.RecordBatch]:
    """Read columns that are aligned with spaces."""
    width = len(dialect.fields)
    schema = pa.schema([(name, pa.string()) for name in dialect.fields])
    with open_text(path, dialect.encoding) as lines:
        for _ in range(dialect.skip_lines + (dialect.described_lines or dialect.has_header)):
            lines.readline()
        while block := list(islice(lines, BATCH_ROWS)):
            rows = [line.split() for line in block if line.strip() not in dialect.footer_lines]
            rows = [row for row in rows if row]
            for row in rows:
                if len(row) != width:
                    ragged.append((width, len(row)))
                    raise pa.ArrowInvalid("ragged")
            columns = list(zip(*rows, strict=True)) or [()] * width
            yield pa.record_batch([pa.array(each, pa.string()) for each in columns], schema=schema)


def _without_last(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield batches as tables without the last rows of all."""
    pending: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        if rows:
            table = table if pending is None else pa.concat_tables([pending, table])
            pending = table.slice(max(table.num_rows - rows, 0))
            table = table.slice(0, max(table.num_rows - rows, 0))
        yield table


def batch_rows(columns: Sequence[str]) -> int:
    """Return the number of rows of a batch of some columns.

    Examples
    --------
    >>> batch_rows(["id", "plan"]), batch_rows(["number"] * 400)
    (65536, 10000)
    """
    return max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, len(columns))))


def open_table(path: str | Path, *, label: str = "") -> TableFile:
    """Open a CSV or Parquet file.

    A CSV file may be encoded as UTF-8, UTF-16 or Windows-1252 and delimited by commas,
    semicolons, tabs or vertical bars.

    Parameters
    ----------
    path
        The file.
    label
        Name of the file in messages, if it is a temporary copy.

    Returns
    -------
    TableFile
        The file with its columns and dialect; no row has been read.

    Raises
    ------
    ChurnkitError
        If the file does not exist, is empty or has another format.
    DataError
        If two columns have the same name.
    """
    file = Path(path)
    if not file.is_file():
        problem = "is a folder, not a file" if file.is_dir() else "does not exist"
        raise ChurnkitError(f"{file} {problem}: name a .csv or .parquet file")
    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    rows: int | None = None
    dialect: Dialect | None = None
    try:
        if suffix in PARQUET_SUFFIXES:
            with pq.ParquetFile(file) as parquet:
                columns = tuple(parquet.schema_arrow.names)
                rows = parquet.metadata.num_rows
        elif suffix in CSV_SUFFIXES:
            dialect = detect_dialect(file)
            columns = dialect.columns
            if not dialect.is_stated:
                _refuse_quotes(label or str(file), file, dialect)
            if dialect.has_wide_quotes and (line := find_open_quote(file, dialect)):
                raise ChurnkitError(
                    f"{label or file}: a double quote in the row of line {line:,} is not closed, so that "
                    "several rows would be read as one: close it, or double it where it is part of the text"
                )
        else:
            raise ChurnkitError(f"{file}: a table is a .csv, .tsv or .parquet file")
    except (pa.ArrowException, OSError, UnicodeError, EOFError, zlib.error, csv.Error) as error:
        raise ChurnkitError(_read_error(file, error, [])) from None
    if not columns:
        name = label or file.name
        raise ChurnkitError(f"{name}: the table is empty: give a table with at least one row")
    refuse_duplicates(label or file.name, columns)
    return TableFile(file, columns, rows, file.stat().st_size, dialect)


def read_table(path: str | Path, *, columns: list[str] | None = None) -> pa.Table:
    """Read a whole CSV or Parquet file.

    Parameters
    ----------
    path
        The file.
    columns
        Columns to read, where the file has them; all if None.

    Returns
    -------
    pyarrow.Table
        The rows in order; every CSV column is text.

    Raises
    ------
    ChurnkitError
        If the file does not exist or cannot be read.
    """
    file = open_table(path)
    selected = [name for name in file.columns if columns is None or name in columns]
    batches = list(file.batches(selected))
    if batches:
        return pa.concat_tables(batches)
    return pa.table({name: pa.array([], pa.string()) for name in selected})


def quote_column(columns: Sequence[str], column: str) -> str:
    """Name a column in a message, by its position if the header may be a customer's row.

    Examples
    --------
    >>> quote_column(["id", "plan"], "plan"), quote_column(["ann", "5"], "5")
    ("column 'plan'", 'column 2')
    """
    return f"column {columns.index(column) + 1}" if _is_row(columns) else f"column '{column}'"


def _is_row(columns: Sequence[str]) -> bool:
    return any(re.fullmatch(r"\s*[-+]?[\d.,]*\d[\d.,]*\s*", name) for name in columns)


def refuse_duplicates(table: str, columns: Sequence[str]) -> None:
    """Refuse a table with two columns of the same name.

    Raises
    ------
    DataError
        Names each such column once.
    """
    duplicates = sorted({name for name in columns if columns.count(name) > 1}, key=columns.index)
    if duplicates:
        above = (
            "; or, if the first line is a row, write the names above it" if _is_row(columns) else ""
        )
        raise DataError(
            table,
            [
                f"{quote_column(columns, name)} appears more than once: give each column its own "
                f"name{above}"
                for name in duplicates
            ],
        )


def _refuse_quotes(name: str, file: Path, dialect: Dialect) -> None:
    """Refuse single quotes, which would be part of values, and lines that are read as one column."""
    columns = dialect.columns
    if len(columns) > 1 and all(re.fullmatch("'.*'", column) for column in columns):
        raise ChurnkitError(
            f"{name} has single quotes around its values: export it with double quotes"
        )
    sign = _find_separator(file, dialect) if len(columns) == 1 else ""
    if sign and sign not in _DELIMITERS:
        shown = f"'{sign}'" if sign.isprintable() else f"$'\\x{ord(sign):02x}'"
        raise ChurnkitError(
            f"{name} has one column: if {shown} separates its fields, state it before the command, as in "
            f"churnkit --csv-delimiter {shown} init"
        )
    if sign:
        raise ChurnkitError(
            f"{name} has double quotes around whole lines, so each line is read as one column: export it "
            "with quotes around values, or without"
        )


def _find_separator(file: Path, dialect: Dialect) -> str:
    """Return the sign that is as often in each row of a single column as in its name, twice or more."""
    (column,) = dialect.columns
    signs = [sign for sign in _SEPARATORS if column.count(sign) > 1]
    if not signs:
        return ""
    rows, _ = first_rows(file, dialect.encoding, dialect.delimiter, dialect.skip_lines)
    below = [" ".join(row) for row in rows[1:]]
    same = (s for s in signs if all(text.count(s) == column.count(s) for text in below))
    return next(same, "") if below else ""


def _refuse_unclosed_quote(file: Path, last_field: str) -> None:
    """Refuse an unclosed quote: it would swallow all rows after it into one field."""
    if "\n" in last_field or "\r" in last_field:
        raise ChurnkitError(
            f"{file}: a double quote is not closed: close it, or double it where it is part of "
            "the text"
        )


def _find_row(file: Path, dialect: Dialect | None, width: int) -> str:
    """Return the line of the first row of a width, as a part of a message."""
    if dialect is None or dialect.delimiter == ALIGNED:
        return ""
    line = find_line(
        file, dialect.encoding, dialect.delimiter, skip=dialect.skip_lines, width=width
    )
    return "" if line is None else f", line {line:,}"


def _read_error(
    file: Path,
    error: Exception,
    ragged: list[tuple[int, int]],
    dialect: Dialect | None = None,
) -> str:
    """Describe a read error without Arrow's own message, which may quote a customer's row."""
    if ragged:
        expected, actual = ragged[0]
        return (
            f"{file}{_find_row(file, dialect, actual)}: a row has {actual} fields where the header has {expected}: put text that "
            "contains the delimiter or a line break in double quotes, and remove lines that are no rows, "
            "such as remarks or a second table"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{file} cannot be read: {error.strerror}"
    kind = "Parquet" if file.suffix.lower() in PARQUET_SUFFIXES else "CSV"
    return (
        f"{file} cannot be read as {kind}: it is damaged, truncated, or in another format; "
        "export it again"
    )

"""Tables that can be read in batches, repeatedly and in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import pyarrow as pa

from churnkit.core.io.formats.file_names import FILE_DATE

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from churnkit.core.io import table_file
    from churnkit.core.io.csv.dialect import Dialect

__all__ = [
    "BatchSource",
    "CopiedFile",
    "PartitionFile",
    "Source",
    "TableFiles",
    "add_dates",
    "partition_values",
]

Fingerprint = list[list[Any]]
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class Source(Protocol):
    """Customer rows that can be read from the start, repeatedly and in the same order."""

    @property
    def name(self) -> str:
        """Name of the source, for messages."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names."""

    @property
    def rows(self) -> int | None:
        """Number of rows; None if it is not known without reading them."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Local files that are read."""

    @property
    def dialect(self) -> Dialect | None:
        """CSV dialect; None for other formats and for several files."""

    @property
    def fingerprint(self) -> Fingerprint:
        """Name, size and time of each file that is read: equal values mean equal content."""

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order; all columns if `columns` is None."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file read from a temporary copy: a converted, downloaded or decompressed one.

    Parameters
    ----------
    file
        The copy.
    name
        Name of the original, for messages.
    paths
        Local files of the original.
    fingerprint
        Of the original.
    """

    file: table_file.TableFile
    name: str
    paths: tuple[Path, ...]
    fingerprint: Fingerprint

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names."""
        return self.file.columns

    @property
    def rows(self) -> int | None:
        """Number of rows, if it is known."""
        return self.file.rows

    @property
    def dialect(self) -> Dialect | None:
        """CSV dialect; None for other formats."""
        return self.file.dialect

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows; see `TableFile.batches`."""
        return self.file.batches(columns)


@dataclass(frozen=True, slots=True)
class BatchSource:
    """A table that another library reads in batches, such as Arrow or Delta.

    Parameters
    ----------
    name
        Name, for messages.
    columns
        Column names.
    paths
        Local files.
    fingerprint
        Of the content.
    read
        Reads some columns in batches.
    """

    name: str
    columns: tuple[str, ...]
    paths: tuple[Path, ...]
    fingerprint: Fingerprint
    read: Callable[[list[str]], Iterator[pa.Table]]

    @property
    def rows(self) -> None:
        """Unknown."""
        return

    @property
    def dialect(self) -> None:
        """No dialect."""
        return

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order."""
        yield from self.read(list(self.columns if columns is None else columns))


@dataclass(frozen=True, slots=True)
class PartitionFile:
    """A file with the columns that the names of its folders state: ``month=2026-01/a.parquet``.

    Parameters
    ----------
    file
        The file.
    values
        Partition columns that the file itself lacks, with the value for all of its rows.
    order
        All columns, if they have another order than the file's, then the folders'.
    """

    file: Source
    values: tuple[tuple[str, pa.Scalar], ...]
    order: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.file.name

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file, then of the folders, unless an order is given."""
        return self.order or (*self.file.columns, *(name for name, _ in self.values))

    @property
    def rows(self) -> int | None:
        """Number of rows, if it is known."""
        return self.file.rows

    @property
    def paths(self) -> tuple[Path, ...]:
        """Local files."""
        return self.file.paths

    @property
    def dialect(self) -> Dialect | None:
        """CSV dialect of the file."""
        return self.file.dialect

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the file, and the values."""
        return [*self.file.fingerprint, [f"{name}={value.as_py()}" for name, value in self.values]]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows; see `TableFile.batches`."""
        selected = list(self.columns if columns is None else columns)
        values = dict(self.values)
        stored = [name for name in selected if name not in values]
        # A file has at least one column, which states the number of rows.
        for table in self.file.batches(stored or [self.file.columns[0]]):
            arrays = [
                table[name] if name in stored else pa.repeat(values[name], table.num_rows)
                for name in selected
            ]
            yield pa.table(arrays, names=selected)


def add_dates(files: Sequence[Source], dates: Sequence[dt.date] | None) -> Sequence[Source]:
    """Add the dates in the names of files as the column ``file_date``, unless a file has one."""
    if dates is None or any(FILE_DATE in file.columns for file in files):
        return files
    return [
        PartitionFile(file, ((FILE_DATE, pa.scalar(date.isoformat())),))
        for file, date in zip(files, dates, strict=True)
    ]


def partition_values(
    files: Sequence[Sequence[str]],
) -> list[dict[str, pa.Scalar]]:
    """Return the partition columns of files by the names of their folders.

    A column is an integer if all its values are, else text. Escaped characters are decoded.

    Parameters
    ----------
    files
        For each file the names of its folders below the root.

    Returns
    -------
    list of dict
        For each file the value of each column.

    Examples
    --------
    >>> values = partition_values([["year=2025", "plan=a%2Fb"], ["year=2026", "plan=x"]])
    >>> [{name: value.as_py() for name, value in file.items()} for file in values]
    [{'year': 2025, 'plan': 'a/b'}, {'year': 2026, 'plan': 'x'}]
    """
    texts: list[dict[str, str | None]] = []
    for folders in files:
        pairs = [folder.split("=", 1) for folder in folders if folder.find("=") > 0]
        texts.append(
            {
                unquote(name): None if value == _NULL_PARTITION else unquote(value)
                for name, value in pairs
            }
        )
    kinds = {}
    for name in {name for values in texts for name in values}:
        present = [v for values in texts if (v := values.get(name)) is not None]
        kinds[name] = pa.int64() if all(map(_is_integer, present)) and present else pa.string()
    return [
        {
            name: pa.scalar(
                int(text) if text is not None and kinds[name] == pa.int64() else text, kinds[name]
            )
            for name, text in values.items()
        }
        for values in texts
    ]


def _is_integer(text: str) -> bool:
    digits = text.removeprefix("-")
    # A leading zero is part of a code, such as a month or a postal code.
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(digits)) == digits


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Several files with the same columns, read one after another.

    Parameters
    ----------
    name
        Folder or pattern of the files.
    files
        At least one, in order.
    """

    name: str
    files: tuple[Source, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the first file, which all files have."""
        return self.files[0].columns

    @property
    def rows(self) -> int | None:
        """Total number of rows; None if a file does not store its own."""
        counts = [file.rows for file in self.files if file.rows is not None]
        return sum(counts) if len(counts) == len(self.files) else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(path for file in self.files for path in file.paths)

    @property
    def dialect(self) -> None:
        """No dialect."""
        return

    @property
    def fingerprint(self) -> Fingerprint:
        """Of each file."""
        return [entry for file in self.files for entry in file.fingerprint]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the files in order; see `TableFile.batches`."""
        selected = list(self.columns if columns is None else columns)
        for file in self.files:
            yield from file.batches(selected)

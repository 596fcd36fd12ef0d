"""Sources of customer rows: a file, a folder, a file pattern, or a database query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from churnkit.core.io.table_file import (
    BATCH_ROWS,
    CSV_SUFFIXES,
    PARQUET_SUFFIXES,
    TableFile,
    open_table,
    quote_column,
    refuse_duplicates,
)
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Query", "Source", "TableFiles", "open_source", "read_all"]

_DUCKDB = {".duckdb", ".ddb"}
_URL = re.compile(r"[a-z][a-z0-9+]*://", re.ASCII)
_REMOTE = re.compile(r"(s3a?|gs|gcs|az|abfss?|adl|hdfs|https?|ftp)://")
_PATTERN = re.compile(r"[*?\[]")


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
        """Files that are read."""

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order; all columns if `columns` is None."""


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
    files: tuple[TableFile, ...]

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
        return tuple(file.path for file in self.files)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the files in order; see `TableFile.batches`."""
        selected = list(self.columns if columns is None else columns)
        for file in self.files:
            yield from file.batches(selected)


@dataclass(frozen=True, slots=True)
class Query:
    """Rows returned by a database.

    Parameters
    ----------
    sql
        A query, or the name of a table.
    url
        A SQLAlchemy URL, or a DuckDB file.

    Examples
    --------
    >>> Query("customers", "crm.duckdb").text
    'SELECT * FROM "customers"'
    """

    sql: str
    url: str

    @property
    def text(self) -> str:
        """The query; a bare name selects the whole table."""
        name = self.sql.strip()
        if re.fullmatch(r"\w+(\.\w+)*", name):
            quoted = ".".join(f'"{part}"' for part in name.split("."))
            return f"SELECT * FROM {quoted}"  # noqa: S608 - a name of word characters
        return name

    def read(self) -> Iterator[pa.Table]:
        """Run the query once and return its rows in batches.

        Returns
        -------
        Iterator of pyarrow.Table
            The first table has no rows, for the column names.

        Raises
        ------
        ChurnkitError
            If the database cannot be reached or the query fails.
        DataError
            If two columns have the same name.
        """
        if _is_duckdb(self.url):
            yield from _query_duckdb(Path(self.url), self.text)
        else:
            yield from _query_sqlalchemy(self.url, self.text)


def open_source(source: str | Path, *, sql: str | None = None) -> Source | Query:
    """Open a source of customer rows by its name.

    Parameters
    ----------
    source
        A .csv or .parquet file; a folder of such files, read in the order of their names; a
        pattern such as ``exports/2026-*.parquet``; or, with `sql`, a DuckDB file or a
        SQLAlchemy URL.
    sql
        A query, or the name of a table.

    Returns
    -------
    Source or Query
        Opened files, or the query, which has not run.

    Raises
    ------
    ChurnkitError
        If there is no such file, or a database has no query.
    DataError
        If the files of a folder have different columns.
    """
    name = str(source)
    if _REMOTE.match(name):
        raise ChurnkitError(
            f"{_without_password(name)} is not a local file: copy it to this machine and name the copy"
        )
    if _URL.match(name) or _is_duckdb(name):
        if sql is None:
            raise ChurnkitError(
                f"{_without_password(name)} is a database: add --sql 'SELECT ...' or --sql TABLE"
            )
        if _is_duckdb(name) and not Path(name).is_file():
            raise ChurnkitError(f"{name} does not exist: name a DuckDB file")
        return Query(sql, name)
    if sql is not None:
        raise ChurnkitError(
            f"{name} is not a database: --sql needs a DuckDB file (.duckdb) or a URL such as "
            "postgresql://host/db"
        )
    path = Path(source)
    if path.is_dir():
        return _open_files(name, [f for f in path.rglob("*") if _is_table(f, path)])
    if _PATTERN.search(name) and not path.exists():
        return _open_files(name, _glob(path))
    return open_table(path)


def read_all(source: Source | Query, *, columns: list[str] | None = None) -> pa.Table:
    """Read a whole source.

    Parameters
    ----------
    source
        From `open_source`.
    columns
        Columns to read, where the source has them; all if None.

    Returns
    -------
    pyarrow.Table
        All rows in order.
    """
    if isinstance(source, Query):
        table = pa.concat_tables(list(source.read()), promote_options="permissive")
        return table if columns is None else table.select(_present(table.column_names, columns))
    selected = _present(source.columns, columns)
    batches = list(source.batches(selected))
    if batches:
        return pa.concat_tables(batches, promote_options="permissive")
    return pa.table({name: pa.array([], pa.string()) for name in selected})


def _present(names: Sequence[str], columns: list[str] | None) -> list[str]:
    return [name for name in names if columns is None or name in columns]


def _glob(pattern: Path) -> list[Path]:
    """Expand a pattern; its leading folders that exist are taken literally."""
    root = Path(pattern.anchor or ".")
    parts = list(pattern.parts[1:] if pattern.anchor else pattern.parts)
    while len(parts) > 1 and (root / parts[0]).is_dir():
        root /= parts.pop(0)
    return [file for file in root.glob("/".join(parts)) if file.is_file()]


def _is_duckdb(name: str) -> bool:
    return Path(name).suffix.lower() in _DUCKDB and not _URL.match(name)


def _is_table(file: Path, root: Path) -> bool:
    # Spark and other tools write metadata and unfinished files under such names.
    hidden = any(part[0] in "._" for part in file.relative_to(root).parts)
    is_readable = file.suffix.lower() in PARQUET_SUFFIXES | CSV_SUFFIXES
    return not hidden and is_readable and file.is_file()


def _open_files(name: str, paths: list[Path]) -> TableFiles:
    if not paths:
        raise ChurnkitError(f"{name}: there is no .csv or .parquet file: name another folder")
    files = tuple(open_table(path) for path in sorted(paths))
    first = files[0]
    for file in files[1:]:
        missing = [column for column in first.columns if column not in file.columns]
        if missing:
            raise DataError(
                file.path.name,
                [
                    f"{quote_column(first.columns, column)} of {first.path.name} is missing: give "
                    "all files the same columns"
                    for column in missing
                ],
            )
    return TableFiles(name, files)


def _query_duckdb(path: Path, query: str) -> Iterator[pa.Table]:
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            relation = connection.sql(query)
            if relation is None:
                raise ChurnkitError(f"{path}: the statement returns no rows: use a SELECT")
            # Older versions have another name for it.
            open_reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
            reader = open_reader(BATCH_ROWS)
            refuse_duplicates("the query", reader.schema.names)
            yield reader.schema.empty_table()
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except duckdb.Error as error:
        # The rest of a message may quote rows.
        first_line = str(error).partition("\n")[0]
        raise ChurnkitError(f"{path}: the query failed: {first_line}") from None


def _query_sqlalchemy(url: str, query: str) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    try:
        # Without a pool the connection is closed with the query.
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(sa.text(query))
            names = list(result.keys())
            refuse_duplicates("the query", names)
            yield pa.table({name: pa.array([], pa.null()) for name in names})
            while rows := list(islice(result, BATCH_ROWS)):
                columns = zip(*rows, strict=True)
                yield pa.table(dict(zip(names, map(_to_arrow, columns), strict=True)))
    except ModuleNotFoundError as error:
        raise ChurnkitError(
            f"{_without_password(url)} needs the driver '{error.name}': pip install it"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ChurnkitError(
            f"{_without_password(url)}: the query failed ({kind}): try it in the database's own "
            "client"
        ) from None


def _to_arrow(values: tuple[Any, ...]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # A column of several types, as SQLite may have: the contract parses each value's text.
        return pa.array([None if value is None else str(value) for value in values])


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)

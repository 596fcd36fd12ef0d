"""Where customers come from: a file, a folder, a pattern of names, or a query to a database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from churnkit.batch.io.table_file import BATCH_ROWS, READABLE, TableFile, open_table
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Query", "Source", "TableFiles", "open_source", "read_all"]

_DUCKDB = {".duckdb", ".ddb"}
_URL = re.compile(r"[a-z][a-z0-9+]*://", re.ASCII)
_PATTERN = re.compile(r"[*?\[]")


class Source(Protocol):
    """Rows of customers that can be read from the start, again and again, in the same order."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns' names."""

    @property
    def rows(self) -> int | None:
        """How many rows it has, where that is known without reading them."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order; only those columns, if any are named."""


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Several files with the same columns, read one after another.

    Parameters
    ----------
    name
        The folder or pattern that they were found by.
    files
        At least one, in order.
    """

    name: str
    files: tuple[TableFile, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The first file's columns; all have the same."""
        return self.files[0].columns

    @property
    def rows(self) -> int | None:
        """The sum, where all files say how many they have."""
        known = [file.rows for file in self.files if file.rows is not None]
        return sum(known) if len(known) == len(self.files) else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(file.path for file in self.files)

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the files in order; see `TableFile.batches`."""
        wanted = list(self.columns if columns is None else columns)
        for file in self.files:
            yield from file.batches(wanted)


@dataclass(frozen=True, slots=True)
class Query:
    """Rows that a database gives.

    Parameters
    ----------
    sql
        A query, or a table's name.
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
        """The query; a bare name stands for the whole table."""
        name = self.sql.strip()
        if re.fullmatch(r"\w+(\.\w+)*", name):
            quoted = ".".join(f'"{part}"' for part in name.split("."))
            return f"SELECT * FROM {quoted}"  # noqa: S608 - a name of word characters
        return name

    def read(self) -> Iterator[pa.Table]:
        """Read the rows once, in batches; at least one, for the columns' names.

        Raises
        ------
        ChurnkitError
            If the database cannot be reached or refuses the query.
        """
        if _is_duckdb(self.url):
            yield from _from_duckdb(Path(self.url), self.text)
        else:
            yield from _from_sqlalchemy(self.url, self.text)


def open_source(source: str | Path, *, sql: str | None = None) -> Source | Query:
    """Find out what a person means by a source.

    Parameters
    ----------
    source
        A .csv or .parquet file; a folder of such files, read in the order of their names; a
        pattern such as ``exports/2026-*.parquet``; or, with `sql`, a DuckDB file or a
        SQLAlchemy URL.
    sql
        A query, or a table's name.

    Raises
    ------
    ChurnkitError
        If there is nothing of that name, or a database comes without a query.
    DataError
        If the files of a folder have different columns.
    """
    said = str(source)
    if _URL.match(said) or _is_duckdb(said):
        if sql is None:
            raise ChurnkitError(
                f"{_shown(said)} is a database: say what to read from it with --sql 'SELECT ...' "
                "or --sql TABLE"
            )
        if _is_duckdb(said) and not Path(said).is_file():
            raise ChurnkitError(f"{said} does not exist: name a DuckDB file")
        return Query(sql, said)
    if sql is not None:
        raise ChurnkitError(
            f"{said} is not a database: --sql asks a DuckDB file (.duckdb) or a URL such as "
            "postgresql://host/db"
        )
    path = Path(source)
    if path.is_dir():
        return _several(said, [f for f in path.rglob("*") if _is_table(f, path)])
    if _PATTERN.search(said) and not path.exists():
        root = Path(path.anchor or ".")
        pattern = str(path.relative_to(path.anchor)) if path.anchor else said
        return _several(said, [f for f in root.glob(pattern) if f.is_file()])
    return open_table(path)


def read_all(source: Source | Query, *, columns: list[str] | None = None) -> pa.Table:
    """Read a whole source.

    Parameters
    ----------
    source
        From `open_source`.
    columns
        Only those of these that it has; all if None.
    """
    if isinstance(source, Query):
        table = pa.concat_tables(list(source.read()), promote_options="permissive")
        return table if columns is None else table.select(_having(table.column_names, columns))
    wanted = _having(source.columns, columns)
    batches = list(source.batches(wanted))
    if batches:
        return pa.concat_tables(batches, promote_options="permissive")
    return pa.table({name: pa.array([], pa.string()) for name in wanted})


def _having(names: Sequence[str], columns: list[str] | None) -> list[str]:
    return [name for name in names if columns is None or name in columns]


def _is_duckdb(said: str) -> bool:
    return Path(said).suffix.lower() in _DUCKDB and not _URL.match(said)


def _is_table(file: Path, root: Path) -> bool:
    # Spark and others write notes, and unfinished files, under such names.
    hidden = any(part[0] in "._" for part in file.relative_to(root).parts)
    return not hidden and file.suffix.lower() in READABLE and file.is_file()


def _several(name: str, paths: list[Path]) -> TableFiles:
    if not paths:
        raise ChurnkitError(f"{name}: there is no .csv or .parquet file: name another folder")
    files = tuple(open_table(path) for path in sorted(paths))
    first = files[0]
    for file in files[1:]:
        lacking = [column for column in first.columns if column not in file.columns]
        if lacking:
            raise DataError(
                file.path.name,
                [
                    f"column '{column}' is missing, and {first.path.name} has it: give all files "
                    "the same columns"
                    for column in lacking
                ],
            )
    return TableFiles(name, files)


def _from_duckdb(path: Path, query: str) -> Iterator[pa.Table]:
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            answer = connection.sql(query)
            if answer is None:
                raise ChurnkitError(f"{path}: the statement gives no rows: give a SELECT")
            # Older versions call it otherwise.
            read = getattr(answer, "to_arrow_reader", None) or answer.fetch_arrow_reader
            reader = read(BATCH_ROWS)
            yield reader.schema.empty_table()
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except duckdb.Error as error:
        # The rest of a message may quote rows.
        first = str(error).partition("\n")[0]
        raise ChurnkitError(f"{path} cannot answer the query: {first}") from None


def _from_sqlalchemy(url: str, query: str) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    try:
        engine = sa.create_engine(url)
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(sa.text(query))
            names = list(result.keys())
            yield pa.table({name: pa.array([], pa.null()) for name in names})
            while rows := list(islice(result, BATCH_ROWS)):
                columns = zip(*rows, strict=True)
                yield pa.table(dict(zip(names, map(_column, columns), strict=True)))
    except ModuleNotFoundError as error:
        raise ChurnkitError(
            f"{_shown(url)} needs the driver '{error.name}': pip install it"
        ) from None
    except sa.exc.SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ChurnkitError(
            f"{_shown(url)} cannot answer the query ({kind}): try it in the database's own client"
        ) from None


def _column(values: tuple[Any, ...]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # A column of several types, as SQLite may have: the contract reads each value's text.
        return pa.array([None if value is None else str(value) for value in values])


def _shown(url: str) -> str:
    """Return an address as it may be shown: without a password."""
    return re.sub(r"//[^/@]*@", "//***@", url)

"""Open a table by its name: files and folders of any format, object stores, databases, streams."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa

from churnkit.core.io.customer_files import find_customer_files
from churnkit.core.io.file_reader import Original, check_exists, open_copy, open_file
from churnkit.core.io.formats.file_names import file_dates
from churnkit.core.io.formats.lakehouse import DELTA_LOG, is_iceberg, open_delta, open_iceberg
from churnkit.core.io.formats.signature import (
    READABLE,
    check_signature,
    kind_of,
    split_compression,
    table_stem,
)
from churnkit.core.io.locations import Location, mask_password, parse_location
from churnkit.core.io.query import Query
from churnkit.core.io.remote.download import download, read_standard_input
from churnkit.core.io.remote.object_parquet import ObjectParquet
from churnkit.core.io.remote.object_store import find_objects
from churnkit.core.io.source_files import (
    BatchSource,
    CopiedFile,
    PartitionFile,
    Source,
    TableFiles,
    add_dates,
    partition_values,
)
from churnkit.core.io.spool import spool_table, unify_types
from churnkit.core.io.table_file import TableFile, open_table, quote_column
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from churnkit.core.io.remote.object_store import ObjectFile

__all__ = [
    "HIDDEN",
    "Query",
    "Source",
    "TableFiles",
    "concatenate",
    "describe_join",
    "is_pattern",
    "list_files",
    "local_parquet",
    "open_rows",
    "open_source",
    "read_all",
    "read_table",
    "several_files",
]

_PATTERN = re.compile(r"[*?\[]")
HIDDEN = (".", "_", "~$")
"""Beginnings of names of metadata, of unfinished files, and of workbooks that a program has open."""
_DATABASES = {"sqlite", "duckdb", "database"}


def open_source(
    source: str | Path, *, sql: str | None = None, entity: str | None = None
) -> Source | Query:
    """Open a table by its name.

    Parameters
    ----------
    source
        A file: CSV, Parquet, Feather or Arrow, JSON or JSON lines, compressed or not; a workbook
        (``crm.xlsx#Sheet``); an SQLite or DuckDB file (``crm.sqlite#table``); a folder of files
        with the same columns, read in the order of their names, with the partition columns of
        its folders; a pattern such as ``exports/2026-*.parquet``; a Delta or Iceberg folder; a
        URL of an object store, of a download or, with `sql` or ``#table``, of a database; or
        ``"-"`` for standard input.
    sql
        A query, or the name of a table, for a database.
    entity
        The customer's id, by which files with one row per customer are joined; None joins none.

    Returns
    -------
    Source or Query
        The opened table, or the query, which has not run.

    Raises
    ------
    ChurnkitError
        If there is no such file, it is damaged or of another format than its name states, a sheet
        or table must be chosen, or a package or access is missing.
    DataError
        If the files of a folder have different columns.
    """
    location = parse_location(source)
    if location.is_database:
        return _open_database(location, sql)
    if sql is not None:
        return _open_database_file(location, sql)
    if location.is_local:
        return _open_path(location, entity)
    if location.is_object_store:
        return _open_objects(location, entity)
    if location.is_stream:
        return open_copy(read_standard_input(), "standard input", "standard input", None)
    label = mask_password(location.text).partition("?")[0]
    return open_copy(download(location.text), label, location.text, location.part)


def open_rows(source: Source | Query) -> Source:
    """Return a source that can be read repeatedly; a query is run once, to a temporary copy."""
    if not isinstance(source, Query):
        return source
    path = spool_table(("query", source.url, source.sql), source.read)
    file = open_table(path)
    return CopiedFile(file, "the query", (), [["query", source.sql, file.size]])


def read_table(
    source: str | Path,
    *,
    columns: list[str] | None = None,
    sql: str | None = None,
    entity: str | None = None,
) -> pa.Table:
    """Read a whole table by its name.

    Parameters
    ----------
    source, sql, entity
        As in `open_source`.
    columns
        Columns to read, where the table has them; all if None.

    Returns
    -------
    pyarrow.Table
        The rows in order; every CSV column is text.

    Raises
    ------
    ChurnkitError
        If the table cannot be opened or read.
    """
    return read_all(open_source(source, sql=sql, entity=entity), columns=columns)


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
        All rows in order. A column of different types in several files becomes text; nested
        values are returned as they are, for a schema to ignore.
    """
    if isinstance(source, Query):
        batches = list(source.read())
        batches = [part.select(_present(part.column_names, columns)) for part in batches]
    else:
        selected = _present(source.columns, columns)
        batches = list(source.batches(selected))
        if not batches:
            return pa.table({column: pa.array([], pa.string()) for column in selected})
    return concatenate(batches)


def describe_join(source: str | Path, entity: str | None) -> str:
    """Describe how several files are joined by the customer's id; empty if they are not."""
    location = parse_location(source)
    parts: _Parts | Source | Query | None = None
    if location.is_local:
        parts = _local_parts(location.path)
    elif location.is_object_store:
        parts = _object_parts(location)
    if entity is None or not isinstance(parts, _Parts) or any(parts.folders):
        return ""
    joined = find_customer_files(parts.files, entity)
    return "" if joined is None else joined.describe()


def local_parquet(source: Source | Query) -> Path:
    """Return a local Parquet file with the rows of a source; a temporary copy if necessary."""
    if isinstance(source, TableFile) and source.dialect is None:
        return source.path
    if isinstance(source, CopiedFile) and source.file.dialect is None:
        return source.file.path
    if isinstance(source, Query):
        return local_parquet(open_rows(source))

    def batches() -> Iterator[pa.Table]:
        empty = pa.table({name: pa.array([], pa.null()) for name in source.columns})
        yield from chain([empty], source.batches())

    return spool_table(("source", source.name, repr(source.fingerprint)), batches)


def concatenate(batches: list[pa.Table]) -> pa.Table:
    """Join tables of the same columns; columns of different types become text.

    Examples
    --------
    >>> concatenate([pa.table({"id": [1]}), pa.table({"id": ["b"]})])["id"].to_pylist()
    ['1', 'b']
    """
    if not batches:
        return pa.table({})
    if all(batch.schema.equals(batches[0].schema) for batch in batches):
        return pa.concat_tables(batches)
    schema = pa.schema(
        [
            (name, unify_types(batch.schema.field(name).type for batch in batches))
            for name in batches[0].column_names
        ]
    )
    return pa.concat_tables([batch.cast(schema) for batch in batches])


def _present(names: Sequence[str], columns: list[str] | None) -> list[str]:
    return [name for name in names if columns is None or name in columns]


def _open_database(location: Location, sql: str | None) -> Query:
    statement = sql if sql is not None else location.part
    if not statement:
        raise ChurnkitError(
            f"{location} is a database: add --sql 'SELECT ...' or --sql TABLE, or name a table as "
            f"{location}#TABLE"
        )
    return Query(statement, location.text)


def _open_database_file(location: Location, sql: str) -> Query:
    kind = kind_of(location.text) if location.is_local else None
    if kind not in _DATABASES:
        raise ChurnkitError(
            f"{location} is not a database: --sql needs an SQLite or DuckDB file, or a URL such as "
            "postgresql://host/db"
        )
    check_exists(location.path)
    check_signature(location.path, kind)
    return Query(sql, location.text)


def _open_path(location: Location, entity: str | None) -> Source | Query:
    parts = _local_parts(location.path)
    if isinstance(parts, _Parts):
        return _join(parts, entity)
    return open_file(location.path, location.part) if parts is None else parts


@dataclass(frozen=True, slots=True)
class _Parts:
    """Opened files of a folder, a pattern or a prefix, with the names of their folders below it."""

    name: str
    files: Sequence[Source]
    folders: Sequence[Sequence[str]]


def _local_parts(path: Path) -> _Parts | Source | None:
    """Open the files of a folder or a pattern, or a Delta or Iceberg table; None for a file."""
    if path.is_dir():
        return _open_lake(path) or _open_files(str(path), list_files(path), path)
    return _open_pattern(path) if is_pattern(path) else None


def is_pattern(source: str | Path) -> bool:
    """Return True for a path with wildcards that is not the name of a file.

    Examples
    --------
    >>> is_pattern("exports/2026-*.parquet"), is_pattern("exports/2026-01.parquet")
    (True, False)
    """
    location = parse_location(source)
    is_wild = _PATTERN.search(location.text) is not None
    return is_wild and location.is_local and not location.path.exists()


def _open_lake(path: Path) -> Source | None:
    name = str(path)
    if (path / DELTA_LOG).is_dir():
        schema, read, version = open_delta(name, name=name)
        return BatchSource(name, tuple(schema.names), (), [["delta", name, version]], read)
    if is_iceberg(path):
        schema, read, version = open_iceberg(path, name=name)
        return BatchSource(name, tuple(schema.names), (), [["iceberg", name, version]], read)
    return None


def several_files(source: str | Path) -> list[str] | None:
    """List the files of a folder, a pattern or a prefix; None for any other source."""
    location = parse_location(source)
    if location.is_object_store:
        root, pattern = _split_pattern(location.text)
        files, is_file = find_objects(root)
        return None if is_file else [file.url for file, _ in _choose_objects(files, root, pattern)]
    if location.is_local and location.path.is_dir():
        return list(map(str, list_files(location.path)))
    return list(map(str, _match_files(location.path)[1])) if is_pattern(source) else None


def list_files(folder: Path) -> list[Path]:
    """List the readable files of a folder and its subfolders, without databases and hidden files.

    Parameters
    ----------
    folder
        The folder. Names that begin with a dot or an underscore are those of metadata and of
        unfinished files.

    Returns
    -------
    list of pathlib.Path
        In the order of their names.
    """
    return sorted(
        file
        for file in folder.rglob("*")
        if _is_part(file.relative_to(folder).parts) and file.is_file()
    )


def _open_pattern(pattern: Path) -> _Parts:
    root, files = _match_files(pattern)
    dates = file_dates([file.name for file in files], pattern.name)
    return _open_files(str(pattern), files, root, dates)


def _match_files(pattern: Path) -> tuple[Path, list[Path]]:
    """Find the files of a pattern, whose leading folders that exist are taken literally."""
    root = Path(pattern.anchor or ".")
    parts = list(pattern.parts[1:] if pattern.anchor else pattern.parts)
    while len(parts) > 1 and (root / parts[0]).is_dir():
        root /= parts.pop(0)
    return root, sorted(file for file in root.glob("/".join(parts)) if file.is_file())


def _is_part(parts: Sequence[str]) -> bool:
    """Return True for a readable file other than metadata, which Spark and others hide."""
    kind = kind_of(parts[-1])
    return (
        kind is not None and kind not in _DATABASES and not any(p.startswith(HIDDEN) for p in parts)
    )


def _open_files(
    name: str, paths: Sequence[Path], root: Path, dates: Sequence[dt.date] | None = None
) -> _Parts:
    """Open files in order, with the dates in their names as a column if there are any."""
    parts = [file.relative_to(root) for file in paths]
    _refuse_copies(name, [part.as_posix() for part in parts])
    opened = [open_rows(open_file(path)) for path in paths]
    return _Parts(name, add_dates(opened, dates), [part.parts[:-1] for part in parts])


def _refuse_copies(name: str, files: Sequence[str]) -> None:
    """Refuse a table that a folder holds in two formats: its rows would be read twice."""
    formats: dict[str, str] = {}
    for file in files:
        folder, _, base = file.rpartition("/")
        stem = f"{folder}/{table_stem(base)}"
        if stem in formats:
            raise ChurnkitError(
                f"{name} has {formats[stem]} and {file}, which look like one table in two formats: "
                "remove one, or name a file or a pattern"
            )
        formats[stem] = file


def _join(parts: _Parts, entity: str | None) -> Source:
    """Join files of the same columns, with the partition columns of their folders."""
    name, opened, folders = parts.name, parts.files, parts.folders
    if not opened:
        raise ChurnkitError(f"{name}: there is no {READABLE} file: name another folder")
    files: list[Source] = []
    for file, values in zip(opened, partition_values(folders), strict=True):
        added = tuple(pair for pair in values.items() if pair[0] not in file.columns)
        files.append(PartitionFile(file, added) if added else file)
    first = files[0]
    if entity is not None and not any(folders):
        joined = find_customer_files(files, entity)
        if joined is not None:
            return joined.join(name)
    for file in files[1:]:
        missing = [column for column in first.columns if column not in file.columns]
        if len(missing) > len(first.columns) / 2:
            raise ChurnkitError(
                f"{name} has different tables, such as {first.name} and {file.name}: name the file "
                "with one row per customer, or add --as-of YYYY-MM-DD to build customers' rows from "
                "raw tables"
            )
        if missing:
            raise DataError(
                file.name,
                [
                    f"{quote_column(first.columns, column)} of {first.name} is missing: give "
                    "all files the same columns"
                    for column in missing
                ],
            )
    return TableFiles(name, tuple(files))


def _open_objects(location: Location, entity: str | None) -> Source | Query:
    """Open a file, a prefix or a pattern of an object store."""
    parts = _object_parts(location)
    return _join(parts, entity) if isinstance(parts, _Parts) else parts


def _object_parts(location: Location) -> _Parts | Source | Query:
    """Open the files of a prefix or a pattern, or a file, or a Delta table."""
    url = location.text
    root, pattern = _split_pattern(url)
    files, is_file = find_objects(root)
    if is_file:
        return _open_object(files[0], location.part)
    if any(DELTA_LOG in PurePosixPath(file.path).parts[:-1] for file in files):
        schema, read, version = open_delta(url, name=url)
        return BatchSource(url, tuple(schema.names), (), [["delta", url, version]], read)
    chosen = _choose_objects(files, root, pattern)
    _refuse_copies(url, ["/".join(part) for _, part in chosen])
    opened = [open_rows(_open_object(file)) for file, _ in chosen]
    dates = file_dates([part[-1] for _, part in chosen], pattern[-1]) if pattern else None
    return _Parts(url, add_dates(opened, dates), [part[:-1] for _, part in chosen])


def _choose_objects(
    files: Sequence[ObjectFile], root: str, pattern: Sequence[str]
) -> list[tuple[ObjectFile, tuple[str, ...]]]:
    """Choose the readable files below a prefix, or of a pattern, with their path below it."""
    base = root.partition("://")[2].rstrip("/")
    parts = [(file, PurePosixPath(file.path).relative_to(base).parts) for file in files]
    return [
        (file, part)
        for file, part in parts
        if _is_part(part) and (not pattern or _matches(part, pattern))
    ]


def _split_pattern(url: str) -> tuple[str, tuple[str, ...]]:
    scheme, _, rest = url.partition("://")
    parts = rest.split("/")
    first = next((i for i, part in enumerate(parts) if re.search(r"[*\[]", part)), len(parts))
    return f"{scheme}://{'/'.join(parts[:first])}", tuple(parts[first:])


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


def _open_object(file: ObjectFile, part: str | None = None) -> Source | Query:
    kind = kind_of(file.name)
    if kind is None:
        raise ChurnkitError(f"{file.url}: a table is a {READABLE} file")
    if kind == "parquet" and split_compression(file.name)[1] is None:
        return ObjectParquet.open(file)
    original = Original(file.url, file.url, (), [[file.url, file.size, file.modified]])
    return open_file(file.download(), part, original=original)

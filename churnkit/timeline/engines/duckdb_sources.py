"""Open the source tables of a timeline in DuckDB and check them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.locations import parse_location
from churnkit.core.io.raw_tables import is_parquet
from churnkit.core.io.source_files import partition_values
from churnkit.core.io.table_file import TableFile
from churnkit.core.io.table_sources import is_pattern, list_files, local_parquet, open_source
from churnkit.errors import DataError
from churnkit.timeline.engines.casts import (
    RowChecks,
    cast_columns,
    entity_type,
    find_lookup,
    find_source,
    lookup_columns,
    lookup_key,
    refuse_duplicate_keys,
)
from churnkit.timeline.engines.duckdb_casts import cast_column, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from churnkit.timeline.engines.casts import Cast
    from churnkit.timeline.source_tables import Table

__all__ = ["TableStats", "column_types", "open_table"]

_RAW = "ck_raw_"

_NUMBERS = ("integer", "number")


@dataclass(frozen=True, slots=True)
class TableStats:
    """Statistics of a checked table.

    Parameters
    ----------
    entity_type
        SQL type of the customer column.
    first, last
        Microseconds since 1970 at which its first and last rows became known; None without rows.
    end
        Microseconds until which its rows are known, see `RowChecks.end`; None without rows.
    complete
        Numeric columns without missing values.
    """

    entity_type: str
    first: int | None
    last: int | None
    end: int | None
    complete: tuple[str, ...] = ()


def open_table(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    tables: Mapping[str, Any],
    *,
    columns: Sequence[str],
) -> TableStats:
    """Create a view of the table with its columns cast as declared, and check its rows.

    Parameters
    ----------
    con
        Connection in which the view is created.
    table
        The declaration.
    tables
        The data by source name.
    columns
        Declared columns to read in addition to the id and timestamps.

    Returns
    -------
    TableStats

    Raises
    ------
    DataError
        If the table or a column is missing, has values that cannot be cast, or duplicate keys.
        It names the table, the column and the correction.
    """
    data = find_source(table, tables)
    raw = f"{_RAW}{table.source}"
    types = column_types(con, table.source, data)
    trim = _is_text_file(data)
    if table.lookups:
        joined = _join_lookups(con, table, tables, columns, raw)
        raw, types, trim = joined, _described(con, joined), True
    cast = partial(cast_column, zone=table.time_zone, trim=trim, missing=table.missing)
    casts = cast_columns(
        table,
        columns,
        types,
        lambda name, kind, declared: cast(
            quote(name), kind, declared, written=table.formats.get(name)
        ),
    )
    view = ", ".join(f"{cast.value} AS {quote(name)}" for name, cast in casts.items())
    con.execute(f"CREATE TEMP VIEW {quote(table.name)} AS SELECT {view} FROM {quote(raw)}")  # noqa: S608
    first, last, end = _check_rows(con, table, raw, casts)
    numbers = [
        column.name
        for column in table.raw_columns
        if column.name in casts and column.type in _NUMBERS
    ]
    complete = _complete_columns(con, table, numbers)
    return TableStats(entity_type(table, types), first, last, end, complete)


def column_types(con: duckdb.DuckDBPyConnection, source: str, data: Any) -> dict[str, str]:
    """Register a table, and return the SQL types of its columns.

    Examples
    --------
    >>> import duckdb
    >>> column_types(duckdb.connect(), "orders", [{"buyer": "a", "amount": 1.5}])
    {'buyer': 'VARCHAR', 'amount': 'DOUBLE'}
    """
    raw = f"{_RAW}{source}"
    _register(con, raw, source, data)
    return _described(con, raw)


def _described(con: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    described = con.execute(f"DESCRIBE SELECT * FROM {quote(view)}").fetchall()  # noqa: S608
    return {str(name): str(kind) for name, kind, *_ in described}


def _join_lookups(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    tables: Mapping[str, Any],
    columns: Sequence[str],
    raw: str,
) -> str:
    """Create a view of the rows with the columns of the looked-up tables, and return its name."""
    types = [_described(con, raw)]
    types += [
        column_types(con, lookup.source, find_lookup(lookup, tables)) for lookup in table.lookups
    ]
    taken = lookup_columns(table, columns, types)
    current = f"SELECT * FROM {quote(raw)}"  # noqa: S608
    for lookup, names in zip(table.lookups, taken, strict=True):
        source = quote(f"{_RAW}{lookup.source}")
        key = lookup_key(f"CAST({quote(lookup.to)} AS VARCHAR)")
        listed = "".join(f", {quote(name)}" for name in names)
        rows = f"SELECT DISTINCT {key} AS ck_key{listed} FROM {source} WHERE {quote(lookup.to)} IS NOT NULL"  # noqa: S608
        repeated = f"SELECT 1 FROM ({rows}) GROUP BY ck_key HAVING count(*) > 1"  # noqa: S608
        (duplicates,) = con.execute(f"SELECT count(*) FROM ({repeated})").fetchone() or (0,)  # noqa: S608
        refuse_duplicate_keys(lookup, duplicates)
        own = lookup_key(f"CAST(l.{quote(lookup.key)} AS VARCHAR)")
        added = "".join(f", r.{quote(name)}" for name in names)
        current = f"SELECT l.*{added} FROM ({current}) l LEFT JOIN ({rows}) r ON {own} = r.ck_key"  # noqa: S608
    view = f"ck_joined_{table.name}"
    con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(view)} AS {current}")
    return view


def _register(con: duckdb.DuckDBPyConnection, raw: str, name: str, data: Any) -> None:
    if con.execute("SELECT 1 FROM duckdb_views() WHERE view_name = ?", [raw]).fetchall():
        return
    if isinstance(data, (str, Path)):
        _check_file(name, data)
    if isinstance(data, (str, Path)) and is_parquet(data):
        _scan_parquet(con, raw, name, Path(data))
        return
    if isinstance(data, (str, Path)):
        source = open_source(data)
        if not isinstance(source, TableFile):
            _scan_parquet(con, raw, name, local_parquet(source))
            return
        table = source.dataset()
    else:
        table = as_arrow(data, name=name)
        for position, field in enumerate(table.schema):
            # DuckDB before 1.4 reads a column of type null as integers.
            if str(field.type) == "null":
                text = table.column(position).cast("string")
                table = table.set_column(position, field.name, text)
    _check_names(name, table.schema.names)
    con.register(raw, table)


def _scan_parquet(con: duckdb.DuckDBPyConnection, raw: str, name: str, path: Path) -> None:
    """Create a view of a Parquet file, or of a folder with its partition columns."""
    files = list_files(path) if path.is_dir() else [path]
    names = pq.read_schema(files[0]).names
    folders = [file.relative_to(path).parts[:-1] for file in files] if path.is_dir() else []
    partitions = [set(values) for values in partition_values(folders)]
    shared = set.intersection(*partitions) if partitions else set()
    # Columns of the files take precedence over those of the folders.
    is_partitioned = bool(shared) and not shared & set(names) and set.union(*partitions) == shared
    _check_names(name, [*names, *(shared if is_partitioned else ())])
    paths = ", ".join(quote(_literal_path(file), "'") for file in files)
    # The path is data: it has no wildcards.
    scan = (
        f"read_parquet([{paths}], union_by_name = true, "
        f"hive_partitioning = {str(is_partitioned).lower()})"
    )
    con.execute(f"CREATE TEMP VIEW {quote(raw)} AS SELECT * FROM {scan}")  # noqa: S608


def _is_text_file(data: Any) -> bool:
    """Return True for data whose columns may be text with surrounding whitespace."""
    return isinstance(data, (str, Path)) and not is_parquet(data)


def _check_file(name: str, data: str | Path) -> None:
    location = parse_location(data)
    if not location.is_local or location.path.is_dir() or is_pattern(data):
        return
    if not location.path.is_file():
        raise DataError(name, f"file {location.path.name} does not exist; correct the path")
    if kind_of(location.path.name) is None:
        raise DataError(name, f"{location.path.name} is neither Parquet nor CSV; convert it")


def _literal_path(file: Path) -> str:
    return re.sub(r"([*?\[])", r"[\1]", str(file))


def _check_names(table: str, names: Sequence[str]) -> None:
    """Check that column names are unique, also without case, which SQL ignores."""
    by_lower: dict[str, str] = {}
    for name in names:
        if name.lower() in by_lower:
            other = by_lower[name.lower()]
            raise DataError(
                table, f"columns '{other}' and '{name}' have the same name in SQL; rename one"
            )
        by_lower[name.lower()] = name


def _complete_columns(
    con: duckdb.DuckDBPyConnection, table: Table, names: list[str]
) -> tuple[str, ...]:
    """List the columns without missing values, which later need no separate count."""
    if not names:
        return ()
    missing = ", ".join(f"count(*) - count({quote(name)})" for name in names)
    counts = con.execute(f"SELECT {missing} FROM {quote(table.name)}").fetchone() or ()  # noqa: S608
    return tuple(name for name, count in zip(names, counts, strict=True) if not count)


def _check_rows(
    con: duckdb.DuckDBPyConnection, table: Table, raw: str, casts: Mapping[str, Cast]
) -> tuple[int | None, int | None, int | None]:
    """Check the rows in one scan, and return the first and last timestamps, and the end."""
    checks = RowChecks(table, casts)
    counts = "".join(f", count(*) FILTER (WHERE {condition})" for condition in checks.conditions)
    first = f"epoch_us(min({checks.timestamp}) FILTER (WHERE {checks.is_event}))"
    times = f"{first}, epoch_us(max({checks.timestamp})), {checks.end('epoch_us')}"
    query = f"SELECT count(*), {times}{counts} FROM {quote(raw)}"  # noqa: S608
    rows, start, last, end, *invalid = con.execute(query).fetchone() or (0, None, None, None)
    duplicates = 0
    if table.key:
        key = ", ".join(map(quote, table.key))
        groups = f"SELECT 1 FROM {quote(raw)} GROUP BY {key} HAVING count(*) > 1"  # noqa: S608
        (duplicates,) = con.execute(f"SELECT count(*) FROM ({groups})").fetchone() or (0,)  # noqa: S608
    checks.raise_faults(rows, invalid, duplicates)
    return start, last, end

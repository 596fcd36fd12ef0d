"""Databases and files as sources: tables, queries, and what other loaders leave in a warehouse."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from churnkit.connect.description.provider import Endpoint, Family, Provider, Source, Stream
from churnkit.connect.http.auth import HeaderKey
from churnkit.connect.secrets import Secret
from churnkit.core.loader_columns import is_loader_column
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

__all__ = ["Files", "Sql", "TableQuery", "column_kinds", "read_tables", "row_values"]

_BATCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class TableQuery:
    """A table or query of a database, or a file or folder, as a stream of records.

    Parameters
    ----------
    origin
        Name of a table, a query, or a location of files.
    key
        Columns that identify a record.
    family
        Family of tables it belongs to.
    customer
        Column of the customer's id; becomes ``customer_id``.
    happened, ended
        Columns of the time at which the record began or happened, and ended.
    modified
        Column of the last modification, for databases; without one each pull reads all rows.
    constant
        Columns that never change.
    log
        True if records are events, which do not change.

    Examples
    --------
    >>> TableQuery("SELECT id, customer, total FROM orders", key=("id",), customer="customer").log
    False
    """

    origin: str
    key: tuple[str, ...]
    family: Family = "events"
    customer: str | None = None
    happened: str | None = None
    ended: str | None = None
    modified: str | None = None
    constant: tuple[str, ...] = ()
    log: bool = False


def Sql(url: Secret, **tables: TableQuery) -> Source:  # noqa: N802 - one of the sources
    """Declare a database as a source.

    Parameters
    ----------
    url
        Secret SQLAlchemy URL, or a DuckDB or SQLite file.
    **tables
        Tables and queries by the name of the stream.

    Returns
    -------
    Source
        The declared source.

    Raises
    ------
    ConnectError
        If the URL is given as text.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> Sql(Env("WAREHOUSE_URL"), orders=TableQuery("orders", key=("id",))).streams[0].name
    'orders'
    """
    if not isinstance(url, Secret):
        raise ConnectError("Sql: url is a secret: pass Env('NAME'), SecretFile('PATH') or Command")
    return _declare("sql", tables, {"url": url})


def Files(**tables: TableQuery) -> Source:  # noqa: N802 - one of the sources
    """Declare files, folders or object stores as a source.

    Parameters
    ----------
    **tables
        Locations by the name of the stream.

    Returns
    -------
    Source
        The declared source.

    Examples
    --------
    >>> Files(orders=TableQuery("s3://lake/orders/", key=("id",))).provider.name
    'files'
    """
    return _declare("files", tables, {})


def _declare(name: str, tables: Mapping[str, TableQuery], secrets: Mapping[str, Secret]) -> Source:
    streams = tuple(_stream(key, table, is_sql=name == "sql") for key, table in tables.items())
    # No requests are sent; the URL is a secret of its own.
    address = "http://localhost"
    auth = HeaderKey(secrets=tuple(secrets))
    return Source(Provider(name, address, auth, streams=streams), secrets, {}, address)


def _stream(name: str, table: TableQuery, *, is_sql: bool) -> Stream:
    changes = None
    if is_sql and table.modified is not None:
        column = '"' + table.modified.replace('"', '""') + '"'
        inner = table.origin if " " in table.origin.strip() else f"SELECT * FROM {table.origin}"  # noqa: S608 - declared by the user
        query = f"SELECT * FROM ({inner}) AS changed WHERE {column} >= '{{since_sql}}'"  # noqa: S608 - as above
        changes = Endpoint(query, format="table")
    columns = {} if table.customer in {None, "customer_id"} else {"customer_id": table.customer}
    return Stream(
        name,
        table.family,
        Endpoint(table.origin, format="table"),
        {column: path for column, path in columns.items() if path is not None},
        changes=changes,
        key=table.key,
        rest="",
        happened=table.happened,
        ended=table.ended,
        constant=(*table.key, "customer_id", *table.constant),
        log=table.log,
    )


def read_tables(source: Source, text: str) -> Iterator[pa.Table]:
    """Read a table of a database or files in batches.

    Parameters
    ----------
    source
        A source of `Sql` or `Files`.
    text
        Query, name of a table, or location.

    Yields
    ------
    pyarrow.Table
        Rows in order.

    Raises
    ------
    ChurnkitError
        If it cannot be read.
    """
    from churnkit.core.io.query import Query
    from churnkit.core.io.table_sources import open_rows, open_source

    url = source.secret("url") if source.secrets else None
    if url is None:
        opened = open_rows(open_source(text))
        batches = iter(opened.batches())
    else:
        batches = Query(text, url).read()
    for batch in batches:
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            yield batch.slice(start, _BATCH_ROWS)


def column_kinds(schema: pa.Schema, key: tuple[str, ...]) -> dict[str, str]:
    """Return the kind of each column; whole numbers that identify records are text.

    Columns that a loader added are left out.

    Examples
    --------
    >>> import pyarrow as pa
    >>> schema = pa.schema([("id", pa.int64()), ("total", pa.float64())])
    >>> column_kinds(schema, ("id",))
    {'id': 'text', 'total': 'number'}
    """
    import pyarrow as pa

    kinds = {}
    for column in schema:
        if is_loader_column(column.name):
            continue
        kind = column.type
        if pa.types.is_boolean(kind):
            name = "flag"
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            name = "time"
        elif pa.types.is_integer(kind):
            is_key = column.name in key or column.name.lower().endswith("id")
            name = "text" if is_key else "number"
        elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            name = "number"
        else:
            name = "text"
        kinds[column.name] = name
    return kinds


def row_values(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows as JSON-able data: times as ISO 8601, decimals as floats, bytes as hexadecimal.

    Examples
    --------
    >>> import pyarrow as pa
    >>> row_values(pa.table({"day": [dt.date(2026, 11, 2)]}))
    [{'day': '2026-11-02'}]
    """
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value

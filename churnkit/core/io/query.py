"""Rows returned by a database: DuckDB and SQLite files, and databases that SQLAlchemy opens."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa

from churnkit.core.io.formats.python_values import to_table
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.locations import mask_password, parse_location
from churnkit.core.io.table_file import BATCH_ROWS, refuse_duplicates
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Query",
    "check_connection",
    "choose_table",
    "connect_engine",
    "database_tables",
    "has_tables",
    "quote_identifier",
]

_DUCKDB = {".duckdb", ".ddb"}
# Packages that teach SQLAlchemy another database, by the scheme of its URL.
_DRIVERS = {
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "databricks": "databricks-sqlalchemy",
    "redshift": "sqlalchemy-redshift",
    "mssql": "pyodbc",
    "mysql": "PyMySQL",
    "mariadb": "PyMySQL",
    "oracle": "oracledb",
    "trino": "trino[sqlalchemy]",
    "clickhouse": "clickhouse-sqlalchemy",
    "athena": "pyathena[sqlalchemy]",
}


@dataclass(frozen=True, slots=True)
class Query:
    """Rows returned by a database.

    Parameters
    ----------
    sql
        A query, or the name of a table.
    url
        A SQLAlchemy URL, or a DuckDB or SQLite file.

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
        return _select(self.sql, quote_identifier)

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
        kind = _file_kind(self.url)
        if kind == "duckdb":
            yield from _query_duckdb(Path(self.url), self.text)
        elif kind == "sqlite":
            yield from _query_sqlite(Path(self.url), self.text)
        else:
            yield from _query_sqlalchemy(self.url, self.sql)


def quote_identifier(name: str) -> str:
    """Quote a name for standard SQL.

    Examples
    --------
    >>> quote_identifier("order")
    '"order"'
    """
    return '"' + name.replace('"', '""') + '"'


def _select(sql: str, quoted: Any) -> str:
    name = sql.strip()
    if re.fullmatch(r"\w+(\.\w+)*", name):
        return f"SELECT * FROM {'.'.join(map(quoted, name.split('.')))}"  # noqa: S608 - word characters
    return name


def _file_kind(url: str) -> str:
    """Return ``"duckdb"`` or ``"sqlite"`` for a database file, ``""`` for a URL."""
    if not parse_location(url).is_local:
        return ""
    path = Path(url)
    if path.suffix.lower() in _DUCKDB:
        return "duckdb"
    with path.open("rb") as stream:
        return "duckdb" if stream.read(12)[8:] == b"DUCK" else "sqlite"


def database_tables(path: Path, *, name: str, with_views: bool = True) -> list[str]:
    """List the tables of a DuckDB or SQLite file, and its views.

    Parameters
    ----------
    path
        The file.
    name
        Name of the file, for messages.
    with_views
        False for tables only.

    Returns
    -------
    list of str
        Names in order.

    Raises
    ------
    ChurnkitError
        If the file cannot be read.
    """
    kinds = {"table", "view"} if with_views else {"table"}
    if _file_kind(str(path)) == "duckdb":
        sql = (
            "SELECT table_name, if(table_type = 'VIEW', 'view', 'table') "
            "FROM information_schema.tables WHERE table_schema = 'main' ORDER BY table_name"
        )
        rows = [
            row
            for part in _query_duckdb(path, sql)
            for row in zip(*part.to_pydict().values(), strict=True)
        ]
    else:
        sql = (
            "SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
            "ORDER BY name"
        )
        with _sqlite_errors(name), closing(_connect_sqlite(path)) as connection:
            rows = list(connection.execute(sql))
    return [table for table, kind in rows if kind in kinds]


def has_tables(source: str) -> bool:
    """Return True for a local DuckDB or SQLite file with several tables, of which the name states none."""
    location = parse_location(source)
    is_database = location.is_local and kind_of(location.text) in {"sqlite", "duckdb", "database"}
    if not is_database or location.part is not None or not location.path.is_file():
        return False
    return len(database_tables(location.path, name=source)) > 1


def choose_table(path: Path, part: str | None, *, name: str) -> Query:
    """Return a query of the named table, or of the only one.

    Raises
    ------
    ChurnkitError
        If there is no such table, or several and none is named.
    """
    names = database_tables(path, name=name)
    listed = ", ".join(names)
    if part is None and len(names) > 1:
        raise ChurnkitError(
            f"{name} has {len(names)} tables ({listed}): name one as {name}#TABLE, add --sql "
            "'SELECT ...', or --as-of YYYY-MM-DD for raw tables"
        )
    if not names:
        raise ChurnkitError(f"{name} has no table: export it again, or correct the name")
    if part is not None and part not in names:
        raise ChurnkitError(f"{name} has no table '{part}'; its tables are: {listed}")
    return Query(f"SELECT * FROM {quote_identifier(part or names[0])}", str(path))  # noqa: S608 - quoted


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


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    # Opened for reading, so that a wrong name creates no database.
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    connection.text_factory = _decode
    return connection


def _decode(text: bytes) -> str:
    """Decode a text of SQLite: UTF-8, else Windows-1252, which programs store without a check."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")


def _query_sqlite(path: Path, query: str) -> Iterator[pa.Table]:
    with _sqlite_errors(str(path)), closing(_connect_sqlite(path)) as connection:
        cursor = connection.execute(query)
        if cursor.description is None:
            raise ChurnkitError(f"{path}: the statement returns no rows: use a SELECT")
        names = [column[0] for column in cursor.description]
        refuse_duplicates("the query", names)
        yield to_table(names, [])
        while rows := cursor.fetchmany(BATCH_ROWS):
            yield to_table(names, rows)


@contextmanager
def _sqlite_errors(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        reason = str(error).partition(":")[0]
        raise ChurnkitError(
            f"{name}: the query failed: {reason}; check the query, and that the file is a complete "
            "SQLite database"
        ) from None


def connect_engine(url: str) -> Any:
    """Create a SQLAlchemy engine without a pool: connections are closed after use.

    Raises
    ------
    ChurnkitError
        If the URL is malformed, or a package is not installed; it is named.
    """
    import sqlalchemy as sa

    shown = mask_password(url)
    scheme = parse_location(url).scheme
    dialect = scheme.partition("+")[0]
    if scheme in {"postgres", "postgresql"}:
        # The driver of the extra, where the URL names none.
        url = f"postgresql+psycopg{url[len(scheme) :]}"
    try:
        return sa.create_engine(url, poolclass=sa.NullPool)
    except ModuleNotFoundError as error:
        if scheme in {"postgres", "postgresql"}:
            raise MissingExtraError("postgres", "psycopg") from None
        package = _DRIVERS.get(dialect, error.name)
        raise ChurnkitError(f"{shown} needs the package {package}: pip install {package}") from None
    except sa.exc.NoSuchModuleError:
        if dialect in _DRIVERS:
            package = _DRIVERS[dialect]
            raise ChurnkitError(
                f"{shown} needs the package {package}: pip install '{package}'"
            ) from None
        raise ChurnkitError(
            f"{shown}: unknown scheme '{scheme}': correct it, or install its SQLAlchemy dialect"
        ) from None
    except (sa.exc.SQLAlchemyError, ValueError):
        raise ChurnkitError(
            f"{shown} is not a database URL: write it as dialect://user:password@host/database"
        ) from None


def check_connection(url: str) -> None:
    """Connect to a database and disconnect.

    Raises
    ------
    ChurnkitError
        If it cannot be reached.
    """
    import sqlalchemy as sa

    try:
        with connect_engine(url).connect():
            pass
    except sa.exc.SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ChurnkitError(
            f"{mask_password(url)} cannot be reached ({kind}): check the address and the access"
        ) from None


def _refuse_new_sqlite(url: str) -> None:
    """Refuse an SQLite file that does not exist, which would be created."""
    scheme, _, path = url.partition(":///")
    if scheme.partition("+")[0] == "sqlite" and path and not path.startswith(("file:", ":memory:")):
        file = Path(path.partition("?")[0])
        if not file.exists():
            raise ChurnkitError(f"{file} does not exist: name an SQLite database")


def _query_sqlalchemy(url: str, query: str) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    _refuse_new_sqlite(url)
    engine = connect_engine(url)
    text = _select(query, engine.dialect.identifier_preparer.quote_identifier)
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            result = connection.execute(sa.text(text))
            if not result.returns_rows:
                raise ChurnkitError(
                    f"{mask_password(url)}: the statement returns no rows: use a SELECT"
                )
            names = list(result.keys())
            refuse_duplicates("the query", names)
            yield to_table(names, [])
            while rows := list(islice(result, BATCH_ROWS)):
                yield to_table(names, [tuple(row) for row in rows])
    except sa.exc.SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ChurnkitError(
            f"{mask_password(url)}: the query failed ({kind}): try it in the database's own client"
        ) from None

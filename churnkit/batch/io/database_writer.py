"""Write result tables to tables of databases."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.batch.io.table_writer import Writer
from churnkit.core.io.formats.signature import kind_of
from churnkit.core.io.query import connect_engine, quote_identifier
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from churnkit.batch.io.outputs import OutputTarget

__all__ = ["DatabaseWriter", "DuckDbWriter"]


class DatabaseWriter(Writer):
    """Write tables to a table of a database that SQLAlchemy opens.

    Rows go to a table of a temporary name, which takes the place of an earlier output at the end.

    Parameters
    ----------
    output
        URL of a database, or an SQLite file, and the name of the table.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If the database cannot be reached, or a table of that name has other columns.
    """

    def __init__(self, output: OutputTarget, schema: pa.Schema) -> None:
        import sqlalchemy as sa

        self._rows = 0
        self._label = str(output)
        self._name = str(output.location.part)
        self._staging = f"{self._name[:40]}_{secrets.token_hex(4)}"
        location = output.location
        url = location.text
        if location.is_local:
            location.path.parent.mkdir(parents=True, exist_ok=True)
            url = f"sqlite:///{location.path.absolute()}"
        self._engine = connect_engine(url)
        columns = [sa.Column(field.name, _sql_type(field.type)) for field in schema]
        self._table = sa.Table(self._staging, sa.MetaData(), *columns)
        with self._errors():
            self._replaces = _refuse_other(
                self._label,
                [column["name"] for column in sa.inspect(self._engine).get_columns(self._name)]
                if sa.inspect(self._engine).has_table(self._name)
                else None,
                schema.names,
            )
            self._table.create(self._engine)

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        rows = table.to_pylist()
        if rows:
            with self._errors(), self._engine.begin() as connection:
                connection.execute(self._table.insert(), rows)
        self._rows += table.num_rows

    def seal(self) -> None:
        """Nothing remains to be done: rows are committed as they are written."""

    def finish(self) -> None:
        """Put the table in place of the earlier one."""
        import sqlalchemy as sa

        quoted = self._engine.dialect.identifier_preparer.quote_identifier
        with self._errors(), self._engine.begin() as connection:
            if self._replaces:
                connection.execute(sa.text(f"DROP TABLE {quoted(self._name)}"))
            connection.execute(
                sa.text(f"ALTER TABLE {quoted(self._staging)} RENAME TO {quoted(self._name)}")
            )
        self._staging = ""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import sqlalchemy as sa

        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            kind = type(getattr(error, "orig", None) or error).__name__
            raise _cannot_write(self._label, kind) from None

    def discard(self) -> None:
        """Remove what was not finished."""
        import sqlalchemy as sa

        if self._staging:
            with suppress(sa.exc.SQLAlchemyError):
                self._table.drop(self._engine)
        self._engine.dispose()


class DuckDbWriter(Writer):
    """Write tables to a table of a DuckDB file, in one transaction.

    Parameters
    ----------
    output
        DuckDB file and the name of the table.
    schema
        Schema of all tables.

    Raises
    ------
    ChurnkitError
        If the file cannot be written, or a table of that name has other columns.
    """

    def __init__(self, output: OutputTarget, schema: pa.Schema) -> None:
        import duckdb

        self._rows = 0
        self._label = str(output)
        self._name = str(output.location.part)
        with self._errors():
            output.location.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = duckdb.connect(output.location.text)
        try:
            self._create(schema)
        except BaseException:
            self._connection.close()
            raise

    def _create(self, schema: pa.Schema) -> None:
        listed = "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
        with self._errors():
            earlier = [row[0] for row in self._connection.execute(listed, [self._name]).fetchall()]
            _refuse_other(self._label, earlier or None, schema.names)
            self._connection.execute("BEGIN")
            self._connection.register("ck_rows", schema.empty_table())
            self._connection.execute(
                f"CREATE OR REPLACE TABLE {quote_identifier(self._name)} AS FROM ck_rows"
            )

    @property
    def rows(self) -> int:
        """Number of rows written."""
        return self._rows

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        with self._errors():
            self._connection.register("ck_rows", table)
            self._connection.execute(f"INSERT INTO {quote_identifier(self._name)} FROM ck_rows")
        self._rows += table.num_rows

    def seal(self) -> None:
        """Nothing remains to be done: the transaction ends with `finish`."""

    def finish(self) -> None:
        """Commit the transaction."""
        with self._errors():
            self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise _cannot_write(self._label, type(error).__name__) from None

    def discard(self) -> None:
        """Remove what was not finished."""
        # Without a commit, closing rolls back.
        self._connection.close()


def is_duckdb(output: OutputTarget) -> bool:
    """Return True for a table of a DuckDB file."""
    return output.location.is_local and kind_of(output.location.text) == "duckdb"


def _refuse_other(label: str, earlier: Sequence[str] | None, names: Sequence[str]) -> bool:
    """Return True if there is an earlier output; refuse a table with other columns."""
    if earlier is None:
        return False
    if sorted(map(str.lower, earlier)) != sorted(map(str.lower, names)):
        raise ChurnkitError(
            f"{label} has other columns than the results and would be replaced: name another table"
        )
    return True


def _cannot_write(label: str, kind: str) -> ChurnkitError:
    return ChurnkitError(
        f"cannot write {label}: the database refuses ({kind}); check the access and the name; "
        "nothing was changed"
    )


def _sql_type(kind: pa.DataType) -> Any:
    import sqlalchemy as sa

    if pa.types.is_dictionary(kind):
        return _sql_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return sa.Numeric(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=kind.tz is not None)
    checks = (
        (pa.types.is_boolean, sa.Boolean),
        (pa.types.is_integer, sa.BigInteger),
        (pa.types.is_floating, sa.Double),
        (pa.types.is_date, sa.Date),
    )
    return next((column() for check, column in checks if check(kind)), sa.Text())

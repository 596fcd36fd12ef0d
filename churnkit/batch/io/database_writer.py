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

# Comment of the tables that churnkit writes, and a constraint where a database has no comments.
_MARK = "Written by churnkit, which replaces it"
_MARK_NAME = "written_by_churnkit"


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
        If the database cannot be reached, or a table of that name is no earlier output.
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
        self._table = sa.Table(self._staging, sa.MetaData(), *columns, comment=_MARK)
        if not self._engine.dialect.supports_comments:
            self._table.append_constraint(sa.CheckConstraint("1 = 1", name=_MARK_NAME))
        with self._errors():
            self._replaces = self._refuse_other(schema.names)
            self._table.create(self._engine)

    def _refuse_other(self, names: Sequence[str]) -> bool:
        import sqlalchemy as sa

        inspector = sa.inspect(self._engine)
        if not inspector.has_table(self._name):
            return False
        columns = [column["name"] for column in inspector.get_columns(self._name)]
        if self._engine.dialect.supports_comments:
            is_own = inspector.get_table_comment(self._name)["text"] == _MARK
        else:
            constraints = inspector.get_check_constraints(self._name)
            is_own = any(constraint["name"] == _MARK_NAME for constraint in constraints)
        _refuse_other(self._label, columns, names, is_own=is_own)
        return True

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
        If the file cannot be written, or a table of that name is no earlier output.
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
        name = quote_identifier(self._name)
        described = "SELECT comment FROM duckdb_tables() WHERE table_name = ?"
        listed = "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
        with self._errors():
            columns = [row[0] for row in self._connection.execute(listed, [self._name]).fetchall()]
            comments = self._connection.execute(described, [self._name]).fetchall()
            if columns:
                is_own = [text for (text,) in comments] == [_MARK]
                _refuse_other(self._label, columns, schema.names, is_own=is_own)
            self._connection.execute("BEGIN")
            self._connection.register("ck_rows", schema.empty_table())
            self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM ck_rows")
            self._connection.execute(f"COMMENT ON TABLE {name} IS '{_MARK}'")

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


def _refuse_other(
    label: str, columns: Sequence[str], names: Sequence[str], *, is_own: bool
) -> None:
    """Refuse a table with other columns, or one that churnkit did not write."""
    if sorted(map(str.lower, columns)) != sorted(map(str.lower, names)):
        raise ChurnkitError(
            f"{label} has other columns than the results and would be replaced: name another table"
        )
    if not is_own:
        raise ChurnkitError(
            f"{label} exists, churnkit did not write it, and it would be replaced: name another "
            "table, or drop this one"
        )


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

"""Names, texts and numbers as a database's dialect spells them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sqlglot import ErrorLevel, exp, parse_one
from sqlglot.errors import SqlglotError

from churnkit.contracts.parsing.cell_parsers import DAY
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DIALECTS", "MAX_BYTES", "SqlDialect", "number"]

DIALECTS: Final = ("duckdb", "postgres", "snowflake", "bigquery", "databricks")
# Longest statement in bytes, where the database documents one.
MAX_BYTES: Final = {"snowflake": 1_048_576, "bigquery": 1_048_576}
# Databases that read 1E0 as a decimal number; a constant of a calculation needs the type.
_TYPED: Final = {"postgres": "FLOAT8", "snowflake": "FLOAT"}


def number(value: float) -> str:
    """Return a 64-bit float as a literal with an exponent, its shortest exact text.

    Examples
    --------
    >>> number(0.1), number(-1200.0), number(1e-35)
    ('1E-1', '-1.2E3', '1E-35')
    """
    return f"{Decimal(repr(float(value))).normalize():E}".replace("E+", "E")


@dataclass(frozen=True)
class SqlDialect:
    """The spelling of one dialect.

    Parameters
    ----------
    name
        One of `DIALECTS`.

    Raises
    ------
    RecipeError
        If the dialect is unknown.

    Examples
    --------
    >>> dialect = SqlDialect("postgres")
    >>> dialect.column("plan"), dialect.text("it's"), dialect.double(0.5)
    ('"plan"', "'it''s'", '5E-1::FLOAT8')
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in DIALECTS:
            raise RecipeError(
                f"unknown dialect '{self.name}'; choose one of: {', '.join(DIALECTS)}"
            )

    def column(self, name: str) -> str:
        """Quote the name of a column."""
        return self._sql(exp.to_identifier(name, quoted=True))

    def table(self, name: str) -> str:
        """Return a table's name, such as ``crm.customers``.

        Raises
        ------
        RecipeError
            If the text is not a name.
        """
        try:
            parsed = parse_one(name, read=self.name, into=exp.Table, error_level=ErrorLevel.RAISE)
        except SqlglotError:
            parsed = None
        if parsed is None or parsed.alias or not isinstance(parsed.this, exp.Identifier):
            raise RecipeError(
                f"'{name}' is not the name of a table: write it as in SQL, such as crm.customers"
            )
        return self._sql(parsed)

    def query(self, text: str) -> str:
        """Return a query in parentheses, for a FROM clause.

        Raises
        ------
        RecipeError
            If the text is not one query.
        """
        try:
            parsed = parse_one(text, read=self.name, error_level=ErrorLevel.RAISE)
        except SqlglotError as error:
            raise RecipeError(
                f"the query cannot be read as SQL of {self.name}: {_position(error)}"
            ) from error
        if not isinstance(parsed, exp.Query):
            raise RecipeError("the customers must be a query: start it with SELECT or WITH")
        return f"({self._sql(parsed)})"

    def text(self, value: str) -> str:
        """Return a text literal."""
        return self._sql(exp.Literal.string(value))

    def texts(self, values: Iterable[str]) -> str:
        """Return text literals with commas between them."""
        return ", ".join(map(self.text, values))

    def double(self, value: float) -> str:
        """Return a number whose type is a 64-bit float also where no other operand says so."""
        kind = _TYPED.get(self.name)
        return f"{number(value)}::{kind}" if kind else number(value)

    def as_double(self, operand: str) -> str:
        """Return an operand as a 64-bit float, NULL if it is NaN."""
        cast = f"CAST({operand} AS {self._type('double')})"
        if self.name == "bigquery":  # the only one where NaN is not equal to itself
            return f"CASE WHEN NOT IS_NAN({cast}) THEN {cast} END"
        return f"NULLIF({cast}, CAST('NaN' AS {self._type('double')}))"

    def as_days(self, operand: str) -> str:
        """Return a date or timestamp as days since 1970."""
        epoch = {
            "duckdb": "EPOCH_US(CAST({} AS TIMESTAMP))",
            "postgres": "EXTRACT(EPOCH FROM CAST({} AS TIMESTAMP)) * 1000000",
            "snowflake": "DATEDIFF(MICROSECOND, '1970-01-01'::TIMESTAMP_NTZ, CAST({} AS TIMESTAMP_NTZ))",
            "bigquery": "UNIX_MICROS(CAST({} AS TIMESTAMP))",
            "databricks": "UNIX_MICROS(CAST({} AS TIMESTAMP))",
        }[self.name].format(operand)
        return f"CAST({epoch} AS {self._type('double')}) / {self.double(DAY)}"

    def as_text(self, operand: str) -> str:
        """Return an operand as text."""
        return f"CAST({operand} AS {self._type('text')})"

    def trim(self, operand: str, *, more: str = "") -> str:
        """Return a text without blanks at its ends, and without the characters in `more`."""
        characters = self._blanks if not more else f"{self._blanks} || {self.text(more)}"
        if self.name in {"postgres", "databricks"}:
            return f"TRIM(BOTH {characters} FROM {operand})"
        return f"TRIM({operand}, {characters})"

    def has_nul(self, operand: str) -> str | None:
        """Return the test for a NUL character; None if the database stores none."""
        if self.name == "postgres":
            return None
        if self.name in {"snowflake", "databricks"}:
            return f"CHARINDEX(CHR(0), {operand}) > 0"
        return f"STRPOS({operand}, CHR(0)) > 0"

    @cached_property
    def materialized(self) -> str:
        """The keyword that keeps PostgreSQL from repeating a step's expressions."""
        return " MATERIALIZED" if self.name == "postgres" else ""

    @cached_property
    def _blanks(self) -> str:
        # By number: tabs and line ends inside a literal would not survive an editor.
        parts = ["' '", *(f"CHR({ord(blank)})" for blank in BLANKS if blank != " ")]
        return " || ".join(parts)

    def _type(self, name: str) -> str:
        return exp.DataType.build(name).sql(dialect=self.name)

    def _sql(self, node: Any) -> str:
        return str(node.sql(dialect=self.name))


def _position(error: SqlglotError) -> str:
    """Return where an error is, without the text around it, which is written in color."""
    details = getattr(error, "errors", None) or [{}]
    line, column = details[0].get("line"), details[0].get("col")
    return f"see line {line}, column {column}" if line else "it has unbalanced quotes"

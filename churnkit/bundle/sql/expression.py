"""CASE expressions: one comparison, a binary search among thresholds, a table of values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from churnkit.bundle.sql.dialect import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle.sql.dialect import SqlDialect

__all__ = ["Operand", "branch", "lookup", "search"]


class Operand(NamedTuple):
    """An expression, or the text of a constant whose type other operands must state."""

    text: str
    constant: float | None = None

    @classmethod
    def of(cls, value: float) -> Operand:
        """Return a constant."""
        return cls(number(value), value)

    def typed(self, dialect: SqlDialect) -> str:
        """Return the text with its type."""
        return self.text if self.constant is None else dialect.double(self.constant)


def branch(dialect: SqlDialect, condition: str, then: Operand, other: Operand) -> Operand:
    """Return one of two operands.

    Examples
    --------
    >>> from churnkit.bundle.sql.dialect import SqlDialect
    >>> branch(SqlDialect("postgres"), "x_1 < 3", Operand.of(0.5), Operand.of(2.0)).text
    'CASE WHEN x_1 < 3 THEN 5E-1::FLOAT8 ELSE 2E0 END'
    """
    first = then.text if other.constant is None else then.typed(dialect)
    return Operand(f"CASE WHEN {condition} THEN {first} ELSE {other.text} END")


def search(
    dialect: SqlDialect,
    name: str,
    thresholds: Sequence[float],
    values: Sequence[Operand],
    *,
    below: str,
) -> Operand:
    """Return the value of the interval that a number lies in, found by a binary search.

    Parameters
    ----------
    name
        The number's column.
    thresholds : (m,) ascending
    values : (m + 1,) for the intervals from left to right
    below
        ``"<"`` or ``"<="``: the comparison of a number with the threshold at its right.
    """
    if not thresholds:
        return values[0]
    middle = len(thresholds) // 2
    # Rows with an infinite value are refused, so the largest number takes its place.
    cut = min(max(thresholds[middle], -sys.float_info.max), sys.float_info.max)
    return branch(
        dialect,
        f"{name} {below} {number(cut)}",
        search(dialect, name, thresholds[:middle], values[: middle + 1], below=below),
        search(dialect, name, thresholds[middle + 1 :], values[middle + 1 :], below=below),
    )


def lookup(
    dialect: SqlDialect, name: str, values: Sequence[float], *, unknown: float, missing: float
) -> str:
    """Return the value of a code from 0, of any other code, and of a missing one."""
    whens = "".join(
        f" WHEN {name} = {number(code)} THEN {number(value)}" for code, value in enumerate(values)
    )
    first = f"WHEN {name} IS NULL THEN {dialect.double(missing)}"
    return f"CASE {first}{whens} ELSE {number(unknown)} END"

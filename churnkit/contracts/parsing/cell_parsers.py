"""One value of one column: read it, check it, encode it.

This is the meaning of a contract. A row is read cell by cell; a table's columns of text are
read once for each distinct text; numbers of a table take the vectorised road of
`churnkit.contracts.encoding.table_encoder`, which a property test holds to the same verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from churnkit.contracts.parsing.number_spelling import Spelling
from churnkit.contracts.parsing.numeric_bounds import Limits
from churnkit.contracts.parsing.scalars import (
    NOT_READABLE,
    read_boolean,
    read_date,
    read_number,
    read_text,
)
from churnkit.errors import ContractError

if TYPE_CHECKING:
    from churnkit.contracts.schema.column import Column

__all__ = ["UNKNOWN", "Answer", "Cell", "Unknown", "compile_cell"]


class Unknown:
    """The answer for a category that training never saw and that is read as missing."""


UNKNOWN: Final = Unknown()

# A float is the code for the matrix (NaN: missing), text is the name of the broken rule.
Answer = float | str | Unknown
Cell = Callable[[Any], Answer]


def compile_cell(column: Column, *, lenient: bool = False, encode: bool = True) -> Cell:
    """Compile a column to a function from a value to its code, or to the rule that it breaks.

    Parameters
    ----------
    column
        The column; a string that is to be encoded needs its levels.
    lenient
        Whether text may stand for numbers and truth values, and is trimmed.
    encode
        Whether the code is wanted; the entity and dates are only checked, their code is 0.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> tenure = compile_cell(Column("tenure", "integer", ("feature",)), lenient=True)
    >>> tenure(3), tenure(" 3 "), tenure("three"), tenure("")
    (3.0, 3.0, 'type', 'not_null')
    """
    spelling = Spelling.of(column) if lenient else None
    cell = _cell(column, lenient=lenient, encode=encode)
    if spelling is None:
        return cell
    plain = spelling.plain
    return lambda value: cell(plain(value) if isinstance(value, str) else value)


def _cell(column: Column, *, lenient: bool, encode: bool) -> Cell:
    if column.type == "string":
        return _string_cell(column, lenient=lenient, encode=encode)
    if column.type == "datetime":
        return _datetime_cell(column)
    if column.type == "boolean":
        return _boolean_cell(column, lenient=lenient)
    return _number_cell(column, lenient=lenient)


def _number_cell(column: Column, *, lenient: bool) -> Cell:
    limits = Limits.of(column)
    low, high, allowed, forbidden = limits.low, limits.high, limits.allowed, limits.forbidden
    whole = column.type == "integer"
    judge = _judge(column)

    def cell(value: Any) -> Answer:
        kind = value.__class__
        if kind is float:
            code = value
        elif kind is int:
            try:
                code = float(value)
            except OverflowError:
                return "finite"
        else:
            return judge(read_number(value, lenient=lenient))
        if (
            low <= code <= high
            and (not whole or kind is int or code.is_integer())
            and (allowed is None or code in allowed)
            and code not in forbidden
        ):
            return code  # type: ignore[no-any-return]  # its class was just asked
        return judge(code)

    return cell


def _boolean_cell(column: Column, *, lenient: bool) -> Cell:
    judge = _judge(column)
    true, false = judge(1.0), judge(0.0)

    def cell(value: Any) -> Answer:
        if value is True:
            return true
        if value is False:
            return false
        return judge(read_boolean(value, lenient=lenient))

    return cell


def _judge(column: Column) -> Callable[[float], Answer]:
    """Name the first rule that a number breaks, if it breaks one."""
    missing = _missing(column)
    whole = column.type == "integer"
    checks = tuple((check.holds, str(check)) for check in column.checks)

    def judge(code: float) -> Answer:
        if code != code:  # noqa: PLR0124  (NaN is the value unequal to itself)
            return "type" if code is NOT_READABLE else missing
        if math.isinf(code):
            return "finite"
        if whole and not code.is_integer():
            return "type"
        for holds, rule in checks:
            if not holds(code):
                return rule
        return code

    return judge


def _missing(column: Column) -> float | str:
    return math.nan if column.nullable else "not_null"


def _string_cell(column: Column, *, lenient: bool, encode: bool) -> Cell:
    missing = _missing(column)
    checks = tuple((check.holds, str(check)) for check in column.checks)
    codes = _codes(column, encode=encode)
    known = codes.get
    unknown: Answer = UNKNOWN if encode else 0.0
    if column.levels is None:
        unknown = 0.0
    elif column.unknown == "refuse":
        unknown = "known_level"
    # An id as most are: nothing to look up, nothing to check but that it is a text.
    free = column.levels is None and not checks

    def cell(value: Any) -> Answer:
        if value.__class__ is str:
            code = known(value)
            if code is not None:
                return code
            if free and value.isascii() and value.isprintable() and not value.isspace() and value:
                return 0.0
        text = read_text(value, lenient=lenient)
        if text is None:
            return "type"
        if not text:
            return missing
        code = known(text)
        if code is not None:
            return code
        return next((rule for holds, rule in checks if not holds(text)), unknown)

    return cell


def _codes(column: Column, *, encode: bool) -> dict[str, float]:
    """Map the levels that pass every check to their codes, to 0 where no code is wanted."""
    if column.levels is None:
        if not encode:
            return {}
        raise ContractError(
            f"column '{column.name}' has no categories yet: list them with isin=[...] in the "
            "schema, or learn them from a training table with churnkit.contracts.learn_levels"
        )
    return {
        level: float(code) if encode else 0.0
        for code, level in enumerate(column.levels)
        if all(check.holds(level) for check in column.checks)
    }


def _datetime_cell(column: Column) -> Cell:
    missing = 0.0 if column.nullable else "not_null"

    def cell(value: Any) -> Answer:
        moment = read_date(value)
        if moment == moment:  # noqa: PLR0124
            return 0.0
        return "type" if moment is NOT_READABLE else missing

    return cell

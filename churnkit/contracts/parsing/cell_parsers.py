"""Parse, check and encode one value of one column.

These functions define the meaning of a contract. Rows are parsed cell by cell, text columns of
a table once per distinct text; numeric columns take the vectorized path of
`churnkit.contracts.encoding.table_encoder`, which a property test holds to the same results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from churnkit.contracts.parsing.date_spelling import is_open_date
from churnkit.contracts.parsing.numeric_bounds import NumericBounds
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

__all__ = [
    "DAY",
    "UNKNOWN_CATEGORY",
    "CellParser",
    "CellResult",
    "UnknownCategory",
    "compile_cell_parser",
]


class UnknownCategory:
    """Result for a category that training did not see and that is no violation.

    Parameters
    ----------
    code
        Code for the matrix: NaN if it is read as missing, else that of the category "other".
    """

    def __init__(self, code: float = math.nan) -> None:
        self.code = code


UNKNOWN_CATEGORY: Final = UnknownCategory()

DAY: Final = 86_400_000_000
"""Microseconds of a day."""

# A float is the code for the matrix (NaN: missing), text the name of the violated rule.
CellResult = float | str | UnknownCategory
CellParser = Callable[[Any], CellResult]


def compile_cell_parser(
    column: Column, *, lenient: bool = False, encode: bool = True, normalized: bool = False
) -> CellParser:
    """Compile a column to a function that maps a value to its code or to the rule it violates.

    Parameters
    ----------
    column
        The column; an encoded string column needs its levels.
    lenient
        Accept text for numbers and booleans, and trim text.
    encode
        Return codes; without it values are only checked, and the code of a valid one is 0.
    normalized
        The texts already went through `Column.spelling`, so they are not normalized again.

    Returns
    -------
    CellParser
        Its result is a float, the name of the violated rule, or `UNKNOWN_CATEGORY`.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> tenure = compile_cell_parser(Column("tenure", "integer", ("feature",)), lenient=True)
    >>> tenure(3), tenure(" 3 "), tenure("three"), tenure("")
    (3.0, 3.0, 'type', 'not_null')
    """
    if column.type == "string":
        parser = _string_parser(column, lenient=lenient, encode=encode)
    elif column.type == "datetime":
        parser = _datetime_parser(column, encode=encode)
    elif column.type == "boolean":
        parser = _boolean_parser(column, lenient=lenient)
    else:
        parser = _number_parser(column, lenient=lenient)
    if column.spelling is None or normalized or not lenient:
        return parser
    normalize = column.spelling.normalize_value
    return lambda value: parser(normalize(value))


def _number_parser(column: Column, *, lenient: bool) -> CellParser:
    bounds = NumericBounds.from_checks(column.checks)
    low, high, allowed, forbidden = bounds.low, bounds.high, bounds.allowed, bounds.forbidden
    is_integer = column.type == "integer"
    check_number = _number_checker(column)

    def parse(value: Any) -> CellResult:
        kind = value.__class__
        if kind is float:
            number = value
        elif kind is int:
            try:
                number = float(value)
            except OverflowError:
                return "finite"
        else:
            return check_number(read_number(value, lenient=lenient))
        if (
            low <= number <= high
            and (not is_integer or kind is int or number.is_integer())
            and (allowed is None or number in allowed)
            and number not in forbidden
        ):
            return number  # type: ignore[no-any-return]  # its class was checked above
        return check_number(number)

    return parse


def _boolean_parser(column: Column, *, lenient: bool) -> CellParser:
    check_number = _number_checker(column)
    true, false = check_number(1.0), check_number(0.0)

    def parse(value: Any) -> CellResult:
        if value is True:
            return true
        if value is False:
            return false
        return check_number(read_boolean(value, lenient=lenient))

    return parse


def _number_checker(column: Column) -> Callable[[float], CellResult]:
    """Compile a function that returns a number, or the first rule that it violates."""
    missing = _missing(column)
    is_integer = column.type == "integer"
    checks = tuple((check.holds, str(check)) for check in column.checks)

    def check_number(number: float) -> CellResult:
        if number != number:  # noqa: PLR0124  (NaN is the value unequal to itself)
            return "type" if number is NOT_READABLE else missing
        if math.isinf(number):
            return "finite"
        if is_integer and not number.is_integer():
            return "type"
        return next((rule for holds, rule in checks if not holds(number)), number)

    return check_number


def _missing(column: Column) -> float | str:
    if not column.nullable:
        return "not_null"
    return math.nan if column.fill is None else float(column.fill)


def _string_parser(column: Column, *, lenient: bool, encode: bool) -> CellParser:
    missing = _missing(column)
    checks = tuple((check.holds, str(check)) for check in column.checks)
    get_code = _level_codes(column, encode=encode).get
    unknown = _unknown_result(column, encode=encode)
    # Typical ids: nothing to look up and nothing to check except that it is text.
    unconstrained = column.levels is None and not checks

    def parse(value: Any) -> CellResult:
        if value.__class__ is str:
            code = get_code(value)
            if code is not None:
                return code
            if (
                unconstrained
                and value.isascii()
                and value.isprintable()
                and not value.isspace()
                and value
            ):
                return 0.0
        text = read_text(value, lenient=lenient)
        if text is None:
            return "type"
        if not text:
            return missing
        code = get_code(text)
        if code is not None:
            return code
        return next((rule for holds, rule in checks if not holds(text)), unknown)

    return parse


def _unknown_result(column: Column, *, encode: bool) -> CellResult:
    """Return the result for a category outside the levels."""
    if column.levels is None:
        return 0.0
    if column.unknown == "refuse":
        return "known_level"
    if not encode:
        return 0.0
    if column.unknown == "other":
        return UnknownCategory(float(len(column.levels) - 1))
    return UNKNOWN_CATEGORY


def _level_codes(column: Column, *, encode: bool) -> dict[str, float]:
    """Map the levels that pass every check to their codes, or to 0 without encoding."""
    if column.levels is None:
        if not encode:
            return {}
        raise ContractError(
            f"column '{column.name}' has no categories yet: list them with isin=[...] in the "
            "schema, or learn them from a training table with learn_levels"
        )
    return {
        level: float(code) if encode else 0.0
        for code, level in enumerate(column.levels)
        if all(check.holds(level) for check in column.checks)
    }


def _datetime_parser(column: Column, *, encode: bool) -> CellParser:
    """Parse dates as days since 1970; those of features that stand for no date are missing."""
    missing: CellResult = "not_null"
    if column.nullable:
        missing = math.nan if encode else 0.0
    is_as_of = column.has_role("as_of")

    def parse(value: Any) -> CellResult:
        microseconds = read_date(value)
        if microseconds == microseconds:  # noqa: PLR0124
            if not encode:
                return 0.0
            is_open = not is_as_of and is_open_date(int(microseconds))
            return math.nan if is_open else microseconds / DAY
        return "type" if microseconds is NOT_READABLE else missing

    return parse

"""How a table's text spells numbers and missing values, where that is not the plain way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from churnkit.contracts.parsing.scalars import (
    BLANKS,
    NOT_READABLE,
    read_boolean,
    read_date,
    read_number,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.contracts.schema.column import Column

__all__ = ["WRITTEN", "Spelling", "has_meaning"]

# A number as an example, and what stands between its thousands and before its fraction.
WRITTEN: Final = {"1.234,5": (".", ","), "1,234.5": (",", ".")}
_SPACES = BLANKS + "\u00a0\u202f"
_SIGNS = _SPACES + "$€£¥%"
_NUMBERS = {
    example: re.compile(
        rf"(?P<whole>[+-]?(?:[1-9][0-9]{{0,2}}(?:[{re.escape(thousands)}' \u00a0\u202f][0-9]{{3}})+|[0-9]+))"
        rf"(?:{re.escape(point)}(?P<part>[0-9]*))?"
    )
    for example, (thousands, point) in WRITTEN.items()
}
_GROUPS = re.compile("[^0-9+-]")


def has_meaning(text: str) -> bool:
    """Tell whether a text is a number, a truth value or a date, and so cannot stand for none.

    Examples
    --------
    >>> has_meaning("n/a"), has_meaning("0"), has_meaning("no")
    (False, True, True)
    """
    read = (read_number(text, lenient=True), read_boolean(text, lenient=True), read_date(text))
    return any(value is not NOT_READABLE for value in read)


@dataclass(frozen=True, slots=True)
class Spelling:
    """Respell text as the readers of a contract expect it; all other values stay as they are.

    Parameters
    ----------
    written
        A number as an example, ``"1.234,5"`` or ``"1,234.5"``. Signs of money and percent
        around a number are taken off.
    missing
        Texts that stand for no value, whatever their case.

    Examples
    --------
    >>> spelling = Spelling("1.234,5", ("n/a",))
    >>> spelling.plain("12.345,50 €"), spelling.plain("-3,5"), spelling.plain("N/A")
    ('12345.50', '-3.5', '')
    >>> Spelling("1,234.5").plain("$1,234.50"), Spelling("1,234.5").plain("12,34")
    ('1234.50', '12,34')
    """

    written: str | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, column: Column) -> Spelling | None:
        """Return how a column is spelled; None for the plain way."""
        if column.written is None and not column.missing:
            return None
        return cls(column.written, tuple(text.casefold() for text in column.missing))

    def plain(self, text: str) -> str:
        """Respell one text."""
        trimmed = text.strip(_SPACES)
        if trimmed.casefold() in self.missing:
            return ""
        if self.written is None:
            return text
        found = _NUMBERS[self.written].fullmatch(trimmed.strip(_SIGNS))
        if found is None:
            return text
        whole = _GROUPS.sub("", found["whole"])
        return f"{whole}.{found['part']}" if found["part"] else whole

    def respell(self, chunked: pa.ChunkedArray) -> pa.ChunkedArray:
        """Respell a column of n rows, each distinct text once.

        Examples
        --------
        >>> import pyarrow as pa
        >>> Spelling("1.234,5").respell(pa.chunked_array([["1,5", None, "1,5"]])).to_pylist()
        ['1.5', None, '1.5']
        """
        import pyarrow as pa

        from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array

        array = one_array(chunked)
        kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
        if not (
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_string_view(kind)
        ):
            return chunked
        values, index = distinct_values(array)
        plain = [None if value is None else self.plain(value) for value in values]
        return pa.chunked_array([pa.array(plain, pa.large_string()).take(pa.array(index))])

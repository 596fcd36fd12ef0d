"""Non-standard number formats and missing-value markers in text columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from churnkit.contracts.parsing.scalars import (
    BLANKS,
    NOT_READABLE,
    read_boolean,
    read_date,
    read_number,
)

__all__ = ["NUMBER_STYLES", "Spelling", "is_parseable"]

# Each style is named by an example; its thousands separator and its decimal separator.
NUMBER_STYLES: Final = {"1.234,5": (".", ","), "1,234.5": (",", ".")}
_SPACES = BLANKS + "\u00a0\u202f"
_SIGNS = _SPACES + "$€£¥%"
_PATTERNS = {
    style: re.compile(
        rf"(?P<integer>[+-]?(?:[1-9][0-9]{{0,2}}(?:[{re.escape(thousands)}' \u00a0\u202f][0-9]{{3}})+|[0-9]+))"
        rf"(?:{re.escape(point)}(?P<fraction>[0-9]*))?"
    )
    for style, (thousands, point) in NUMBER_STYLES.items()
}
_SEPARATORS = re.compile("[^0-9+-]")


def is_parseable(text: str) -> bool:
    """Return True for the text of a number, a boolean or a date, which cannot mark a missing value.

    Examples
    --------
    >>> is_parseable("n/a"), is_parseable("0"), is_parseable("no")
    (False, True, True)
    """
    values = (read_number(text, lenient=True), read_boolean(text, lenient=True), read_date(text))
    return any(value is not NOT_READABLE for value in values)


@dataclass(frozen=True, slots=True)
class Spelling:
    """Number format and missing-value markers of a text column.

    Parameters
    ----------
    written
        The number format as an example, ``"1.234,5"`` or ``"1,234.5"``. Currency and percent
        signs around a number are removed.
    missing
        Texts that mark a missing value, compared without regard to case.

    Examples
    --------
    >>> spelling = Spelling("1.234,5", ("n/a",))
    >>> [spelling.normalize(text) for text in ("12.345,50 €", "-3,5", "N/A")]
    ['12345.50', '-3.5', '']
    >>> Spelling("1,234.5").normalize("$1,234.50"), Spelling("1,234.5").normalize("12,34")
    ('1234.50', '12,34')
    """

    written: str | None = None
    missing: tuple[str, ...] = ()

    def normalize(self, text: str) -> str:
        """Rewrite a number in plain notation and a missing-value marker as empty text."""
        trimmed = text.strip(_SPACES)
        if trimmed.casefold() in self.missing:
            return ""
        if self.written is None:
            return text
        match = _PATTERNS[self.written].fullmatch(trimmed.strip(_SIGNS))
        if match is None:
            return text
        integer = _SEPARATORS.sub("", match["integer"])
        return f"{integer}.{match['fraction']}" if match["fraction"] else integer

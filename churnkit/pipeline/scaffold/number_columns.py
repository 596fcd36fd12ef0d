"""Detect numbers in text columns: their style, and texts that mean missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.number_spelling import NUMBER_STYLES, Spelling, is_parseable
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_number

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["MISSING_TEXTS", "Numbers", "read_numbers"]

MISSING_TEXTS = {
    "n/a", "na", "n.a.", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", "---", ".",
    "missing", "unknown", "not available", "k.a.", "#value!", "(null)", "(blank)", "tbd",
}  # fmt: skip
_MAX_TEXTS = 8
_MAX_TEXT_LENGTH = 24
# Share of numeric rows from which other texts are treated as missing.
_MIN_NUMERIC_SHARE = 0.95
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Summary of a numeric column.

    Parameters
    ----------
    written
        Style of the numbers, unless plain; see `churnkit.contracts.feature`.
    missing
        Texts that mean missing.
    is_integer
        True if all numbers are integers.
    lowest, highest
        Minimum and maximum.
    distinct
        Number of distinct numbers.
    blank
        Number of rows without a number.
    """

    written: str | None
    missing: tuple[str, ...]
    is_integer: bool
    lowest: float
    highest: float
    distinct: int
    blank: int

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of the schema's field that make the numbers readable."""
        written: dict[str, Any] = {"written": self.written} if self.written else {}
        return written | ({"missing": list(self.missing)} if self.missing else {})


def read_numbers(profile: ColumnProfile, *, delimiter: str = ",") -> Numbers | None:
    """Read a column as numbers; None if it is not numeric.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> read_numbers(profile_column("x", pa.chunked_array([["1,5", "12,25", "n/a"]]))).settings
    {'written': '1.234,5', 'missing': ['n/a']}
    """
    if not profile.texts:
        return None
    candidates: list[str | None] = [None]
    if profile.kind == "text":
        candidates += _comma_styles(profile, delimiter)
    best: Numbers | None = None
    for written in candidates:
        numbers = _parse(profile, written)
        if numbers is not None and (best is None or numbers.blank < best.blank):
            best = numbers
    return best


def _comma_styles(profile: ColumnProfile, delimiter: str) -> list[str]:
    """Return the two styles with commas, the more likely first, which wins a tie."""
    decimal_comma, thousands_comma = NUMBER_STYLES
    with_comma = [text for text in profile.texts if "," in text]
    only_thousands = bool(with_comma) and all(
        _THOUSANDS.fullmatch(text.strip("$€£¥% ")) for text in with_comma
    )
    if only_thousands and delimiter != ";":
        return [thousands_comma, decimal_comma]
    return [decimal_comma, thousands_comma]


def _parse(profile: ColumnProfile, written: str | None) -> Numbers | None:
    spelling = Spelling(written)
    numbers: list[float] = []
    other: set[str] = set()
    for text in profile.texts:
        number = read_number(spelling.normalize(text), lenient=True)
        if number is NOT_READABLE:
            other.add(text)
        else:
            numbers.append(number)
    if not numbers or abs(max(numbers, key=abs)) == float("inf"):
        return None
    unusual = {text for text in other if text.casefold() not in MISSING_TEXTS}
    if unusual and not _is_negligible(profile, unusual, len(numbers)):
        return None
    if any(is_parseable(text) for text in other):
        return None
    return Numbers(
        written,
        tuple(sorted({text.casefold() for text in other})),
        all(number.is_integer() for number in numbers),
        min(numbers),
        max(numbers),
        len(set(numbers)),
        profile.missing + profile.rows_with(other),
    )


def _is_negligible(profile: ColumnProfile, texts: set[str], numbers: int) -> bool:
    """Return True if few rows hold texts that are not numbers, and these are short and few."""
    share = 1.0 - profile.rows_with(texts) / profile.filled
    short = all(len(text) <= _MAX_TEXT_LENGTH for text in texts)
    return share >= _MIN_NUMERIC_SHARE and len(texts) <= min(_MAX_TEXTS, numbers // 2) and short

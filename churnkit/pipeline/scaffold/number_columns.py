"""Whether texts are numbers, in which spelling, and which of them stand for none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.number_spelling import NUMBER_STYLES, Spelling, is_parseable
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_number

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold.column_profile import Facts

__all__ = ["MISSING_WORDS", "Numbers", "read_numbers"]

MISSING_WORDS = {
    "n/a", "na", "n.a.", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", "---", ".",
    "missing", "unknown", "not available", "k.a.", "#value!", "(null)", "(blank)", "tbd",
}  # fmt: skip
_MOST_WORDS = 8
_LONGEST_WORD = 24
# What else than numbers may stand among numbers: a few rows in a hundred.
_NUMBERS_AT_LEAST = 0.95
_WHOLE_COMMA = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers.

    Parameters
    ----------
    written
        How they are written, where not the plain way; see `churnkit.contracts.feature`.
    missing
        Texts that stand for no number.
    whole
        Whether all are whole.
    lowest, highest
        The least and the greatest.
    distinct
        How many different numbers there are.
    blank
        How many rows have none.
    """

    written: str | None
    missing: tuple[str, ...]
    whole: bool
    lowest: float
    highest: float
    distinct: int
    blank: int

    @property
    def settings(self) -> dict[str, Any]:
        """What the schema must say so that they are read."""
        said: dict[str, Any] = {"written": self.written} if self.written else {}
        return said | ({"missing": list(self.missing)} if self.missing else {})


def read_numbers(facts: Facts, *, delimiter: str = ",") -> Numbers | None:
    """Read a column as numbers; None if it is not one of numbers.

    Parameters
    ----------
    facts
        What it holds.
    delimiter
        Of the file: where it is a semicolon, ``1,234`` is little more than one.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import facts_of
    >>> read_numbers(facts_of("x", pa.chunked_array([["1,5", "12,25", "n/a"]]))).settings
    {'written': '1.234,5', 'missing': ['n/a']}
    """
    if not facts.texts:
        return None
    candidates: list[str | None] = [None]
    if facts.kind == "text":
        candidates += _spellings(facts, delimiter)
    best: Numbers | None = None
    for written in candidates:
        found = _read(facts, written)
        if found is not None and (best is None or found.blank < best.blank):
            best = found
    return best


def _spellings(facts: Facts, delimiter: str) -> list[str]:
    """Order the two spellings with commas, the likelier first: the first of equals is taken."""
    comma_first, thousands_first = NUMBER_STYLES
    with_comma = [text for text in facts.texts if "," in text]
    only_thousands = bool(with_comma) and all(
        _WHOLE_COMMA.fullmatch(text.strip("$€£¥% ")) for text in with_comma
    )
    if only_thousands and delimiter != ";":
        return [thousands_first, comma_first]
    return [comma_first, thousands_first]


def _read(facts: Facts, written: str | None) -> Numbers | None:
    spelling = Spelling(written)
    numbers: list[float] = []
    words: set[str] = set()
    for text in facts.texts:
        number = read_number(spelling.normalize(text), lenient=True)
        if number is NOT_READABLE:
            words.add(text)
        else:
            numbers.append(number)
    if not numbers or abs(max(numbers, key=abs)) == float("inf"):
        return None
    unusual = {word for word in words if word.casefold() not in MISSING_WORDS}
    if unusual and not _few(facts, unusual, len(numbers)):
        return None
    if any(is_parseable(word) for word in words):
        return None
    return Numbers(
        written,
        tuple(sorted({word.casefold() for word in words})),
        all(number.is_integer() for number in numbers),
        min(numbers),
        max(numbers),
        len(set(numbers)),
        facts.missing + facts.rows_with(words),
    )


def _few(facts: Facts, words: set[str], numbers: int) -> bool:
    """Tell whether words among numbers are slips, and not the column's own values."""
    share = 1.0 - facts.rows_with(words) / facts.known
    short = all(len(word) <= _LONGEST_WORD for word in words)
    return share >= _NUMBERS_AT_LEAST and len(words) <= min(_MOST_WORDS, numbers // 2) and short

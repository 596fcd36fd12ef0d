"""Convert texts of times and numbers that are not in the formats of SQL; shared by all engines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from churnkit.contracts.parsing.date_spelling import (
    LAST_SERIAL,
    MONTH_YEARS,
    MONTHS,
    SERIAL_DAYS,
    SERIAL_PATTERN,
    YEAR,
)
from churnkit.core.time import MONTH_OF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "MONTH_FORMATS",
    "TextFunctions",
    "format_remedy",
    "number_patterns",
]

# Formats of months, whose rows are known on the last day.
MONTH_FORMATS = ("YYYYMM", "MM/YYYY")
# Microseconds in a unit of the formats that count since 1970, and the day from which spreadsheets count.
_EPOCH_MICROSECONDS = {
    "epoch seconds": 1_000_000,
    "epoch milliseconds": 1_000,
    "epoch microseconds": 1,
}
_SERIAL_OF_1970 = 25_569
_SEPARATORS = {"1,234.5": (",", "."), "1.234,5": (".", ",")}
# Order of day and month, and of the captured groups, in a date of numbers.
_GROUPS = {"MM/DD/YYYY": (3, 1, 2)}
# Regular expressions without backslashes, which the string literals of some dialects unescape.
_CLOCK = "(?:[T ].*)?"
# Years of two digits stand for 1969 to 2068, as in the tables of `churnkit.contracts`.
_YEARS = (("", "[0-9]{4}"), ("19", "69|[7-9][0-9]"), ("20", "[0-5][0-9]|6[0-8]"))
_DAY_AND_MONTH = "^([0-9]{{1,2}})[-/.]([0-9]{{1,2}})[-/.]({year})(" + _CLOCK + ")$"
_COMPACT = "^({year})([0-9]{{2}})([0-9]{{2}})(?:[.]0+)?(" + _CLOCK + ")$"
_MONTH = "^([0-9]{4})[-/.]?([0-9]{2})(?:[.]0+)?()$"
# The day before or after the name of the month, in lower case.
_NAMED = (
    "^([0-9]{{1,2}})[-/. ]+(?:{names})[^-/.,0-9 ]*[-/., ]+([0-9]{{2}}|[0-9]{{4}})(" + _CLOCK + ")$",
    "^(?:{names})[^-/.,0-9 ]*[-/., ]+([0-9]{{1,2}})[-/., ]+([0-9]{{2}}|[0-9]{{4}})("
    + _CLOCK
    + ")$",
)
_ANY_YEAR = f"({YEAR}|[0-9]{{2}})"
_HALF_DAY = " ?[AaPp][.]?[Mm][.]?$"
_CURRENCY = " ?(?:[A-Za-z]{1,3}[.$]?|[^0-9A-Za-z.,()+ -]{1,3})? ?"
# Separators of thousands in any format: apostrophes and spaces that do not break.
_IGNORED = "chr(39) || '\u2019\u00a0\u202f'"


def number_patterns(written: str) -> tuple[str, str]:
    """Return the regular expressions of a number's digits and of its whole text.

    Parameters
    ----------
    written
        ``1,234.5`` or ``1.234,5``.

    Examples
    --------
    >>> import re
    >>> bool(re.fullmatch(number_patterns("1.234,5")[1], "R$ 1.234,50"))
    True
    """
    thousands, point = _SEPARATORS[written]
    digits = f"(?:[0-9]{{1,3}}(?:[{thousands} ][0-9]{{3}})+|[0-9]+)(?:[{point}][0-9]*)?"
    return digits, f"^[(]?[+-]?{_CURRENCY}[+-]?{digits} ?[%kKmM]?{_CURRENCY}[)]?-?$"


def _names_by_month(months: Mapping[str, int]) -> list[tuple[int, str]]:
    """Return the alternatives of a pattern for the names of each month."""
    by_number = groupby(sorted(months, key=months.__getitem__), months.__getitem__)
    return [(number, "|".join(names)) for number, names in by_number]


def format_remedy(written: str) -> str:
    """Return the remedy for texts that do not have the declared format."""
    is_number = written in _SEPARATORS
    kind = "numbers" if is_number else "times"
    zones = "" if is_number else "; of names of zones, UTC and GMT are read"
    return (
        f"has {{count}} texts that are not {kind} as {written} ({{rows}} rows{zones}): correct them, or "
        "declare another format in Table(..., written={{...}})"
    )


@dataclass(frozen=True, slots=True)
class TextFunctions:
    """SQL of a dialect for the conversion of texts.

    Parameters
    ----------
    matches, replace, extract
        Patterns of the calls that test, replace and extract a regular expression.
    group
        Prefix of the number of a group in a replacement.
    """

    matches: str
    replace: str
    extract: str
    group: str

    def without(self, texts: Sequence[str], value: str) -> str:
        """Replace the texts that mean missing by NULL."""
        if not texts:
            return value
        listed = ", ".join(f"'{text}'" for text in texts)
        return f"CASE WHEN lower(trim({value})) IN ({listed}) THEN NULL ELSE {value} END"

    def iso_time(self, text: str, written: str) -> str:
        """Rewrite a time as ISO 8601, with AM or PM at its end kept."""
        if written == "YYYYMM":
            return self._replace(text, _MONTH, f"{self.group}1-{self.group}2-01")
        if written == "MM/YYYY":
            return self._first_of_month(text)
        if written == "DD Mon YYYY":
            text = self._with_month_numbers(text)
        is_compact = written in {"YYYYMMDD", "YYMMDD"}
        pattern = _COMPACT if is_compact else _DAY_AND_MONTH
        groups = (1, 2, 3) if is_compact else _GROUPS.get(written, (3, 2, 1))
        for century, year in _YEARS[1:] if written == "YYMMDD" else _YEARS:
            replacement = century + self._groups(*groups)
            text = self._replace(text, pattern.format(year=year), replacement)
            if written == "YYYYMMDD":
                break
        return text

    def microseconds(self, text: str, written: str, try_double: str) -> str | None:
        """Return the microseconds since 1970 of the text of a number; None for a format of texts.

        Parameters
        ----------
        text
            SQL of the text.
        written
            Format.
        try_double
            Pattern of the cast to a double that returns NULL on failure.
        """
        number = try_double.format(value=f"replace({text}, ',', '.')")
        if written != SERIAL_DAYS:
            factor = _EPOCH_MICROSECONDS.get(written)
            return None if factor is None else f"round({number} * {factor})"
        is_number = self.matches.format(text=text, pattern=f"^(?:{SERIAL_PATTERN})$")
        days = f"CASE WHEN {is_number} AND {number} < {LAST_SERIAL + 1} THEN {number} END"
        return f"round(({days} - {_SERIAL_OF_1970}) * 86400000) * 1000"

    def _with_month_numbers(self, text: str) -> str:
        """Rewrite dates with the name of a month as DD/MM/YYYY."""
        text = f"lower({text})"
        for number, names in _names_by_month(MONTHS):
            replacement = f"{self.group}1/{number:02d}/{self.group}2{self.group}3"
            for pattern in _NAMED:
                text = self._replace(text, pattern.format(names=names), replacement)
        return text

    def _first_of_month(self, text: str) -> str:
        """Rewrite months such as 01/2024 and Jan-24 as their first days; NULL for other texts."""
        lower = text = f"lower({text})"
        short, year_first, numeric = (f"^{pattern}$" for pattern in MONTH_YEARS)
        for number, alternatives in _names_by_month(MONTH_OF):
            names = f"(?:{alternatives})"
            written = f"{number:02d}/{self.group}1"
            text = self._replace(text, short.format(names=names, year=_ANY_YEAR), written)
            text = self._replace(text, year_first.format(names=names, year=f"({YEAR})"), written)
        for century, year in _YEARS:
            pattern = f"^([0-9]{{1,2}})[-/]({year})$"
            text = self._replace(text, pattern, f"{century}{self.group}2-{self.group}1-01")
        names = f"(?:{'|'.join(MONTH_OF)})"
        shapes = (
            short.format(names=names, year=_ANY_YEAR),
            year_first.format(names=names, year=YEAR),
            numeric.format(names="(?:0?[1-9]|1[0-2])", year=YEAR),
        )
        is_month = self.matches.format(text=lower, pattern="|".join(shapes))
        return f"CASE WHEN {is_month} THEN {text} END"

    def is_half_day(self, text: str) -> str:
        """Test for a time with AM or PM."""
        return self.matches.format(text=text, pattern=_HALF_DAY)

    def without_half_day(self, text: str) -> str:
        """Remove AM or PM from the end of a time."""
        return self._replace(text, _HALF_DAY, "")

    def half_day_hours(self, text: str, time: str) -> str:
        """Return the hours to add to a time of 12 hours with AM or PM."""
        is_pm = self.matches.format(text=text, pattern=" ?[Pp][.]?[Mm][.]?$")
        return (
            f"CASE WHEN {is_pm} AND hour({time}) < 12 THEN 12 "
            f"WHEN NOT {is_pm} AND hour({time}) = 12 THEN -12 ELSE 0 END"
        )

    def number(self, text: str, written: str, try_double: str) -> str:
        """Convert a number with separators, a currency, brackets or k and m to a double.

        Parameters
        ----------
        text
            SQL of the text.
        written
            ``1,234.5`` or ``1.234,5``.
        try_double
            Pattern of the cast to a double that returns NULL on failure.
        """
        thousands, point = _SEPARATORS[written]
        text = f"translate({text}, {_IGNORED}, '')"
        digits, shape = number_patterns(written)
        matches, extract = self.matches.format, self.extract.format
        plain = extract(text=text, pattern=digits)
        for separator in (thousands, " "):
            plain = f"replace({plain}, '{separator}', '')"
        value = try_double.format(value=f"replace({plain}, '{point}', '.')")
        factor = (
            f"CASE WHEN {matches(text=text, pattern='[0-9] ?[kK][)]?$')} THEN 1e3 "
            f"WHEN {matches(text=text, pattern='[0-9] ?[mM][)]?$')} THEN 1e6 ELSE 1e0 END"
        )
        sign = f"CASE WHEN {matches(text=text, pattern='^[(]|^[^0-9]*-|-$')} THEN -1e0 ELSE 1e0 END"
        styled = (
            f"CASE WHEN {matches(text=text, pattern=shape)} THEN {sign} * {factor} * {value} END"
        )
        if point == ".":
            return f"coalesce({try_double.format(value=text)}, {styled})"
        return styled

    def _replace(self, text: str, pattern: str, replacement: str) -> str:
        return self.replace.format(text=text, pattern=pattern, replacement=replacement)

    def _groups(self, *groups: int) -> str:
        return "-".join(f"{self.group}{number}" for number in groups) + f"{self.group}4"

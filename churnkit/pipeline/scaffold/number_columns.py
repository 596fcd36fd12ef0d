"""Detect numbers in text columns: their style and unit, and texts that mean missing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.number_spelling import (
    SCALES,
    Spelling,
    currency_of,
    is_parseable,
    split_number,
    unit_factor,
)
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.contracts.parsing.number_spelling import NumberText
    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = [
    "MISSING_TEXTS",
    "SPREADSHEET_ERRORS",
    "Numbers",
    "UnreadableNumbersError",
    "decimal_sign",
    "read_numbers",
]

# Errors of spreadsheets, in several languages; never a category.
SPREADSHEET_ERRORS = {
    "#n/a", "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!", "#spill!", "#calc!", "#getting_data",
    "#nv", "#wert!", "#bezug!", "#zahl!", "#n/d", "#valeur!", "#nombre!", "#nom?", "#¡valor!", "#¡div/0!",
    "#¡ref!", "#¡num!", "#¿nombre?", "#valor!", "#rif!", "#valore!", "#nome?",
}  # fmt: skip
MISSING_TEXTS = {
    "n/a", "na", "n.a.", "#n/a", "nan", "null", "none", "nil", "?", "-", "--", "---", ".",
    "missing", "unknown", "not available", "k.a.", "(null)", "(blank)", "tbd",
} | SPREADSHEET_ERRORS  # fmt: skip
COMMA, POINT = "1.234,5", "1,234.5"
_SIMPLE = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_MAX_TEXTS = 8
_MAX_TEXT_LENGTH = 24
# Share of numeric rows from which other texts are treated as missing.
_MIN_NUMERIC_SHARE = 0.95
# Of so many decimals with three digits at most, one has a zero at its end and loses it.
_MIN_GROUPED = 30
_SPACES = re.compile("['\u2019 \u00a0\u202f]")
_GROUPS = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
_UNIT = re.compile(r"[^\W\d_][^\W\d_/²³ ]*(?:[/ ][^\W\d_]+)*\.?|°[CF]?")


class UnreadableNumbersError(Exception):
    """A column of numbers cannot be read: it mixes currencies, units or formats."""


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
    unit
        Currency or unit of the numbers; None if they have none.
    review
        Another way to read the numbers; empty if there is none.
    """

    written: str | None
    missing: tuple[str, ...]
    is_integer: bool
    lowest: float
    highest: float
    distinct: int
    blank: int
    unit: str | None = None
    review: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of the schema's field that make the numbers readable."""
        settings: dict[str, Any] = {"unit": self.unit} if self.unit else {}
        settings |= {"written": self.written} if self.written else {}
        return settings | ({"missing": list(self.missing)} if self.missing else {})


def read_numbers(
    profile: ColumnProfile, *, delimiter: str = ",", decimal: str = ""
) -> Numbers | None:
    """Read a column as numbers; None if it is not numeric.

    Parameters
    ----------
    profile
        The column.
    delimiter
        Delimiter of the file.
    decimal
        Style of the file's other columns from `decimal_sign`; empty if they have none.

    Raises
    ------
    UnreadableNumbersError
        If it mixes currencies, units, or decimal points and commas.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> read_numbers(profile_column("x", pa.chunked_array([["1,5", "12,25", "n/a"]]))).settings
    {'written': '1.234,5', 'missing': ['n/a']}
    >>> read_numbers(profile_column("x", pa.chunked_array([["$1.50", "-$1,002"]]))).settings
    {'unit': 'USD', 'written': '1,234.5'}
    """
    if not profile.texts:
        return None
    if profile.kind != "text":
        return _summarize(profile, Spelling())
    parts = {text: number for text in profile.texts if (number := split_number(text))}
    if not parts:
        # Such as 1.5E+07.
        return _summarize(profile, Spelling()) if any(map(_is_plain, profile.texts)) else None
    others = {t for t in profile.texts if t not in parts and not _is_plain(t)}
    if _has_codes(profile, parts.values()) or not _are_missing(profile, others, len(parts)):
        return None
    unit, converted = _find_unit(profile, parts)
    if unit is None:
        return None
    style, review = _style_of_units(parts.values(), delimiter, decimal)
    review = "; ".join(filter(None, (converted, review)))
    if unit == "%" and _has_fractions(parts, style):
        raise UnreadableNumbersError(
            "mixes percentages (12%) and fractions (0.12): write all of them in one way"
        )
    is_plain = style == POINT and not unit and all(map(_is_plain, parts))
    spelling = Spelling(None if is_plain else style, (), unit or None)
    return _summarize(profile, spelling, review)


def _has_fractions(parts: Mapping[str, NumberText], style: str) -> bool:
    """Return True if all numbers without a percent sign are fractions, next to some with one."""
    plain = [number.digits for text, number in parts.items() if "%" not in text]
    values = [
        float(digits.replace(",", ".") if style == COMMA else digits)
        for digits in plain
        if _SIMPLE.fullmatch(digits)
    ]
    is_simple = len(values) == len(plain)
    return is_simple and any(0.0 < value < 1.0 for value in values) and max(values) <= 1.0


def decimal_sign(profiles: Iterable[ColumnProfile]) -> str:
    """Return the style of the columns that have an unambiguous one, if all agree.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> decimal_sign([profile_column("x", pa.chunked_array([["1,5", "2"]]))])
    '1.234,5'
    """
    styles = set()
    for profile in profiles:
        if profile.kind != "text":
            continue
        parts = [number for text in profile.texts if (number := split_number(text))]
        if len(parts) < 0.5 * profile.distinct:
            continue
        kinds = Counter(_kind(number.digits) for number in parts)
        for kind in ("comma", "point"):
            if kinds[kind] > 0.5 * (kinds["comma"] + kinds["point"]):
                styles.add(COMMA if kind == "comma" else POINT)
    return styles.pop() if len(styles) == 1 else ""


def _is_plain(text: str) -> bool:
    return read_number(text, lenient=True) is not NOT_READABLE


def _has_codes(profile: ColumnProfile, parts: Iterable[NumberText]) -> bool:
    """Return True for digits with leading zeros, which are codes: postcodes, branches."""
    digits = [part.digits for part in parts]
    return profile.kind == "text" and any(re.fullmatch("0[0-9]+", text) for text in digits)


def _are_missing(profile: ColumnProfile, texts: set[str], numbers: int) -> bool:
    """Return True if texts are words for missing values, or few, short and in few rows."""
    unusual = {text for text in texts if text.casefold() not in MISSING_TEXTS}
    if any(is_parseable(text) for text in texts):
        return False
    if not unusual:
        return True
    share = 1.0 - profile.rows_with(unusual) / profile.filled
    short = all(len(text) <= _MAX_TEXT_LENGTH for text in unusual)
    return share >= _MIN_NUMERIC_SHARE and len(unusual) <= min(_MAX_TEXTS, numbers // 2) and short


def _find_unit(profile: ColumnProfile, parts: dict[str, NumberText]) -> tuple[str | None, str]:
    """Return the unit that the numbers share, and how others are converted to it.

    The unit is empty if they have none, and None if these are no numbers.
    """
    counts: Counter[str] = Counter()
    for text, part in parts.items():
        counts[_unit_of(part)] += profile.rows_with({text}) if len(parts) < 50 else 1
    units = {unit for unit in counts if unit}
    if "?" in units:
        return None, ""
    merged = {unit.casefold().rstrip("s"): unit for unit in sorted(units)}
    if len(merged) <= 1:
        return next(iter(merged.values()), ""), ""
    currencies = {unit for unit in units if currency_of(unit) == unit}
    if len(currencies) > 1 and currencies == units:
        raise UnreadableNumbersError(
            f"mixes currencies ({', '.join(sorted(currencies))}): convert the amounts to one, or "
            "move the currency to a column of its own"
        )
    first = next(iter(units))
    factors = {unit: unit_factor(first, unit) for unit in sorted(units)}
    if None in factors.values():
        return None, ""
    if counts[""]:
        raise UnreadableNumbersError(
            f"mixes units ({', '.join(sorted(units))}) with numbers without one: write all numbers "
            "in one unit"
        )
    smallest = min(factors, key=lambda unit: factors[unit] or 0)
    others = ", ".join(unit for unit in factors if unit != smallest)
    return smallest, f"{others} converted to {smallest}"


def _unit_of(part: NumberText) -> str:
    """Return the currency or the unit next to a number, "?" for another text."""
    before = currency_of(part.prefix) if part.prefix else ""
    suffix = part.suffix
    for scale in SCALES:
        rest = suffix.removeprefix(scale).strip()
        if rest != suffix and (not rest or currency_of(rest)):
            suffix = rest
            break
    if before is None or (before and suffix):
        return "?"
    if before or not suffix:
        return before
    currency = currency_of(suffix)
    return currency or (suffix if suffix == "%" or _UNIT.fullmatch(suffix) else "?")


def _kind(digits: str) -> str:
    """Classify the separators of a number.

    ``comma`` and ``point`` name a certain decimal sign, ``comma3`` and ``point3`` a sign before
    three digits, which may separate thousands.
    """
    text = _SPACES.sub("", digits)
    signs = [sign for sign in text if sign in ".,"]
    if not signs:
        return "large" if len(text) > 3 and text == digits else "small"
    last = signs[-1]
    name, other = ("comma", "point") if last == "," else ("point", "comma")
    if len(set(signs)) == 2:
        return name
    if len(signs) > 1:
        return other if _GROUPS.fullmatch(text) else "bad"
    whole, _, fraction = text.partition(last)
    groups = len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    return f"{name}3" if groups else name


def _style_of_units(parts: Iterable[NumberText], delimiter: str, decimal: str) -> tuple[str, str]:
    """Choose the style of a column whose numbers may have several units.

    Small numbers of one unit say nothing about the separators in those of another.
    """
    by_unit: dict[str, list[NumberText]] = {}
    for part in parts:
        by_unit.setdefault(_unit_of(part).casefold(), []).append(part)
    chosen = {
        _choose_style(group, delimiter, decimal)
        for group in by_unit.values()
        if any(_kind(part.digits) not in {"small", "large"} for part in group)
    } or {(POINT, "")}
    certain = {style for style, review in chosen if not review}
    if len({style for style, _ in chosen}) > 1 and len(certain) != 1:
        raise UnreadableNumbersError(
            "mixes commas and points before three digits: write all numbers in one format"
        )
    if certain:
        return certain.pop(), ""
    return min(chosen)


def _choose_style(parts: Iterable[NumberText], delimiter: str, decimal: str) -> tuple[str, str]:
    """Choose the style of a column, and describe the other one if it is possible too."""
    kinds = Counter(_kind(part.digits) for part in parts)
    if kinds["comma"] and kinds["point"]:
        raise UnreadableNumbersError(
            "mixes decimal commas and decimal points: write all numbers in one format"
        )
    if kinds["comma"] or kinds["point"]:
        return (COMMA if kinds["comma"] else POINT), ""
    if kinds["comma3"] and kinds["point3"]:
        raise UnreadableNumbersError(
            "mixes commas and points before three digits: write all numbers in one format"
        )
    grouped = kinds["comma3"] or kinds["point3"]
    if not grouped:
        return POINT, ""
    as_thousands, as_decimals = (POINT, COMMA) if kinds["comma3"] else (COMMA, POINT)
    if kinds["large"]:
        return as_decimals, ""
    if kinds["small"] and grouped >= _MIN_GROUPED:
        return as_thousands, ""
    if decimal:
        return decimal, ""
    sign = "comma" if kinds["comma3"] else "point"
    is_thousands = bool(kinds["small"]) or (sign == "comma" and delimiter != ";")
    chosen, other = (as_thousands, as_decimals) if is_thousands else (as_decimals, as_thousands)
    meaning = "thousands" if is_thousands else "decimals"
    return chosen, (
        f"each {sign} has three digits after it and is read as a separator of {meaning}: if that is "
        f'wrong, set written="{other}"'
    )


def _summarize(profile: ColumnProfile, spelling: Spelling, review: str = "") -> Numbers | None:
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
    if not _are_missing(profile, other, len(numbers)):
        return None
    return Numbers(
        spelling.written,
        tuple(sorted({text.casefold() for text in other})),
        all(number.is_integer() for number in numbers),
        min(numbers),
        max(numbers),
        len(set(numbers)),
        profile.missing + profile.rows_with(other),
        spelling.unit,
        review,
    )

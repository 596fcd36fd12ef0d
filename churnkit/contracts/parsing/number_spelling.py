"""Non-standard spellings of numbers and dates, and missing-value markers in text columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from churnkit.contracts.parsing.date_spelling import DATE_STYLES, normalize_date
from churnkit.contracts.parsing.scalars import (
    BLANKS,
    NOT_READABLE,
    read_boolean,
    read_date,
    read_number,
)

__all__ = [
    "CURRENCIES",
    "MARKER_BLANKS",
    "NUMBER_STYLES",
    "SCALES",
    "NumberText",
    "Spelling",
    "currency_of",
    "is_parseable",
    "split_number",
    "unit_factor",
]

# Each style is named by an example; its thousands separator and its decimal separator.
NUMBER_STYLES: Final = {"1.234,5": (".", ","), "1,234.5": (",", ".")}
MARKER_BLANKS = BLANKS + "\u00a0\u202f"
# Thousands separators that no style uses as decimal separator.
_OTHER_THOUSANDS = "' \u2019\u00a0\u202f"
_MINUS = "\\-\u2212"  # escaped for character classes
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "CLP", "COP", "ARS"})
# Signs of a currency, in lower case; "$" is the sign of every dollar and of some pesos, and Shift JIS
# has the yen in the place of the backslash.
CURRENCIES: Final[dict[str, tuple[str, ...]]] = {
    "USD": ("us$", "$"), "EUR": ("€", "euro", "euros"), "GBP": ("£",), "JPY": ("¥", "￥", "円", "jp¥", "\\"),
    "CNY": ("元", "rmb", "cn¥"), "INR": ("₹", "rs", "rs."), "CHF": ("sfr", "sfr.", "fr."),
    "BRL": ("r$",), "KRW": ("₩",), "RUB": ("₽",), "TRY": ("₺", "tl"),
    "PLN": ("zł",), "CZK": ("kč",), "SEK": ("kr", "kr."), "NOK": (), "DKK": (), "ILS": ("₪",),
    "UAH": ("₴",), "VND": ("₫",), "NGN": ("₦",), "PHP": ("₱",), "THB": ("฿",), "ZAR": (),
    "CAD": ("c$", "ca$"), "AUD": ("a$", "au$"), "NZD": ("nz$",), "SGD": ("s$",), "HKD": ("hk$",),
    "MXN": ("mx$",), "CLP": (), "COP": (), "ARS": (), "HUF": ("ft",), "RON": ("lei",), "AED": (),
    "SAR": (), "IDR": ("rp",), "MYR": ("rm",), "KES": ("ksh",), "PEN": ("s/", "s/."),
}  # fmt: skip
_CURRENCY_OF = {sign: code for code, signs in CURRENCIES.items() for sign in signs}
_CURRENCY_OF |= {code.lower(): code for code in CURRENCIES}
SCALES: Final = {
    "k": 3, "K": 3, "M": 6, "Mio": 6, "Mio.": 6, "mn": 6, "MM": 6, "B": 9, "bn": 9, "Mrd": 9,
    "Mrd.": 9,
}  # fmt: skip
_LONGEST_SIGN: Final = 2
# Units of one quantity, in lower case, as multiples of a common one.
_QUANTITIES: Final = (
    {"b": 1, "byte": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15},
    {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40},
    {"wh": 1, "kwh": 10**3, "mwh": 10**6, "gwh": 10**9},
    {"w": 1, "kw": 10**3},
    {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600, "std": 3600},
    {"day": 1, "d": 1, "tag": 1, "week": 7, "wk": 7},
    {"month": 1, "mo": 1, "monat": 1, "year": 12, "yr": 12, "jahr": 12},
    {"mg": 1, "g": 10**3, "kg": 10**6, "t": 10**9},
    {"mm": 1, "cm": 10, "m": 10**3, "km": 10**6},
    {"ml": 1, "cl": 10, "l": 10**3},
)  # fmt: skip
# Removed from numbers of a column without a unit.
_ANY_SIGN = frozenset({"", "$", "€", "£", "¥", "￥", "\\", "%"})
_PARTS = re.compile(
    rf"(?P<open>\()?[{MARKER_BLANKS}]*(?P<sign>[+{_MINUS}])?[{MARKER_BLANKS}]*"
    rf"(?P<prefix>[^\W\d_][^\d()+{_MINUS}]{{0,6}}?|[^\w\s.,()+'\u2019{_MINUS}])?[{MARKER_BLANKS}]*"
    rf"(?P<inner>[+{_MINUS}])?[{MARKER_BLANKS}]*"
    rf"(?P<digits>[0-9](?:[0-9.,{_OTHER_THOUSANDS}]*[0-9.,])?|[.,][0-9]+)[{MARKER_BLANKS}]*"
    rf"(?P<suffix>[^\d\s.,()+'\u2019{_MINUS}][^\d()+{_MINUS}]{{0,15}}?)?[{MARKER_BLANKS}]*"
    rf"(?P<close>\))?(?P<after>[{_MINUS}])?"
)
_PATTERNS = {
    style: re.compile(
        rf"(?P<integer>[1-9][0-9]{{0,2}}(?:(?P<mark>[{re.escape(thousands)}{_OTHER_THOUSANDS}])[0-9]{{3}}"
        rf"(?:(?P=mark)[0-9]{{3}})*)|[1-9][0-9]?(?:{re.escape(thousands)}[0-9]{{2}})+"
        rf"{re.escape(thousands)}[0-9]{{3}}|[0-9]+)?(?:{re.escape(point)}(?P<fraction>[0-9]*))?"
    )
    for style, (thousands, point) in NUMBER_STYLES.items()
}
_NOT_DIGITS = re.compile("[^0-9]")


def is_parseable(text: str) -> bool:
    """Return True for the text of a number, a boolean or a date, which cannot mark a missing value.

    Examples
    --------
    >>> is_parseable("n/a"), is_parseable("0"), is_parseable("no")
    (False, True, True)
    """
    values = (read_number(text, lenient=True), read_boolean(text, lenient=True), read_date(text))
    return any(value is not NOT_READABLE for value in values)


def currency_of(text: str) -> str | None:
    """Return the ISO 4217 code of a currency's sign or name, or None.

    Examples
    --------
    >>> currency_of("R$"), currency_of("usd"), currency_of("GB")
    ('BRL', 'USD', None)
    """
    return _CURRENCY_OF.get(text.strip(MARKER_BLANKS).lower())


def unit_factor(unit: str, other: str) -> Fraction | None:
    """Return how many of a unit another one is, or None if they measure different things.

    Examples
    --------
    >>> unit_factor("MB", "GB"), unit_factor("hours", "min"), unit_factor("kWh", "GB")
    (Fraction(1000, 1), Fraction(1, 60), None)
    """
    names = [text.casefold().rstrip(".") for text in (unit, other)]
    for quantity in _QUANTITIES:
        own, its = (quantity.get(name, quantity.get(_singular(name))) for name in names)
        if own is not None and its is not None:
            return Fraction(its, own)
    return None


def _singular(name: str) -> str:
    """Return a word without its plural; "ms" is no plural of "m"."""
    return name.rstrip("s") if len(name) > _LONGEST_SIGN else name


class NumberText(NamedTuple):
    """Parts of a written number: sign, digits with separators, and the texts around them."""

    negative: bool
    prefix: str
    digits: str
    suffix: str


def split_number(text: str) -> NumberText | None:
    """Split a written number into its parts; None if it is not one.

    A minus sign may stand before the number or its currency, or at the end, or be parentheses.

    Examples
    --------
    >>> split_number("-$3.00"), split_number("(5,00 €)")
    (NumberText(negative=True, prefix='$', digits='3.00', suffix=''), \
NumberText(negative=True, prefix='', digits='5,00', suffix='€'))
    >>> split_number("C0001x2") is None
    True
    """
    match = _PARTS.fullmatch(text.strip(MARKER_BLANKS))
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    signs = (match["open"], match["sign"], match["inner"], match["after"])
    marks = [mark for mark in signs if mark]
    if len(marks) > 1:
        return None
    negative = bool(marks) and marks[0] != "+"
    prefix, suffix = ((match[part] or "").strip(MARKER_BLANKS) for part in ("prefix", "suffix"))
    return NumberText(negative, prefix, match["digits"], suffix)


@dataclass(frozen=True, slots=True)
class Spelling:
    """Spelling of the numbers or dates of a text column, and its missing-value markers.

    Parameters
    ----------
    written
        The number format as an example, ``"1.234,5"`` or ``"1,234.5"``, or the order of a date,
        such as ``"DD/MM/YYYY"``; see `DATE_STYLES`.
    missing
        Texts that mark a missing value, compared without regard to case.
    unit
        Unit of the numbers, such as ``"EUR per month"``. Signs and codes of its currency are
        removed, as is the unit itself; without a unit, percent and the most common currency
        signs are. A number with another unit of the same quantity is converted (1 GB is 1,000 MB,
        1 h is 60 min); one with any other unit is left as it is, and so is not readable.

    Examples
    --------
    >>> spelling = Spelling("1.234,5", ("n/a",))
    >>> [spelling.normalize(text) for text in ("12.345,50 €", "-3,5", "N/A")]
    ['12345.50', '-3.5', '']
    >>> Spelling("1,234.5").normalize("$1,234.50"), Spelling("1,234.5").normalize("12,34")
    ('1234.50', '12,34')
    >>> [Spelling("1,234.5", unit="USD").normalize(text) for text in ("($5.00)", "1.2k", "€3")]
    ['-5.00', '1200', '€3']
    >>> [Spelling("1,234.5", unit="MB").normalize(text) for text in ("1.2 GB", "800MB", "3 h")]
    ['1200', '800', '3 h']
    >>> Spelling("DD/MM/YYYY").normalize("31.12.2024")
    '2024-12-31'
    """

    written: str | None = None
    missing: tuple[str, ...] = ()
    unit: str | None = None

    def normalize(self, text: str) -> str:
        """Rewrite a number or a date in plain notation and a missing-value marker as empty text."""
        trimmed = text.strip(MARKER_BLANKS)
        if trimmed.casefold() in self.missing:
            return ""
        if self.written is None:
            return text
        if self.written in DATE_STYLES:
            return normalize_date(trimmed, self.written) or text
        return self._plain_number(trimmed) or text

    def normalize_value(self, value: Any) -> Any:
        """Normalize a text, and a number that is a time; other values are returned as they are."""
        if isinstance(value, str):
            return self.normalize(value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and value == value and self.written in DATE_STYLES:  # noqa: PLR0124
            # Times since 1970 are rounded to their unit; days of spreadsheets have fractions.
            if self.written.startswith("epoch"):
                return normalize_date(f"{value:.0f}", self.written) or value
            return normalize_date(f"{value:.9f}".rstrip("0").rstrip("."), self.written) or value
        return value

    def _plain_number(self, text: str) -> str | None:
        parts = split_number(text)
        factor = None if parts is None else self._factor(parts)
        match = None if parts is None else _PATTERNS[self.written or ""].fullmatch(parts.digits)
        if parts is None or factor is None or match is None:
            return None
        integer = _NOT_DIGITS.sub("", match["integer"] or "0")
        plain = f"{integer}.{match['fraction']}" if match["fraction"] else integer
        if factor != 1:
            number = Decimal(plain) * factor.numerator / factor.denominator
            plain = f"{number.normalize():f}"
        return f"-{plain}" if parts.negative else plain

    def _factor(self, parts: NumberText) -> Fraction | None:
        """Return the factor that the suffix states, or None for a unit of another quantity."""
        if not self._has_unit(parts.prefix) or self._is_ambiguous(parts.suffix):
            return None
        if self._has_unit(parts.suffix):
            return Fraction(1) if not (parts.prefix and parts.suffix) else None
        if self.unit is not None and (factor := unit_factor(self.unit, parts.suffix)):
            return factor
        for name, scale in SCALES.items():
            rest = parts.suffix.removeprefix(name)
            if rest != parts.suffix and self._has_unit(rest.strip(MARKER_BLANKS)):
                return Fraction(10**scale)
        return None

    def _is_ambiguous(self, suffix: str) -> bool:
        """Return True for a capital that may be a unit or a scale: "2M" in metres, "3B" in bytes."""
        is_scale = suffix in SCALES and suffix.isupper() and suffix != self.unit
        return (
            is_scale
            and self.unit is not None
            and (
                suffix.casefold() == self.unit.casefold()
                or unit_factor(self.unit, suffix) is not None
            )
        )

    def _has_unit(self, affix: str) -> bool:
        """Return True if a text next to a number is nothing, or the unit of the column."""
        if self.unit is None:
            return affix in _ANY_SIGN
        if not affix or _singular(affix.casefold()) == _singular(self.unit.casefold()):
            return True
        code, own = currency_of(affix), self.unit.split(" ")[0]
        is_dollar = affix == "$" and own in _DOLLARS
        is_krona = code == "SEK" and own in {"NOK", "DKK"} and affix.lower().startswith("kr")
        return code is not None and (code == own or is_dollar or is_krona)

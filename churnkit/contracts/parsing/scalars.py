"""Parse one value as a number, a boolean, a text or a date.

*Strict* parsing is for typed sources (JSON): a number is a number, a text is a text. *Lenient*
parsing is for tables (CSV, spreadsheets, rows of dicts), where every value may arrive as text:
text is trimmed and parsed where that loses nothing, and a number or a date in a text column is
read as the text of `to_text`. In both, blank text is a missing value.

A column of mixed Python values becomes a text column by the same `to_text`, so a value and its
text always parse alike.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import uuid
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

__all__ = [
    "BLANKS",
    "DATE_PATTERN",
    "NOT_READABLE",
    "is_missing",
    "is_text",
    "read_boolean",
    "read_date",
    "read_number",
    "read_text",
    "to_text",
]

BLANKS: Final = " \t\n\r\f\v"

# A NaN compared by identity: a value is present but cannot be parsed.
NOT_READABLE: Final = float("nan")

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_MONTH_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
# Only existing days, so that the JSON Schema rejects exactly what the parser rejects.
DATE_PATTERN: Final = (
    f"(?:{_YEAR}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
    rf"(?:[T ]{_HOUR_MINUTE}(?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?(?:Z|[+-]{_HOUR_MINUTE})?)?"
)
_DATE = re.compile(DATE_PATTERN)
# Unambiguous, so that long digit strings cause no backtracking.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITIES = {"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
_BOOLEANS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  (offsets are subtracted before)
_MICROSECOND = dt.timedelta(microseconds=1)
_ZERO = dt.timedelta()
# Numbers with more digits are floats in full notation; their repr is shorter.
_MAX_DIGITS = 40


def is_missing(value: Any) -> bool:
    """Return True for None, NaN, and pandas' NA and NaT.

    Examples
    --------
    >>> is_missing(None), is_missing(float("nan")), is_missing(0), is_missing("")
    (True, True, False, False)
    """
    if value is None:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(value != value)  # noqa: PLR0124  (NaN is the value unequal to itself)
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return value.__class__.__name__ in {"NAType", "NaTType"}


def is_text(text: str) -> bool:
    r"""Return True for valid Unicode text without NUL characters or lone surrogates.

    Examples
    --------
    >>> is_text("Zürich"), is_text("a\x00b")
    (True, False)
    """
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_number(value: Any, *, lenient: bool) -> float:
    """Parse a number: NaN if missing, `NOT_READABLE` if not a number.

    Examples
    --------
    >>> read_number(" 1e3 ", lenient=True), read_number(2**70, lenient=False)
    (1000.0, 1.1805916207174113e+21)
    """
    if isinstance(value, str):
        text = value.strip(BLANKS)
        readable = lenient and (_NUMBER.fullmatch(text) or text.lower() in _INFINITIES)
        return float(text or "nan") if readable or not text else NOT_READABLE
    if is_missing(value):
        return math.nan
    if isinstance(value, (bool, np.bool_, np.timedelta64)) or not isinstance(
        value, (Real, Decimal)
    ):
        return NOT_READABLE
    try:
        return float(value)
    except OverflowError:
        return math.inf


def read_boolean(value: Any, *, lenient: bool) -> float:
    """Parse a boolean as 1 or 0; leniently also from yes and no, 1 and 0.

    Examples
    --------
    >>> read_boolean(True, lenient=False), read_boolean("No", lenient=True)
    (1.0, 0.0)
    """
    if isinstance(value, (bool, np.bool_)):
        return 1.0 if value else 0.0
    if lenient and isinstance(value, str):
        text = value.strip(BLANKS).lower()
        if text in _BOOLEANS:
            return _BOOLEANS[text]
    code = read_number(value, lenient=lenient)
    if code != code:  # noqa: PLR0124
        return code
    if lenient and code in (0.0, 1.0):
        return 1.0 if code else 0.0
    return NOT_READABLE


def read_date(value: Any) -> int | float:
    """Parse a date or timestamp as microseconds since 1970 in UTC; without an offset it is UTC.

    NaN if missing, `NOT_READABLE` if neither a date nor the text of one.

    Examples
    --------
    >>> read_date("1970-01-02"), read_date("1970-01-01T01:00:00+01:00")
    (86400000000, 0)
    """
    if is_missing(value) or (isinstance(value, str) and not value.strip(BLANKS)):
        return math.nan
    moment = _to_datetime(value)
    if moment is None:
        return NOT_READABLE
    if isinstance(moment, dt.datetime):
        return (_clock(moment) - _EPOCH - (moment.utcoffset() or _ZERO)) // _MICROSECOND
    return (moment - _EPOCH.date()) // _MICROSECOND


def _to_datetime(value: Any) -> dt.date | None:
    if isinstance(value, str):
        text = value.strip(BLANKS)
        return dt.datetime.fromisoformat(text) if _DATE.fullmatch(text) else None
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    return value if isinstance(value, dt.date) else None


def read_text(value: Any, *, lenient: bool) -> str | None:
    """Parse a text: empty if missing or blank, None if the value has no text form.

    Examples
    --------
    >>> read_text(" a ", lenient=True), read_text(" a ", lenient=False), read_text(3, lenient=False)
    ('a', ' a ', None)
    """
    if is_missing(value):
        return ""
    text = to_text(value) if lenient or isinstance(value, str) else None
    if text is None:
        return None
    trimmed = text.strip(BLANKS)
    return trimmed if lenient or not trimmed else text


def _clock(value: dt.datetime) -> dt.datetime:
    """Return the local time as a plain ``datetime`` (pandas' Timestamp is a subclass)."""
    return dt.datetime(  # noqa: DTZ001
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
    )


def to_text(value: Any) -> str | None:
    """Return the canonical text of a non-missing value, or None if it has none.

    Every parser reads a value and its text alike, so a column of mixed values can become a text
    column.

    Examples
    --------
    >>> to_text(3.0), to_text(0.1), to_text(True), to_text([3]) is None
    ('3', '0.1', 'True', True)
    """
    if isinstance(value, str):
        return str(value) if is_text(value) else None
    if isinstance(value, (bool, np.bool_)):
        return "True" if value else "False"
    if isinstance(value, np.timedelta64):  # registered as an Integral
        return None
    if isinstance(value, (Real, Decimal)):
        return _number_text(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    moment = _to_datetime(value)
    return None if moment is None else _iso(moment)


def _number_text(value: Any) -> str | None:
    if isinstance(value, Integral):
        return _digits(int(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MAX_DIGITS:
        integer = int(value)
        if integer == value:
            return str(integer)
    return repr(read_number(value, lenient=False)).removesuffix(".0")


def _digits(number: int) -> str | None:
    try:
        return str(number)
    except ValueError:  # Python limits int-to-text conversion to a few thousand digits
        return None


def _iso(value: dt.date) -> str:
    if not isinstance(value, dt.datetime):
        return value.isoformat()
    offset = value.utcoffset()
    clock = _clock(value)
    if offset is None:
        return clock.isoformat() if clock.time() != dt.time() else clock.date().isoformat()
    try:
        return (clock - offset).isoformat() + "+00:00"
    except OverflowError:
        return clock.isoformat() + "+00:00"

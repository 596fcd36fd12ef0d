"""One value as it comes, read as a number, a truth value, a text or a date.

Reading has two manners. *Strict* is for typed sources (JSON): a number is a number, a text is a
text. *Lenient* is for tables (CSV, spreadsheets, rows of dicts), where everything may come as
text: text is trimmed, and parsed where nothing is lost; and a number or a date that stands in a
column of text is read as the text that `text_of` gives. In both, blank text is a missing value.

A column of mixed Python values becomes a column of texts by the same `text_of`, so that a value
and its text are always read alike.
"""

from __future__ import annotations

import datetime as dt
import math
import re
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
    "text_of",
]

BLANKS: Final = " \t\n\r\f\v"

# A NaN of our own, told from others by identity: the value is there and means nothing.
NOT_READABLE: Final = float("nan")

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_MONTH_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_HOUR_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
# The days that exist, so that the JSON Schema refuses exactly what the reader refuses.
DATE_PATTERN: Final = (
    f"(?:{_YEAR}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
    rf"(?:[T ]{_HOUR_MINUTE}(?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?(?:Z|[+-]{_HOUR_MINUTE})?)?"
)
_DATE = re.compile(DATE_PATTERN)
# Each text matches in one way only: no backtracking on long digits.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITIES = {"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
_TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  (offsets are taken off before)
_MICROSECOND = dt.timedelta(microseconds=1)
_NO_TIME = dt.timedelta()
# Numbers with more digits are floats written out; their own text is shorter.
_MOST_DIGITS = 40


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for none: None, NaN, pandas' NA and NaT.

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
    r"""Tell whether every program can hold a text: it has no NUL and no half of a character.

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
    """Read a number: NaN where it is missing, `NOT_READABLE` where there is no number.

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
    """Read a truth value as 1 or 0; leniently also from yes and no, 1 and 0.

    Examples
    --------
    >>> read_boolean(True, lenient=False), read_boolean("No", lenient=True)
    (1.0, 0.0)
    """
    if isinstance(value, (bool, np.bool_)):
        return 1.0 if value else 0.0
    if lenient and isinstance(value, str):
        word = value.strip(BLANKS).lower()
        if word in _TRUTH:
            return _TRUTH[word]
    code = read_number(value, lenient=lenient)
    if code != code:  # noqa: PLR0124
        return code
    if lenient and code in (0.0, 1.0):
        return 1.0 if code else 0.0
    return NOT_READABLE


def read_date(value: Any) -> int | float:
    """Read a date or a time as microseconds since 1970 in UTC; a time without offset is UTC.

    NaN where it is missing, `NOT_READABLE` where it is neither a date nor the text of one.

    Examples
    --------
    >>> read_date("1970-01-02"), read_date("1970-01-01T01:00:00+01:00")
    (86400000000, 0)
    """
    if is_missing(value) or (isinstance(value, str) and not value.strip(BLANKS)):
        return math.nan
    moment = _moment(value)
    if moment is None:
        return NOT_READABLE
    if isinstance(moment, dt.datetime):
        return (_clock(moment) - _EPOCH - (moment.utcoffset() or _NO_TIME)) // _MICROSECOND
    return (moment - _EPOCH.date()) // _MICROSECOND


def _moment(value: Any) -> dt.date | None:
    if isinstance(value, str):
        text = value.strip(BLANKS)
        return dt.datetime.fromisoformat(text) if _DATE.fullmatch(text) else None
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    return value if isinstance(value, dt.date) else None


def read_text(value: Any, *, lenient: bool) -> str | None:
    """Read a text: empty where it is missing or blank, None where there is no text.

    Examples
    --------
    >>> read_text(" a ", lenient=True), read_text(" a ", lenient=False), read_text(3, lenient=False)
    ('a', ' a ', None)
    """
    if is_missing(value):
        return ""
    text = text_of(value) if lenient or isinstance(value, str) else None
    if text is None:
        return None
    trimmed = text.strip(BLANKS)
    return trimmed if lenient or not trimmed else text


def _clock(value: dt.datetime) -> dt.datetime:
    """Return what the clock on the wall showed, as Python's own type (pandas' is a subclass)."""
    return dt.datetime(  # noqa: DTZ001
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
    )


def text_of(value: Any) -> str | None:
    """Return the one text of a value that is not missing, or None where it has none.

    Every reader reads a value and its text alike, so a column of mixed values can become a
    column of texts.

    Examples
    --------
    >>> text_of(3.0), text_of(0.1), text_of(True), text_of([3]) is None
    ('3', '0.1', 'True', True)
    """
    if isinstance(value, str):
        return str(value) if is_text(value) else None
    if isinstance(value, (bool, np.bool_)):
        return "True" if value else "False"
    if isinstance(value, np.timedelta64):  # which calls itself a whole number
        return None
    if isinstance(value, (Real, Decimal)):
        return _number_text(value)
    moment = _moment(value)
    return None if moment is None else _iso(moment)


def _number_text(value: Any) -> str | None:
    if isinstance(value, Integral):
        return _digits(int(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS:
        whole = int(value)
        if whole == value:
            return str(whole)
    return repr(read_number(value, lenient=False)).removesuffix(".0")


def _digits(number: int) -> str | None:
    try:
        return str(number)
    except ValueError:  # Python writes no number of more than some thousand digits
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

"""Detect columns of dates and the format of the dates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnkit.contracts.parsing.date_spelling import (
    MONTH_YEAR,
    SERIAL_DAYS,
    are_months,
    detect_date_styles,
    is_open_date,
    normalize_date,
)
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_date
from churnkit.pipeline.scaffold.keys.label_names import is_date_word, means_no_end
from churnkit.pipeline.scaffold.name_rules import is_id, split_words

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = [
    "SERIAL_DAY",
    "DateFormat",
    "are_months_of_years",
    "detect_dates",
    "detect_serial",
    "is_date_name",
    "months_review",
    "open_dates",
]

_DIGITS = re.compile(r"-?[0-9]+(?:\.0)?")
# Seconds of 2000 and 2040; numbers outside are no times of today's data.
_FIRST_SECOND, _LAST_SECOND = 946_684_800, 2_208_988_800
_EPOCHS = (("epoch seconds", 1), ("epoch milliseconds", 1_000), ("epoch microseconds", 1_000_000))
_MIN_EPOCHS = 20
# More texts are no dates, and more numbers beyond the year 2099 are codes such as telephone numbers.
_MAX_OPEN = 5
# From 1982 to 2064, as spreadsheets count.
SERIAL_DAY = re.compile(r"[3-5][0-9]{4}(?:[.,][0-9]+)?")
_MIN_SERIAL = 10
# Names of days, in words: a word for dates at the end, created at, date of birth, date joined.
_SERIAL_NAME = re.compile(
    r"(?:.* )?(?:date|datum|fecha|birthday|birthdate|startdate|enddate|signup|joined|[a-z]{3,}ed (?:at|on))"
    r"|date (?:of|de|[a-z]{3,}ed)\b.*|fecha .*"
)
# Codes with a month and four digits, or with its name, are months only in columns of these names.
_MONTH_WORDS = {
    "date", "datum", "fecha", "month", "monat", "mois", "mes", "mese", "maand", "period", "periode",
    "ym", "yearmonth", "yyyymm", "snapshot",
}  # fmt: skip
_SPELLED_MONTH = re.compile("([^0-9 './-]{3,})[ './-]+[0-9]+")
_BEGINNINGS = {"signup", "joined", "birthday", "start", "end"}
_EMPTY = ("0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "00/00/0000")


@dataclass(frozen=True, slots=True)
class DateFormat:
    """Format of a column of dates.

    Parameters
    ----------
    written
        Style of `churnkit.contracts.as_of`; None for ISO 8601 and for dates of the table's type.
    other
        Another style that fits every date too, or None.
    empty
        Texts that stand for no date.
    open
        Dates that stand for no date, such as 9999-12-31 or 1900-01-01.
    review
        Assumption about the order of day and month, to state in the draft.
    """

    written: str | None
    other: str | None = None
    empty: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    review: str = ""

    def __str__(self) -> str:
        """Name the format."""
        return self.written or "ISO 8601"


def detect_dates(profile: ColumnProfile, *, missing: Container[str] = ()) -> DateFormat | None:
    """Return the format of a column's dates, or None for other columns.

    Parameters
    ----------
    profile
        The column.
    missing
        Texts in lower case that stand for no date next to the usual ones.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> detect_dates(profile_column("day", pa.chunked_array([["31.12.2024", "1.1.2025"]]))).written
    'DD/MM/YYYY'
    """
    if profile.kind == "date":
        return DateFormat(None, open=open_dates(profile.texts, None))
    empty = tuple(
        text
        for text in profile.texts
        if text in _EMPTY or means_no_end(text) or text.casefold() in missing
    )
    if len(empty) > _MAX_OPEN:
        return None
    texts = [text for text in profile.texts if text not in empty]
    if profile.kind not in {"text", "number"} or not texts:
        return None
    serial = detect_serial(profile.name, texts)
    if serial is not None:
        return replace(serial, empty=empty)
    if all(map(_DIGITS.fullmatch, texts)):
        form = _detect_digits(profile.name, texts)
        return form and replace(form, empty=empty)
    return _detect_text(profile.name, texts, empty) if profile.kind == "text" else None


def open_dates(texts: Iterable[str], *styles: str | None) -> tuple[str, ...]:
    """List the texts that stand for no date in one of the styles; None is ISO 8601.

    Examples
    --------
    >>> open_dates(["31.12.9999", "31.12.2024"], "DD/MM/YYYY"), open_dates(["1900-01-01"], None)
    (('31.12.9999',), ('1900-01-01',))
    """

    def is_open(text: str, style: str | None) -> bool:
        date = read_date(text if style is None else normalize_date(text, style))
        return isinstance(date, int) and is_open_date(date)

    return tuple(text for text in texts if any(is_open(text, style) for style in styles))


def _detect_text(name: str, texts: list[str], empty: tuple[str, ...]) -> DateFormat | None:
    if all(read_date(text) is not NOT_READABLE for text in texts):
        return DateFormat(None, None, empty, open_dates(texts, None))
    styles = detect_date_styles(texts)
    if not styles or (MONTH_YEAR in styles and not are_months_of_years(name, texts)):
        return None
    opened = open_dates(texts, styles[0])
    review = months_review(texts, styles)
    other = styles[1] if len(styles) > 1 and not review else None
    return DateFormat(styles[0], other, empty, opened, review)


def months_review(texts: Iterable[str], styles: Sequence[str]) -> str:
    """Describe the assumption that dates are months, if their style follows from it; else empty.

    Examples
    --------
    >>> months = [f"01/{month:02d}/{year}" for year in (2024, 2025) for month in range(1, 13)]
    >>> months_review(months, ("DD/MM/YYYY", "MM/DD/YYYY"))
    'assumed to be DD/MM/YYYY: all would be days of January otherwise'
    """
    if len(styles) < 2 or not are_months(texts, styles[0]):
        return ""
    return f"assumed to be {styles[0]}: all would be days of January otherwise"


def is_date_name(name: str) -> bool:
    """Return True for a name with a word for dates, or of the date at which something begins or ends.

    Examples
    --------
    >>> is_date_name("signup"), is_date_name("fee")
    (True, False)
    """
    return is_date_word(name) or bool(set(split_words(name)) & _BEGINNINGS)


def are_months_of_years(name: str, texts: Sequence[str]) -> bool:
    """Return True for months such as 01/2024 and Jan-24, rather than ids and codes such as MAR01.

    They are spelled with a separator in two months at least, or their column is named as one of months.

    Examples
    --------
    >>> are_months_of_years("left", ["Jan-24", "Feb 24"]), are_months_of_years("store", ["MAR01", "MAY02"])
    (True, False)
    >>> are_months_of_years("month", ["01/2024"]), are_months_of_years("customer_id", ["01-2001"])
    (True, False)
    """
    if is_id(name) or not all(normalize_date(text, MONTH_YEAR) for text in texts):
        return False
    if set(split_words(name)) & _MONTH_WORDS:
        return bool(texts)
    spelled = [match for match in map(_SPELLED_MONTH.fullmatch, texts) if match]
    return len(spelled) == len(texts) and len({match[1].lower() for match in spelled}) > 1


def detect_serial(name: str, texts: Sequence[str]) -> DateFormat | None:
    """Detect ten days or more as spreadsheets count them, in columns with names of dates.

    Examples
    --------
    >>> days = [str(45_292 + number) for number in range(10)]
    >>> detect_serial("signup_date", days), detect_serial("session_time_ms", days)
    (DateFormat(written='Excel serial', other=None, empty=(), open=(), review=''), None)
    """
    others = [text for text in texts if not SERIAL_DAY.fullmatch(text)]
    is_named = _SERIAL_NAME.fullmatch(" ".join(split_words(name)))
    if not is_named or len(set(texts).difference(others)) < _MIN_SERIAL or len(others) > _MAX_OPEN:
        return None
    opened = open_dates(others, SERIAL_DAYS)
    return DateFormat(SERIAL_DAYS, open=opened) if len(opened) == len(others) else None


def _detect_digits(name: str, texts: list[str]) -> DateFormat | None:
    """Detect times since 1970, and dates such as 20240131 in columns named as dates."""
    numbers = {text: int(float(text)) for text in texts}
    for style, scale in _EPOCHS:
        others = {t for t, n in numbers.items() if not _FIRST_SECOND <= n / scale < _LAST_SECOND}
        if len(others) > _MAX_OPEN or len(others) == len(texts):
            continue
        opened = open_dates(texts, style)
        if others <= set(opened) and (is_date_word(name) or len(texts) >= _MIN_EPOCHS):
            return DateFormat(style, open=opened)
    compact = all(normalize_date(text, "YYYY-MM-DD") for text in texts)
    opened = open_dates(texts, "YYYY-MM-DD") if compact else ()
    in_years = all("1950" <= text[:4] < "2050" for text in texts if text not in opened)
    is_date = compact and in_years and len(opened) < len(texts) and is_date_word(name)
    return DateFormat("YYYY-MM-DD", open=opened) if is_date else None

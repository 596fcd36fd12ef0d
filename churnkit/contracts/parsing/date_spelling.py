"""Dates that are not written in ISO 8601."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_date
from churnkit.core.time import MONTH_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "DATE_STYLES",
    "EMPTY_DAYS",
    "FIRST_OPEN_DAY",
    "LAST_SERIAL",
    "MONTHS",
    "MONTH_YEAR",
    "MONTH_YEARS",
    "SERIAL_DAYS",
    "SERIAL_PATTERN",
    "YEAR",
    "are_months",
    "detect_date_styles",
    "is_open_date",
    "normalize_date",
]

_SECONDS: Final = {"epoch seconds": 0, "epoch milliseconds": 3, "epoch microseconds": 6}
MONTH_YEAR: Final = "MM/YYYY"
"""Style of months, by number or name."""
SERIAL_DAYS: Final = "Excel serial"
"""Style of days since 1899-12-30, as spreadsheets count them; a fraction is the time of day."""
# The order of day, month and year; any of ``-./`` and spaces may separate them.
DATE_STYLES: Final = (
    "YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY", "MM/YYYY", "YYYY", SERIAL_DAYS, *_SECONDS,
)  # fmt: skip
# Months by the start of their names, in English, German, French, Spanish, Italian and others.
MONTHS: Final = {
    "jan": 1, "gen": 1, "ene": 1, "feb": 2, "fev": 2, "fév": 2, "mar": 3, "mär": 3, "mrz": 3,
    "mae": 3, "maa": 3, "apr": 4, "abr": 4, "avr": 4, "may": 5, "mai": 5, "mag": 5, "mei": 5, "jun": 6,
    "giu": 6, "juin": 6, "jul": 7, "lug": 7, "juil": 7, "aug": 8, "ago": 8, "aoû": 8, "aou": 8,
    "sep": 9, "set": 9, "oct": 10, "okt": 10, "out": 10, "ott": 10, "nov": 11, "dec": 12,
    "dez": 12, "dic": 12, "déc": 12,
}  # fmt: skip
# Patterns that the engines share, without backslashes; the range from & to ( has the apostrophe.
YEAR: Final = "(?:19|20)[0-9]{2}"
"""Pattern of the years in which months are dates."""
MONTH_YEARS: Final = (
    "{names}[.]?[-/. &-(]{{0,2}}{year}",
    "{year}{names}[.]?",
    "{names}[-/]{year}",
)
"""Patterns of months: a name and a year, a year and a name, and numbers."""
SERIAL_PATTERN: Final = "[0-9]{1,7}(?:[.][0-9]+)?|[0-9]{4,7},[0-9]+"
"""Pattern of days as spreadsheets count them; a comma after fewer digits separates thousands."""
LAST_SERIAL: Final = 2_958_465
"""Number of 9999-12-31."""
_NAMES = "|".join(MONTH_OF)
_NAME = r"[^\W\d_]{3,12}\.?"
_TIME = (
    r"(?:(?:T|[ ,]+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?)?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_PATTERNS: Final = {
    "YYYY-MM-DD": re.compile(
        r"(?:(?P<year>[0-9]{4})(?P<gap>[-./ ])(?P<month>[0-9]{1,2}|" + _NAME + r")"
        r"(?:(?P=gap)(?P<day>[0-9]{1,2}))?|(?P<year2>[0-9]{4})(?P<month2>[0-9]{2})"
        r"(?P<day2>[0-9]{2})?)" + _TIME
    ),
    "DD/MM/YYYY": re.compile(
        r"(?P<day>[0-9]{1,2})(?:\. ?|[-/ ])(?P<month>[0-9]{1,2}|" + _NAME + r")(?:\. ?|[-/ ])"
        r"(?P<year>[0-9]{4}|[0-9]{2})" + _TIME
    ),
    "MM/DD/YYYY": re.compile(
        r"(?P<month>[0-9]{1,2}|" + _NAME + r")[-./ ](?P<day>[0-9]{1,2})(?:, ?|[-./ ])"
        r"(?P<year>[0-9]{4}|[0-9]{2})" + _TIME
    ),
    "MM/YYYY": re.compile(
        MONTH_YEARS[0].format(names=f"(?P<month2>{_NAMES})", year=f"(?P<year2>{YEAR}|[0-9]{{2}})")
        + "|"
        + MONTH_YEARS[1].format(names=f"(?P<month3>{_NAMES})", year=f"(?P<year3>{YEAR})")
        + "|"
        + MONTH_YEARS[2].format(names="(?P<month>0?[1-9]|1[0-2])", year=f"(?P<year>{YEAR})"),
        re.IGNORECASE,
    ),
}
_SERIAL = re.compile(SERIAL_PATTERN)
_FIRST_SERIAL = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - a calendar day
_YEAR = re.compile(r"([0-9]{4})(?:\.0+)?")
# The first of the years that two digits stand for.
_PIVOT = 1969
_EPOCH = dt.date(1970, 1, 1)
_DAY_MICROSECONDS = 86_400_000_000
# Days that programs write for "no date": the first ones of SQL Server, Windows, Excel, Unix and .NET.
EMPTY_DAYS: Final = frozenset(
    (dt.date(*day) - _EPOCH).days
    for day in (
        (1, 1, 1), (1601, 1, 1), (1753, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 1),
        (1900, 1, 2), (1970, 1, 1),
    )
)  # fmt: skip
# Fewer first days of months may as well be days of January.
_MIN_FIRST_DAYS, _MIN_MONTHS, _MIN_YEARS = 12, 6, 2
FIRST_OPEN_DAY = (dt.date(2099, 1, 1) - _EPOCH).days


def is_open_date(microseconds: int) -> bool:
    """Return True for a date that stands for no date, such as 9999-12-31 or 1900-01-01.

    Parameters
    ----------
    microseconds
        Microseconds since 1970.

    Examples
    --------
    >>> [is_open_date(int(read_date(text))) for text in ("2099-12-31", "1970-01-01", "2025-01-31")]
    [True, True, False]
    """
    day = microseconds // _DAY_MICROSECONDS
    return day >= FIRST_OPEN_DAY or day in EMPTY_DAYS


def normalize_date(text: str, style: str) -> str | None:
    """Rewrite a date in ISO 8601, with its time and offset; None if the style does not fit.

    Examples
    --------
    >>> normalize_date("3.1.2024", "DD/MM/YYYY"), normalize_date("1/3/24 2:05 PM", "MM/DD/YYYY")
    ('2024-01-03', '2024-01-03T14:05:00')
    >>> normalize_date("2024-01-01 00:00:00 UTC", "YYYY-MM-DD"), normalize_date("202401", "YYYY-MM-DD")
    ('2024-01-01T00:00:00+00:00', '2024-01-01')
    >>> normalize_date("1704067200", "epoch seconds"), normalize_date("31/12/2024", "MM/DD/YYYY")
    ('2024-01-01T00:00:00+00:00', None)
    >>> normalize_date("Jan-24", "MM/YYYY"), normalize_date("45292.75", "Excel serial")
    ('2024-01-01', '2024-01-01T18:00:00')
    """
    if style == "YYYY":
        is_year = _YEAR.fullmatch(text)
        return f"{is_year[1]}-01-01" if is_year else None
    if style in _SECONDS:
        return _from_epoch(text, _SECONDS[style])
    if style == SERIAL_DAYS:
        return _from_serial(text)
    match = _PATTERNS[style].fullmatch(text)
    if match is None:
        return None
    groups = match.groupdict().items()
    parts = {name.rstrip("23"): part for name, part in groups if part is not None}
    try:
        month = _month(parts["month"])
        date = dt.date(_full_year(parts["year"]), month, int(parts.get("day", 1)))
        return date.isoformat() + _clock(parts)
    except ValueError:
        return None


def _full_year(year: str) -> int:
    if len(year) == 4:
        return int(year)
    return _PIVOT + (int(year) - _PIVOT) % 100


def _month(text: str) -> int:
    """Return the number of a month; 0 for other words."""
    if text.isdecimal():
        return int(text)
    name = text.lower()
    return MONTHS.get(name[:4]) or MONTHS.get(name[:3], 0)


def _clock(parts: dict[str, str]) -> str:
    if "hour" not in parts:
        return ""
    hour = int(parts["hour"])
    if "half" in parts:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + 12 * (parts["half"] in "pP")
    time = dt.time(hour, int(parts["minute"]), int(parts.get("second", 0))).isoformat()
    fraction = f".{parts['fraction']}" if "fraction" in parts else ""
    zone = parts.get("zone", "")
    if zone in {"Z", "UTC", "GMT"}:
        zone = "+00:00"
    elif zone:
        digits = zone[1:].replace(":", "").ljust(4, "0")
        zone = f"{zone[0]}{digits[:2]}:{digits[2:]}"
    return f"T{time}{fraction}{zone}"


def _from_serial(text: str) -> str | None:
    days = float(text.replace(",", ".")) if _SERIAL.fullmatch(text) else -1.0
    if not 0 <= days < LAST_SERIAL + 1:
        return None
    # Fractions of a day are exact to the millisecond.
    milliseconds = round(days * 86_400_000)
    try:
        moment = _FIRST_SERIAL + dt.timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    return moment.isoformat().removesuffix("T00:00:00")


def _from_epoch(text: str, digits: int) -> str | None:
    number = text.removesuffix(".0")
    if not re.fullmatch(r"-?[0-9]{1,20}", number):
        return None
    microseconds = int(number) * 10 ** (6 - digits)
    try:
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    return moment.isoformat()


def detect_date_styles(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the styles in which every text is an existing date, except years and epochs.

    Two styles are returned only if they disagree about a date: no day is above 12. The first is the
    one in which the dates are months; see `are_months`.

    Examples
    --------
    >>> detect_date_styles(["31.12.2024", "1.2.2024"]), detect_date_styles(["2.1.2024"])
    (('DD/MM/YYYY',), ('DD/MM/YYYY', 'MM/DD/YYYY'))
    >>> detect_date_styles(["Jan 5, 2024"]), detect_date_styles(["5", "x"])
    (('MM/DD/YYYY',), ())
    """
    listed = list(texts)
    results: dict[str, list[str]] = {}
    for style in _PATTERNS:
        dates = []
        for text in listed:
            date = normalize_date(text, style)
            if date is None or read_date(date) is NOT_READABLE:
                break
            dates.append(date)
        if listed and len(dates) == len(listed) and dates not in results.values():
            results[style] = dates
    return tuple(sorted(results, key=lambda style: not _are_months(results[style])))


def are_months(texts: Iterable[str], style: str) -> bool:
    """Return True for twelve first days of six months in two years at least, read in a style.

    In the other order of day and month they would all be days of January; that the dates are months
    is an assumption to state.

    Examples
    --------
    >>> months = [f"01/{month:02d}/{year}" for year in (2024, 2025) for month in range(1, 13)]
    >>> are_months(months, "DD/MM/YYYY"), are_months(months, "MM/DD/YYYY")
    (True, False)
    >>> are_months(["01/02/2024", "01/05/2025"], "DD/MM/YYYY")
    False
    """
    return _are_months([normalize_date(text, style) or "" for text in texts])


def _are_months(dates: Sequence[str]) -> bool:
    distinct = {date[:10] for date in dates}
    return (
        len(distinct) >= _MIN_FIRST_DAYS
        and len({date[5:7] for date in distinct}) >= _MIN_MONTHS
        and len({date[:4] for date in distinct}) >= _MIN_YEARS
        and all(date[8:] == "01" for date in distinct)
    )

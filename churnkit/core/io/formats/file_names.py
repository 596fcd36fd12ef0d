"""Names of the files of one table: they differ only in a number or a date."""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from fnmatch import fnmatchcase
from glob import escape
from itertools import groupby, pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from churnkit.core.io.formats.signature import table_stem
from churnkit.core.time import MONTH_OF, MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "FILE_DATE",
    "common_stem",
    "file_dates",
    "find_numbered",
    "months_without_year",
    "name_pattern",
    "series_stems",
]

# Column of the date in the name of a row's file.
FILE_DATE = "file_date"

_NAMES = sorted(MONTH_OF, key=len, reverse=True)
_NAME = "|".join(_NAMES)
_ENGLISH = "|".join(n for n in _NAMES if any(each.startswith(n) for each in MONTHS))
_DAY = r"0?[1-9]|[12]\d|3[01]"
_GAP = "[-_. ']{0,2}"
# A date with the name of its month: March_31_2024, 31.Mar.2024, Mar-24, 2024Mar.
_NAMED = (
    rf"(?<![^\W\d_])(?P<month1>{_ENGLISH}){_GAP}(?P<day1>{_DAY})[-_. ,]{{1,2}}(?P<year1>(?:19|20)\d\d)"
    rf"|(?:(?<!\d)(?P<day2>{_DAY}){_GAP}|(?<![^\W\d_]))(?P<month2>{_NAME}){_GAP}(?P<year2>(?:19|20)?\d\d)"
    rf"|(?<!\d)(?P<year3>(?:19|20)\d\d){_GAP}(?P<month3>{_NAME})(?:{_GAP}(?P<day3>{_DAY}))?"
)
# A number, or a date such as 2018-11-01 and 2020Q1; neither the copy of a download, as in
# "sales (1)", nor a number with a unit, as in "usage_30d".
_NUMBER = r"(?<![(\d])\d+(?:[-_. ]?[QqWw]?\d+)*"
_PART = re.compile(rf"(?:(?P<named>{_NAMED})|{_NUMBER})(?![A-Za-z\d])", re.IGNORECASE)
_NUMBER_PART = re.compile(rf"{_NUMBER}(?![A-Za-z\d])")
_WILDCARDS = re.compile(r"[-_. ]*(?:\[[^\]]*\]|[*?])+(?:[-_. ]*(?:\[[^\]]*\]|[*?])+)*[-_. ]*")
_ANY_SUFFIX = ".*"
_DATE = re.compile(
    rf"(?P<named>{_NAMED})(?![A-Za-z\d])"
    r"|(?<!\d)(?P<year>(?:19|20)\d{2})[-_. ]?(?:(?P<month>0[1-9]|1[0-2])"
    r"(?:[-_. ]?(?P<day>0[1-9]|[12]\d|3[01]))?|Q(?P<quarter>[1-4]))(?!\d)"
    r"|(?<![^\W_])Q(?P<quarter4>[1-4])[-_. ]?(?P<year4>(?:19|20)\d\d)(?!\d)",
    re.IGNORECASE,
)
_MONTH_ALONE = re.compile(
    rf"(?<![^\W\d_])(?P<month>{_NAME})(?:{_GAP}(?:{_DAY}))?(?![^\W_])", re.IGNORECASE
)
# Months that are other words, too: in opt_out_2023 and data_set.
_WORDS = {"ago", "gen", "lug", "mag", "out", "set"}
# Numbers after the name of a month that are years, unless some exceed 31: others are days.
_FIRST_SHORT, _LAST_SHORT, _LAST_DAY = 13, 29, 31
_MAX_STEP = 3
_PIVOT = 69
_RUN = re.compile(r"[^\W\d_]+|\d+|[\W_]+")


def find_numbered(names: Iterable[str]) -> list[list[str]]:
    """Group file names that differ only in a number or a date, and in their format.

    Returns
    -------
    list of list of str
        Groups of at least two names, each in the order of the numbers.

    Examples
    --------
    >>> find_numbered(["sales_10.csv", "sales_9.csv", "orders.csv", "usage_7d.csv", "usage_30d.csv"])
    [['sales_9.csv', 'sales_10.csv']]
    >>> find_numbered(["crm_mar_2024.csv", "crm_apr_2024.csv", "crm_market_2024.csv"])
    [['crm_mar_2024.csv', 'crm_apr_2024.csv']]
    """
    listed = list(names)
    by_text: dict[str, list[str]] = {}
    for name in listed:
        by_text.setdefault(_without_numbers(name), []).append(name)
    dated = {text for text, group in by_text.items() if len(group) > 1 and _have_years(group)}

    def text_of(name: str) -> str:
        text = _without_numbers(name)
        return text if text in dated else _NUMBER_PART.sub("\0", table_stem(name))

    ordered = sorted(listed, key=lambda name: (text_of(name), _numbers(name), name))
    groups = [list(group) for _, group in groupby(ordered, key=text_of)]
    # One name in two formats is not a series.
    return [group for group in groups if 1 < len(group) == len(set(map(table_stem, group)))]


def name_pattern(names: Sequence[str], folder: Iterable[str]) -> tuple[str, list[str]]:
    """Return a pattern of file names that differ in numbers, and what else it matches.

    Parameters
    ----------
    names
        A group of `find_numbered`.
    folder
        All file names of their folder.

    Returns
    -------
    pattern
        One that also matches later numbers; only numbers of the same digits if it would match
        other files.
    others
        Other files of the folder that it matches.

    Examples
    --------
    >>> name_pattern(["sales_2015.csv", "sales_2016.csv"], ["sales_2015.csv", "sales_2016.csv"])
    ('sales_[0-9]*.csv', [])
    >>> name_pattern(["crm_Jan24.csv", "crm_Feb24.csv"], [])[0]
    'crm_[A-Za-z]*[0-9]*.csv'
    """
    suffixes = {name[len(table_stem(name)) :] for name in names}
    suffix = escape(suffixes.pop()) if len(suffixes) == 1 else _ANY_SUFFIX
    candidates = [_pattern(names, exact=exact) + suffix for exact in (False, True)]
    others = [
        sorted(name for name in folder if fnmatchcase(name, each) and name not in names)
        for each in candidates
    ]
    return min(zip(candidates, others, strict=True), key=lambda pair: bool(pair[1]))


def common_stem(pattern: str) -> str:
    """Return a pattern's file name without wildcards and suffixes; ``"rows"`` if nothing is left.

    Examples
    --------
    >>> common_stem("Sales_[0-9]*_eu.csv"), common_stem("[0-9]*-events.json"), common_stem("*.csv")
    ('Sales_eu', 'events', 'rows')
    """
    stem = table_stem(PurePosixPath(pattern.removesuffix(_ANY_SUFFIX)).name)
    return _WILDCARDS.sub("_", stem).strip("_") or "rows"


def series_stems(name: str) -> set[str]:
    """Return the names of tables to which a file with a number or a date may belong.

    Examples
    --------
    >>> series_stems("customers_2024_09.csv"), sorted(series_stems("opt_out_2023.csv"))
    ({'customers'}, ['opt', 'opt_out'])
    """
    return {common_stem(part.sub("*", table_stem(name))) for part in (_PART, _NUMBER_PART)}


def months_without_year(names: Iterable[str]) -> list[str]:
    """Return names that differ in the name of a month, or of a month and a day, and have no date.

    Numbers after names of months that form no run of months are days. Names are of two months at
    least, not all of them words such as set and out.

    Examples
    --------
    >>> months_without_year(["crm_jan.csv", "prices.csv", "crm_feb.csv"]), months_without_year(["mar"])
    (['crm_jan.csv', 'crm_feb.csv'], [])
    >>> months_without_year(["Jan 24", "Feb 24"])
    []
    >>> months_without_year(["jan31", "feb28"]), months_without_year(["data_set", "data_out"])
    (['jan31', 'feb28'], [])
    """
    by_rest: dict[str, dict[str, str]] = {}
    for name in names:
        stem = table_stem(name)
        months = list(_MONTH_ALONE.finditer(stem))
        if len(months) == 1 and all(map(_is_short, _DATE.finditer(stem))):
            rest = _MONTH_ALONE.sub("", stem)
            by_rest.setdefault(rest, {})[name] = months[0]["month"].casefold()
    groups = [
        list(months)
        for months in by_rest.values()
        if len({MONTH_OF[month] for month in months.values()}) > 1
        if not _WORDS.issuperset(months.values()) and file_dates(list(months), "*") is None
    ]
    return max(groups, key=len, default=[])


def file_dates(names: Sequence[str], pattern: str = "") -> list[dt.date] | None:
    """Return the dates of which the names of files differ; the last day of a month without a day.

    None if a name has no date or several, or two names have the same. A single file has its date
    where a pattern has a wildcard for it.

    Examples
    --------
    >>> [str(date) for date in file_dates(["crm_2024-01.csv", "crm_20240229.csv"]) or ()]
    ['2024-01-31', '2024-02-29']
    >>> file_dates(["sales_2015.csv", "sales_2016.csv"])
    >>> [str(date) for date in file_dates(["crm_2024_03.csv"], "crm_[0-9]*.csv") or ()]
    ['2024-03-31']
    >>> [str(date) for date in file_dates(["Jan-24", "2024Feb", "Q2 2024"]) or ()]
    ['2024-01-31', '2024-02-29', '2024-06-30']
    >>> file_dates(["opt_out_2023", "opt_out_2024"]), file_dates(["jan31", "feb28"])
    (None, None)
    """
    found = [list(_DATE.finditer(table_stem(name))) for name in names]
    if not names or any(len(matches) != 1 for matches in found):
        return None
    matches = [match for (match,) in found]
    if len(names) == 1 and (not pattern or matches[0].group() in pattern):
        return None
    months = {_month_name(match) for match in matches}
    if len(names) > 1 and _are_days(months, matches):
        return None
    is_constant = len(names) > 1 or any(month in pattern.casefold() for month in months)
    if not _are_years(matches) or (len(months) == 1 and months <= _WORDS and is_constant):
        return None
    try:
        dates = [_to_date(match) for match in matches]
    except ValueError:
        return None
    return dates if len(set(dates)) == len(dates) else None


def _parts(match: re.Match[str]) -> dict[str, str]:
    """Return year, month, day and quarter, as far as they are written."""
    groups = match.groupdict().items()
    return {name.rstrip("0123456789"): text for name, text in groups if text}


def _month_name(match: re.Match[str]) -> str:
    month = _parts(match).get("month", "")
    return "" if month.isdecimal() else month.casefold()


def _are_days(months: set[str], matches: Sequence[re.Match[str]]) -> bool:
    """Return True for one month with numbers of two digits, such as May_10 and May_11: no years."""
    return all(map(_is_short, matches)) and len(months) == 1


def _is_short(match: re.Match[str]) -> bool:
    """Return True for a date with a year of two digits."""
    return len(_parts(match).get("year", "")) < len("2024")


def _are_years(matches: Iterable[re.Match[str]]) -> bool:
    """Return True if two digits after names of months are years, rather than days such as jan31, feb28.

    Some exceed 31, or the months form a run, of which each is at most a quarter after the one before.
    """
    short = [_parts(match) for match in matches if _is_short(match)]
    years = [int(parts["year"]) for parts in short]
    if any(year > _LAST_DAY for year in years):
        return True
    if not all(_FIRST_SHORT <= year <= _LAST_SHORT for year in years):
        return False
    months = sorted(
        {
            12 * year + MONTH_OF[parts["month"].casefold()]
            for year, parts in zip(years, short, strict=True)
            if "day" not in parts
        }
    )
    return all(later - month <= _MAX_STEP for month, later in pairwise(months))


def _have_years(names: Sequence[str]) -> bool:
    """Return True for names of one form in which the numbers after names of months are years."""
    named = [m for name in names for m in _PART.finditer(table_stem(name)) if m["named"]]
    return len(set(map(_without_numbers, names))) == 1 and _are_years(named)


def _to_date(match: re.Match[str]) -> dt.date:
    parts = _parts(match)
    year, month = int(parts["year"]), parts.get("month", "")
    number = 3 * int(parts["quarter"]) if "quarter" in parts else MONTH_OF.get(month.casefold(), 0)
    year += 0 if year > 99 else 2000 if year < _PIVOT else 1900
    number = number or int(month)
    return dt.date(year, number, int(parts.get("day") or monthrange(year, number)[1]))


def _without_numbers(name: str) -> str:
    return _PART.sub(lambda match: "\1" if match["named"] else "\0", table_stem(name))


def _numbers(name: str) -> list[int]:
    numbers: list[int] = []
    for match in _PART.finditer(table_stem(name)):
        digits = list(map(int, re.findall(r"\d+", match.group())))
        month = MONTH_OF[_month_name(match)] if match["named"] else 0
        numbers += (int(_parts(match)["year"]), month, *digits) if month else digits
    return numbers


def _pattern(names: Sequence[str], *, exact: bool) -> str:
    """Return the common text of stems, with a wildcard where their numbers differ.

    Parameters
    ----------
    names
        Names that differ in numbers.
    exact
        Match numbers of the same digits, and the first letters of months.
    """
    part = _PART if _have_years(names) else _NUMBER_PART
    texts = [escape(text) for text in part.sub("\0", table_stem(names[0])).split("\0")]
    parts = zip(
        *([match.group() for match in part.finditer(table_stem(n))] for n in names), strict=True
    )
    wildcards = [_wildcard(each, exact=exact) if len(set(each)) > 1 else each[0] for each in parts]
    return "".join(text for pair in zip(texts, [*wildcards, ""], strict=True) for text in pair)


def _wildcard(numbers: Sequence[str], *, exact: bool) -> str:
    if not any(map(str.isalpha, "".join(re.sub("[QqWw]", "", n) for n in numbers))):
        shapes = {re.sub(r"\d", "[0-9]", number) for number in numbers}
        return shapes.pop() if exact and len(shapes) == 1 else "[0-9]*"
    runs = [_RUN.findall(number) for number in numbers]
    if len({len(each) for each in runs}) > 1:
        return "*"
    return "".join(_run_wildcard(set(each), exact=exact) for each in zip(*runs, strict=True))


def _run_wildcard(texts: set[str], *, exact: bool) -> str:
    """Return the pattern of a part of dates with names of months."""
    text = min(texts)
    if text.isdecimal():
        return "[0-9]" * len(text) if exact and len({*map(len, texts)}) == 1 else "[0-9]*"
    if len(texts) == 1:
        return escape(text)
    if not text.isalpha():
        return "*"
    return "".join(map(_letters, range(3))) + "*" if exact else "[A-Za-z]*"


def _letters(position: int) -> str:
    """Return the letters of the names of months at a position."""
    letters = {name[position] for name in MONTH_OF}
    return f"[{''.join(sorted(letters | {each.upper() for each in letters}))}]"

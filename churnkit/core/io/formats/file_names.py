"""Names of the files of one table: they differ only in a number or a date."""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from fnmatch import fnmatchcase
from glob import escape
from itertools import groupby
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from churnkit.core.io.formats.signature import table_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["FILE_DATE", "common_stem", "file_dates", "find_numbered", "name_pattern"]

# Column of the date in the name of a row's file.
FILE_DATE = "file_date"

# A number, or a date such as 2018-11-01 and 2020Q1; neither the copy of a download, as in
# "sales (1)", nor a number with a unit, as in "usage_30d".
_NUMBER = re.compile(r"(?<![(\d])\d+(?:[-_. ]?[QqWw]?\d+)*(?![A-Za-z\d])")
_WILDCARDS = re.compile(r"[-_. ]*(?:\[[^\]]*\]|[*?])+(?:[-_. ]*(?:\[[^\]]*\]|[*?])+)*[-_. ]*")
_ANY_SUFFIX = ".*"
_DATE = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d{2})[-_. ]?(?P<month>0[1-9]|1[0-2])"
    r"(?:[-_. ]?(?P<day>0[1-9]|[12]\d|3[01]))?(?!\d)"
)


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
    """
    ordered = sorted(names, key=lambda name: (_without_numbers(name), _numbers(name), name))
    groups = [list(group) for _, group in groupby(ordered, key=_without_numbers)]
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
    """
    suffixes = {name[len(table_stem(name)) :] for name in names}
    suffix = escape(suffixes.pop()) if len(suffixes) == 1 else _ANY_SUFFIX
    candidates = [_pattern(names, wildcard) + suffix for wildcard in (_any_number, _same_digits)]
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
    """
    found = [list(_DATE.finditer(table_stem(name))) for name in names]
    if not names or any(len(matches) != 1 for matches in found):
        return None
    if len(names) == 1 and (not pattern or found[0][0].group() in pattern):
        return None
    try:
        dates = [_to_date(match) for (match,) in found]
    except ValueError:
        return None
    return dates if len(set(dates)) == len(dates) else None


def _to_date(match: re.Match[str]) -> dt.date:
    year, month = int(match["year"]), int(match["month"])
    return dt.date(year, month, int(match["day"] or monthrange(year, month)[1]))


def _without_numbers(name: str) -> str:
    return _NUMBER.sub("\0", table_stem(name))


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", table_stem(name))]


def _pattern(names: Sequence[str], wildcard: Callable[[Sequence[str]], str]) -> str:
    """Return the common text of stems, with a wildcard where their numbers differ."""
    texts = [escape(text) for text in _without_numbers(names[0]).split("\0")]
    numbers = zip(*(_NUMBER.findall(table_stem(name)) for name in names), strict=True)
    wildcards = [wildcard(each) if len(set(each)) > 1 else each[0] for each in numbers]
    return "".join(part for pair in zip(texts, [*wildcards, ""], strict=True) for part in pair)


def _any_number(_: Sequence[str]) -> str:
    return "[0-9]*"


def _same_digits(numbers: Sequence[str]) -> str:
    shapes = {re.sub(r"\d", "[0-9]", number) for number in numbers}
    return shapes.pop() if len(shapes) == 1 else "[0-9]*"

"""Calendar months up to a date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

__all__ = ["Month", "in_words", "month_of", "months_back", "months_until", "shifted"]


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month, cut at the date where data end.

    Parameters
    ----------
    begin, until
        ``[begin, until)``, UTC.
    complete
        Whether it is over.
    """

    begin: dt.datetime
    until: dt.datetime
    complete: bool = True

    @property
    def name(self) -> str:
        """As ``2025-03``."""
        return f"{self.begin:%Y-%m}"


_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def in_words(name: str) -> str:
    """Say a month's name.

    Examples
    --------
    >>> in_words("2025-03")
    'March 2025'
    """
    year, number = name.split("-")
    return f"{_NAMES[int(number) - 1]} {year}"


def shifted(moment: dt.datetime, months: int) -> dt.datetime:
    """Move the first of a month by whole months.

    Examples
    --------
    >>> shifted(dt.datetime(2025, 1, 1), -1).isoformat()
    '2024-12-01T00:00:00'
    """
    place = moment.year * 12 + moment.month - 1 + months
    return moment.replace(year=place // 12, month=place % 12 + 1)


def month_of(moment: dt.datetime) -> dt.datetime:
    """Return the first moment of its month."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def months_until(as_of: dt.datetime, first: dt.datetime, *, at_most: int) -> tuple[Month, ...]:
    """List the months from that of `first` to `as_of`, the last `at_most` of them.

    Examples
    --------
    >>> last = dt.datetime(2025, 3, 10)
    >>> [(one.name, one.complete) for one in months_until(last, last, at_most=2)]
    [('2025-03', False)]
    """
    begin = month_of(first)
    found = []
    while begin < as_of:
        after = shifted(begin, 1)
        found.append(Month(begin, min(after, as_of), after <= as_of))
        begin = after
    return tuple(found[-at_most:])


def months_back(as_of: dt.datetime, months: int) -> dt.datetime:
    """Go back by whole months, to the month's last day where it is shorter.

    Examples
    --------
    >>> months_back(dt.datetime(2025, 3, 31), 1).isoformat()
    '2025-02-28T00:00:00'
    """
    first = shifted(month_of(as_of), -months)
    last_day = (shifted(first, 1) - dt.timedelta(days=1)).day
    return as_of.replace(year=first.year, month=first.month, day=min(as_of.day, last_day))

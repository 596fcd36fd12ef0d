"""Calendar months."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from churnkit.core.translation import month_name

__all__ = ["Month", "add_months", "month_start", "month_title", "months_until", "subtract_months"]


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month, cut off at the end of the data.

    Parameters
    ----------
    begin, until
        Interval ``[begin, until)``, UTC.
    complete
        Whether the month has ended.
    """

    begin: dt.datetime
    until: dt.datetime
    complete: bool = True

    @property
    def name(self) -> str:
        """Name such as ``2025-03``."""
        return f"{self.begin:%Y-%m}"


def month_title(name: str) -> str:
    """Return the title of a month.

    Examples
    --------
    >>> month_title("2025-03")
    'March 2025'
    """
    year, number = name.split("-")
    return f"{month_name(int(number))} {year}"


def add_months(moment: dt.datetime, months: int) -> dt.datetime:
    """Add months to the first of a month.

    Examples
    --------
    >>> add_months(dt.datetime(2025, 1, 1), -1).isoformat()
    '2024-12-01T00:00:00'
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1)


def month_start(moment: dt.datetime) -> dt.datetime:
    """Return the start of a moment's month."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def months_until(as_of: dt.datetime, first: dt.datetime, *, at_most: int) -> tuple[Month, ...]:
    """Return the last `at_most` months from that of `first` to `as_of`.

    Examples
    --------
    >>> last = dt.datetime(2025, 3, 10)
    >>> [(month.name, month.complete) for month in months_until(last, last, at_most=2)]
    [('2025-03', False)]
    """
    begin = month_start(first)
    months = []
    while begin < as_of:
        end = add_months(begin, 1)
        months.append(Month(begin, min(end, as_of), end <= as_of))
        begin = end
    return tuple(months[-at_most:])


def subtract_months(as_of: dt.datetime, months: int) -> dt.datetime:
    """Subtract months; days beyond the end of the month become its last day.

    Examples
    --------
    >>> subtract_months(dt.datetime(2025, 3, 31), 1).isoformat()
    '2025-02-28T00:00:00'
    """
    first = add_months(month_start(as_of), -months)
    last_day = (add_months(first, 1) - dt.timedelta(days=1)).day
    return as_of.replace(year=first.year, month=first.month, day=min(as_of.day, last_day))

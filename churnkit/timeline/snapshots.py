"""The dates at which customers are looked at."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Snapshots", "as_moment"]

_EVERY = re.compile(r"([1-9][0-9]{0,3}) (day|week|month|year)s?")
_MOST = 2000


def as_moment(value: Any, said: str) -> dt.datetime:
    """Read a date or a time; without offset it is UTC. Whole seconds, from the year 1900.

    Examples
    --------
    >>> as_moment("2025-01-01", "start").isoformat()
    '2025-01-01T00:00:00+00:00'
    """
    moment = value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        moment = dt.datetime.combine(value, dt.time())
    if not isinstance(moment, dt.datetime):
        raise RecipeError(f"{said}: give a date as YYYY-MM-DD or an ISO 8601 time")
    moment = dt.datetime.fromisoformat(moment.isoformat())
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    if moment.microsecond or moment.year < 1900:
        raise RecipeError(f"{said}: give a time in whole seconds, not before 1900")
    return moment


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Dates at regular steps from `start`, none after `end`; or a list of dates.

    Parameters
    ----------
    every
        ``"1 month"``, ``"2 weeks"``, ``"30 days"``...; a month's end stays one: from 31 January
        a month leads to 28 February and two months to 31 March.
    start, end
        The first date, and the last possible one; UTC without an offset.
    dates
        The dates themselves, instead.

    Raises
    ------
    RecipeError
        If there is no date, or dates have different times of day: windows count whole days
        back from them.

    Examples
    --------
    >>> Snapshots(every="1 month", start="2025-01-31", end="2025-03-31").dates
    ('2025-01-31T00:00:00+00:00', '2025-02-28T00:00:00+00:00', '2025-03-31T00:00:00+00:00')
    """

    every: str | None = None
    start: str | None = None
    end: str | None = None
    dates: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if self.dates and (self.every or self.start or self.end):
            raise RecipeError("snapshots: give every, start and end, or dates, not both")
        if self.dates:
            given: Any = self.dates
            listed = (given,) if isinstance(given, (str, dt.date)) else given
            moments = sorted({as_moment(date, "snapshots: dates") for date in listed})
            dates = tuple(moment.isoformat() for moment in moments)
        else:
            dates = self._steps()
            object.__setattr__(self, "start", _text(self.start))
            object.__setattr__(self, "end", _text(self.end))
        object.__setattr__(self, "dates", dates)
        if len({moment.time() for moment in self.moments}) > 1:
            raise RecipeError("snapshots: give all dates the same time of day in UTC")

    @property
    def moments(self) -> tuple[dt.datetime, ...]:
        """The dates, ascending, UTC."""
        return tuple(dt.datetime.fromisoformat(date) for date in self.dates)

    def _steps(self) -> tuple[str, ...]:
        if self.every is None or self.start is None or self.end is None:
            raise RecipeError("snapshots: give every, start and end, or dates")
        found = _EVERY.fullmatch(self.every)
        if not found:
            raise RecipeError(f"snapshots: every is '{self.every}'; say '1 month' or '2 weeks'")
        first = as_moment(self.start, "snapshots: start")
        last = as_moment(self.end, "snapshots: end")
        if last < first:
            raise RecipeError("snapshots: end lies before start; swap them")
        moments = []
        for step in range(_MOST + 1):
            moment = _later(first, step * int(found[1]), found[2])
            if moment > last:
                break
            moments.append(moment.isoformat())
        if len(moments) > _MOST:
            raise RecipeError(f"snapshots: more than {_MOST:,} dates; take longer steps")
        return tuple(moments)

    def to_dict(self) -> dict[str, Any]:
        """Return the dates as JSON-able data; `from_dict` is its inverse."""
        steps = {"every": self.every, "start": self.start, "end": self.end}
        return steps if self.every else {"dates": list(self.dates)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshots:
        """Rebuild the dates from `to_dict`."""
        return cls(**{**data, "dates": tuple(data.get("dates", ()))})


def _text(date: Any) -> str | None:
    return date if date is None else as_moment(date, "snapshots").isoformat()


def _later(first: dt.datetime, count: int, unit: str) -> dt.datetime:
    if unit in {"day", "week"}:
        return first + dt.timedelta(days=count * (7 if unit == "week" else 1))
    months = first.month - 1 + count * (12 if unit == "year" else 1)
    year, month = first.year + months // 12, months % 12 + 1
    if year > dt.MAXYEAR:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
    day = min(first.day, calendar.monthrange(year, month)[1])
    return first.replace(year=year, month=month, day=day)

"""Snapshot dates."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Snapshots", "parse_timestamp"]

_EVERY = re.compile(r"([1-9][0-9]{0,3}) (day|week|month|year)s?")
_MAX_DATES = 2000


def parse_timestamp(value: Any, name: str) -> dt.datetime:
    """Convert a date or a timestamp to UTC; without an offset it is UTC.

    Parameters
    ----------
    value
        ISO 8601 text, a date or a datetime, in full seconds and not before 1900.
    name
        Name of the setting in messages.

    Raises
    ------
    RecipeError
        If it is none of these.

    Examples
    --------
    >>> parse_timestamp("2025-01-01", "start").isoformat()
    '2025-01-01T00:00:00+00:00'
    """
    timestamp = value
    if isinstance(value, str):
        try:
            timestamp = dt.datetime.fromisoformat(value)
        except ValueError:
            timestamp = None
    elif isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        timestamp = dt.datetime.combine(value, dt.time())
    if not isinstance(timestamp, dt.datetime):
        raise RecipeError(f"{name} must be a date as YYYY-MM-DD or an ISO 8601 timestamp")
    timestamp = dt.datetime.fromisoformat(timestamp.isoformat())
    if timestamp.tzinfo is None:
        timestamp = timestamp.replace(tzinfo=dt.UTC)
    timestamp = timestamp.astimezone(dt.UTC)
    if timestamp.microsecond or timestamp.year < 1900:
        raise RecipeError(f"{name} must be in full seconds and not before 1900")
    return timestamp


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Dates at regular steps from `start` until `end`, or a list of dates.

    Parameters
    ----------
    every
        Step, such as ``"1 month"``, ``"2 weeks"`` or ``"30 days"``. Month ends stay month ends:
        one month after 31 January is 28 February, two months after it 31 March.
    start, end
        The first date, and the latest possible one; UTC without an offset.
    dates
        The dates, in place of the other parameters.

    Raises
    ------
    RecipeError
        If there is no date, or the dates have different times of day: windows are counted in
        full days back from them.

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
            raise RecipeError("snapshots: pass either every, start and end, or dates, not both")
        if self.dates:
            values: Any = self.dates
            values = (values,) if isinstance(values, (str, dt.date)) else values
            timestamps = sorted({parse_timestamp(value, "snapshots: dates") for value in values})
            dates = tuple(timestamp.isoformat() for timestamp in timestamps)
        else:
            dates = self._steps()
            object.__setattr__(self, "start", _text(self.start))
            object.__setattr__(self, "end", _text(self.end))
        object.__setattr__(self, "dates", dates)
        if len({timestamp.time() for timestamp in self.timestamps}) > 1:
            raise RecipeError("snapshots: all dates must have the same time of day in UTC")

    @property
    def timestamps(self) -> tuple[dt.datetime, ...]:
        """The dates in UTC, ascending."""
        return tuple(dt.datetime.fromisoformat(date) for date in self.dates)

    def _steps(self) -> tuple[str, ...]:
        if self.every is None or self.start is None or self.end is None:
            raise RecipeError("snapshots: pass every, start and end, or dates")
        match = _EVERY.fullmatch(self.every)
        if not match:
            raise RecipeError(
                f"snapshots: every must be like '1 month' or '2 weeks', got '{self.every}'"
            )
        first = parse_timestamp(self.start, "snapshots: start")
        last = parse_timestamp(self.end, "snapshots: end")
        if last < first:
            raise RecipeError("snapshots: end is before start; swap them")
        dates = []
        for step in range(_MAX_DATES + 1):
            date = _add(first, step * int(match[1]), match[2])
            if date > last:
                break
            dates.append(date.isoformat())
        if len(dates) > _MAX_DATES:
            raise RecipeError(f"snapshots: more than {_MAX_DATES:,} dates; use longer steps")
        return tuple(dates)

    def to_dict(self) -> dict[str, Any]:
        """Return the dates as JSON-serializable data; `from_dict` is its inverse."""
        steps = {"every": self.every, "start": self.start, "end": self.end}
        return steps if self.every else {"dates": list(self.dates)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshots:
        """Create the dates from the result of `to_dict`."""
        return cls(**{**data, "dates": tuple(data.get("dates", ()))})


def _text(date: Any) -> str | None:
    return date if date is None else parse_timestamp(date, "snapshots").isoformat()


def _add(first: dt.datetime, count: int, unit: str) -> dt.datetime:
    if unit in {"day", "week"}:
        return first + dt.timedelta(days=count * (7 if unit == "week" else 1))
    months = first.month - 1 + count * (12 if unit == "year" else 1)
    year, month = first.year + months // 12, months % 12 + 1
    if year > dt.MAXYEAR:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
    day = min(first.day, calendar.monthrange(year, month)[1])
    return first.replace(year=year, month=month, day=day)

"""Choose horizon, windows and snapshot dates from the history that there is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from churnkit.errors import ChurnkitError
from churnkit.timeline import Snapshots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from churnkit.pipeline.scaffold.raw.churn_rules import ChurnRule
    from churnkit.pipeline.scaffold.raw.history import History

__all__ = ["Schedule", "choose_schedule", "recorded_schedule", "short_schedule"]

_HORIZONS = (180, 90, 60, 30, 14, 7)
_LONGEST_BY_CONTRACT = 90
_WINDOWS = (365, 180, 90, 60, 30, 14, 7)
_MAX_DATES = 12
_MIN_DATES = 6
_LONGEST_STEP = 90
_MAX_RECORDED_DATES = 60
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Schedule:
    """Horizon, grace period, windows and dates of a timeline.

    Parameters
    ----------
    horizon, grace
        Days of the outcome window, and after it.
    snapshots
        The dates.
    reason
        Why the horizon was chosen.
    """

    horizon: int
    grace: int
    snapshots: Snapshots
    reason: str

    def windows(self, history: History | None) -> tuple[int, ...] | None:
        """Return a short, a long and still longer windows that a table's history covers by half.

        None if the table begins too late for any.
        """
        if history is None:
            return None
        days = (self.snapshots.timestamps[0] - history.first).days
        longest = max(90, self.horizon)
        covered = [window for window in _WINDOWS if window <= 2 * days]
        fitting = [window for window in covered if window <= longest]
        if not fitting:
            return None
        long = fitting[0]
        longer = [window for window in reversed(covered) if window > long]
        short = [window for window in _WINDOWS if window <= long / 2]
        if not short:
            return long // 2, long, *longer
        return (short[0] if long > 90 else _near(short, long / 3)), long, *longer


def _near(windows: Sequence[int], target: float) -> int:
    return min(windows, key=lambda window: abs(window - target))


def choose_schedule(
    rule: ChurnRule,
    main: History,
    last: dt.datetime,
    others: Iterable[History] = (),
    *,
    below: int | None = None,
) -> Schedule:
    """Choose the horizon and the dates.

    Dates begin late enough for the history of all tables, unless that costs horizon or leaves
    fewer than six dates; then the tables that begin last are not waited for.

    For inactivity, the horizon is longer than nine of ten breaks between two days with activity.
    Dates are counted back from the last one whose outcome is known.

    Parameters
    ----------
    rule
        The meaning of churn.
    main
        History of the table that decides which customers are active.
    last
        Last time of the data.
    others
        Histories of other tables with features over time.
    below
        Days than which the horizon must be shorter; None for any.

    Raises
    ------
    ChurnkitError
        If the tables cover too few days.
    """
    longest = _schedule_from(rule, main, main.first, last, below)
    for first in sorted(
        {other.first for other in others if other.first > main.first}, reverse=True
    ):
        try:
            schedule = _schedule_from(rule, main, first, last, below)
        except ChurnkitError:
            continue
        enough = min(_MIN_DATES, len(longest.snapshots.dates))
        if schedule.horizon == longest.horizon and len(schedule.snapshots.dates) >= enough:
            return schedule
    return longest


def _schedule_from(
    rule: ChurnRule,
    main: History,
    first: dt.datetime,
    last: dt.datetime,
    below: int | None,
) -> Schedule:
    """Choose the horizon and the dates for the history from a time on."""
    for horizon, reason in _horizons(rule, main):
        if below is not None and horizon >= below:
            continue
        grace = _grace(horizon) if rule.kind == "contract" else 0
        maturity = (horizon + grace) * _DAY
        start = _midnight(first) + (max(horizon // 2, 7) + 1) * _DAY
        if rule.kind == "contract" and main.first_end is not None:
            # Where ends were not recorded before, nobody can be seen to churn.
            start = max(start, _midnight(main.first_end) - (horizon - 1) * _DAY)
        end = _midnight(last) - maturity
        usable = end - maturity - start
        step = _step(horizon, usable.days) * _DAY
        if step > usable:
            # The outcome of the first date is to be known at the last, which is tested.
            step = max(7, -(-maturity.days // (_MAX_DATES - 1))) * _DAY
        steps = min((end - start) // step, _MAX_DATES - 1)
        if step > usable or steps * step < maturity:
            continue
        begin = (end - steps * step).date().isoformat()
        every = f"{step.days} days"
        snapshots = Snapshots(every=every, start=begin, end=end.date().isoformat())
        return Schedule(horizon, grace, snapshots, reason)
    span = (last - first).days
    needed = 3 * (_HORIZONS[-1] + (_grace(7) if rule.kind == "contract" else 0))
    raise ChurnkitError(
        f"the tables cover {span} days, too few for training: outcomes of {_HORIZONS[-1]} days are "
        f"needed before and after the tested date (about {needed} days); use a longer period"
    )


def short_schedule(main: History) -> Schedule:
    """Return a schedule of one date for tables that cover too few days."""
    horizon = max(min(_HORIZONS[-1], main.days // 2), 1)
    day = (_midnight(main.last) - horizon * _DAY).date().isoformat()
    return Schedule(horizon, 0, Snapshots(dates=(day,)), "too few days for more")


def recorded_schedule(rule: ChurnRule, main: History, dates: Sequence[dt.datetime]) -> Schedule:
    """Return the dates of recorded outcomes, or the day after the data if they have none.

    Raises
    ------
    ChurnkitError
        If the data begin after all recorded dates, or there are too many dates.
    """
    if not rule.dated:
        day = (_midnight(main.last) + _DAY).date().isoformat()
        snapshots = Snapshots(every="1 day", start=day, end=day)
        return Schedule(rule.days or 30, 0, snapshots, "the day after the last row")
    usable = sorted({_midnight(date) for date in dates if date > main.first + 7 * _DAY})
    if not usable or len(usable) > _MAX_RECORDED_DATES:
        raise ChurnkitError(
            f"outcomes are recorded at {len(usable)} dates with earlier rows; 1 to "
            f"{_MAX_RECORDED_DATES} can be used as snapshots"
        )
    steps = [(after - before).days for before, after in pairwise(usable)]
    horizon = min([rule.days or 30, *steps])
    snapshots = Snapshots(dates=tuple(date.date().isoformat() for date in usable))
    return Schedule(horizon, 0, snapshots, "the dates of the recorded outcomes")


def _horizons(rule: ChurnRule, main: History) -> list[tuple[int, str]]:
    if rule.kind != "inactivity" or main.gap_days is None:
        return [
            (h, "the longest up to 90 days that the history allows")
            for h in _HORIZONS
            if h <= _LONGEST_BY_CONTRACT
        ]
    enough = [horizon for horizon in reversed(_HORIZONS) if horizon >= main.gap_days]
    wanted = enough[0] if enough else _HORIZONS[0]
    gap = f"9 of 10 breaks between a customer's active days last at most {main.gap_days} days"
    shorter = "the longest that the history allows; " + gap
    return [(h, gap if h == wanted else shorter) for h in _HORIZONS if h <= wanted]


def _grace(horizon: int) -> int:
    """Return the days in which a new contract counts as a continuation."""
    return 30 if horizon >= 60 else max(horizon // 2, 1)


def _step(horizon: int, usable: int) -> int:
    """Return the days between dates: more than a month or week if the history is long."""
    base = 30 if horizon >= 30 else 7
    spread = int(0.75 * usable / (_MAX_DATES - 1))
    return max(base, min(spread, _LONGEST_STEP) // base * base)


def _midnight(time: dt.datetime) -> dt.datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)

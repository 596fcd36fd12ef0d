"""Find numbers that are the time from a start to the end of a row, or to the export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.pipeline.scaffold.column_values import column_days, column_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["durations_until_churn", "durations_until_end"]

# Days of the units of durations; months of programs have 30 days or the mean of a year.
_UNIT_DAYS = (1.0, 7.0, 30.0, 365.25 / 12.0, 365.25)
# Share of the rows without an end whose time to the export must agree, and the least correlation:
# few small numbers agree with any duration. The majority of the others decides between the two.
_MIN_AGREEING, _MIN_CORRELATION = 0.95, 0.9
_MAJORITY = 0.5
_MIN_DURATIONS = 20
# Days from which churned customers ended long before the export, and share that may end after it.
_LONG_BEFORE, _MAX_AFTER = 62.0, 0.05


def durations_until_end(
    table: pa.Table,
    names: Iterable[str],
    *,
    start: tuple[str, str | None],
    end: tuple[str, str | None],
) -> tuple[str, ...]:
    """Find numbers that are the time from a row's start to its end, or to the export.

    Such a column, for example the tenure of customers in a table with their date of churn, shows
    the end at any earlier date. In rows without an end it must be the time to one common day,
    within a unit, which a term that is agreed at the start is not; in most rows with an end, and
    in more than an age at the export, the time to the end.

    Parameters
    ----------
    table
        The rows.
    names
        Columns of numbers.
    start, end
        Columns of the times, and the formats of their texts; None for ISO 8601.

    Examples
    --------
    >>> import datetime as dt
    >>> import pyarrow as pa
    >>> first, export = dt.date(2024, 1, 1), dt.date(2025, 1, 1)
    >>> starts = [first + dt.timedelta(days=3 * n) for n in range(60)]
    >>> ends = [start + dt.timedelta(days=50 + n) if n % 2 else None for n, start in enumerate(starts)]
    >>> tenure = [((end or export) - start).days for start, end in zip(starts, ends)]
    >>> age = [((export - start).days) for start in starts]
    >>> rows = pa.table({"joined": starts, "left": ends, "tenure": tenure, "age": age})
    >>> durations_until_end(rows, ["tenure", "age"], start=("joined", None), end=("left", None))
    ('tenure',)
    """
    begin, stop = column_days(table[start[0]], start[1]), column_days(table[end[0]], end[1])
    has_end = ~np.isnan(begin) & ~np.isnan(stop)
    is_open = ~np.isnan(begin) & np.isnan(stop)
    durations = []
    for name in names:
        values = column_numbers(table[name])
        ended = has_end & ~np.isnan(values)
        fitted = _fit_age(values, begin, is_open) if ended.sum() >= _MIN_DURATIONS else None
        if fitted is None:
            continue
        unit, export = fitted
        until_end = _agreeing(unit, values[ended], (stop - begin)[ended])
        if until_end > max(_MAJORITY, _agreeing(unit, values[ended], export - begin[ended])):
            durations.append(name)
    return tuple(durations)


def durations_until_churn(
    table: pa.Table,
    names: Iterable[str],
    *,
    start: tuple[str, str | None],
    churned: NDArray[np.bool_],
) -> tuple[str, ...]:
    """Find numbers that are the time from a start to an unknown date of churn, or to the export.

    Of customers who stayed they are the time to one common day; of those who churned they end
    long before it, where an age at the export would not.

    Parameters
    ----------
    table
        One row per customer, n in all.
    names
        Columns of numbers.
    start
        Column of the start, and the format of its texts; None for ISO 8601.
    churned
        True for customers who churned, shape (n,).

    Examples
    --------
    >>> import datetime as dt
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> first, export = dt.date(2023, 1, 1), dt.date(2025, 1, 1)
    >>> starts = [first + dt.timedelta(days=3 * n) for n in range(60)]
    >>> churned = np.arange(60) % 2 == 1
    >>> age = [(export - start).days for start in starts]
    >>> tenure = [days // 2 if gone else days for days, gone in zip(age, churned)]
    >>> rows = pa.table({"joined": starts, "tenure": tenure, "age": age})
    >>> durations_until_churn(rows, ["tenure", "age"], start=("joined", None), churned=churned)
    ('tenure',)
    """
    begin = column_days(table[start[0]], start[1])
    durations = []
    for name in names:
        values = column_numbers(table[name])
        ended = churned & ~np.isnan(begin) & ~np.isnan(values)
        is_tried = ended.sum() >= _MIN_DURATIONS
        fitted = _fit_age(values, begin, ~churned & ~np.isnan(begin)) if is_tried else None
        if fitted is None:
            continue
        unit, export = fitted
        before = export - begin[ended] - unit * values[ended]
        is_long = float(np.mean(before > max(_LONG_BEFORE, 2.0 * unit))) > _MAJORITY
        if is_long and float(np.mean(before < -unit - 1.0)) < _MAX_AFTER:
            durations.append(name)
    return tuple(durations)


def _fit_age(
    values: NDArray[np.float64], begin: NDArray[np.float64], rows: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """Find the unit in which numbers are the time from a start to one common day, and that day."""
    running = rows & ~np.isnan(values)
    if running.sum() < _MIN_DURATIONS:
        return None
    for unit in _UNIT_DAYS:
        export = float(np.median(begin[running] + unit * values[running]))
        days = export - begin[running]
        if _agreeing(unit, values[running], days) < _MIN_AGREEING:
            continue
        if min(np.ptp(values[running]), np.ptp(days)) == 0.0:
            continue
        if np.corrcoef(values[running], days)[0, 1] >= _MIN_CORRELATION:
            return unit, export
    return None


def _agreeing(unit: float, values: NDArray[np.float64], days: NDArray[np.float64]) -> float:
    """Return the share of numbers that are these days within a unit."""
    # A day more, as times of day are cut off.
    return float(np.mean(np.abs(unit * values - days) <= unit + 1.0))

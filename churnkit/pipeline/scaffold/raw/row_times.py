"""Choose the times of a table's rows, and find columns that are filled in at a later time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.date_spelling import normalize_date
from churnkit.contracts.parsing.scalars import read_date, read_number, to_text
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.training.row_filters import has_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["durations_until_end", "filled_at_times", "time_columns"]

_END_WORDS = {
    "end", "ended", "ends", "closed", "cancelled", "canceled", "cancel", "cancellation", "expired", "expire",
    "expires", "expiry", "expiration", "stopped", "terminated", "termination", "resolved", "finished",
    "churn", "churned", "deactivated", "left", "lapsed", "unsubscribed", "until", "through", "ende", "fin",
}  # fmt: skip
_AVAILABLE_WORDS = {"available", "known", "loaded", "ingested", "recorded", "synced"}
# Times that are not those of the row.
_OTHER_TIMES = {
    "birth", "dob", "born", "birthday", "due", "next", "estimated", "expected", "planned", "scheduled",
    "updated", "modified", "last", "limit", "deadline", "delivered", "delivery", "renewal", "trial",
    "billing", "answer", "answered", "response", "responded", "shipped", "approved",
}  # fmt: skip
# Share of rows that may hold a column before its time, as errors.
_MAX_EARLY_SHARE = 0.01
_DAY = 86_400_000_000
# Days of the units of durations; months of programs have 30 days or the mean of a year.
_UNIT_DAYS = (1.0, 7.0, 30.0, 365.25 / 12.0, 365.25)
# Share of the rows without an end whose time to the export must agree, and the least correlation:
# few small numbers agree with any duration. The majority of the others decides between the two.
_MIN_AGREEING, _MIN_CORRELATION = 0.95, 0.9
_MAJORITY = 0.5
_MIN_DURATIONS = 20
_NOT_READ = {"DD Mon YYYY", "YYYYMMDD", "YYMMDD", "YYYYMM"}


def time_columns(
    columns: Mapping[str, ColumnProfile], times: list[str]
) -> tuple[str | None, str | None, str | None]:
    """Choose the columns of the time of a row, of its availability and of its end."""

    def words(name: str) -> set[str]:
        return set(name_rules.split_words(name))

    own = [time for time in times if not words(time) & _OTHER_TIMES] or [
        time for time in times if not words(time) & {"birth", "dob", "born", "birthday"}
    ]
    # Ends that every row has are planned ones, if others are filled in when a row ends.
    ends = [time for time in own if words(time) & _END_WORDS]
    ended = next((time for time in ends if columns[time].missing), next(iter(ends), None))
    if ended is None and any({"valid", "to"} <= words(time) for time in own):
        ended = next(time for time in own if {"valid", "to"} <= words(time))
    rest = [time for time in own if time != ended]
    available = next((time for time in rest if words(time) & _AVAILABLE_WORDS), None)
    starts = [time for time in rest if time != available and not words(time) & _END_WORDS]
    if not starts:
        # A table of ends, such as cancellations.
        return (ended or available), None, None
    happened = min(starts, key=lambda time: (columns[time].missing, times.index(time)))
    return happened, available, ended


def filled_at_times(
    table: pa.Table, columns: Mapping[str, ColumnProfile], times: set[str]
) -> dict[str, str]:
    """Find columns that are filled in at a later time, such as a cancellation reason.

    They have values in rows with that time, and hardly ever in others. A feature that reads them
    would leak the future.
    """
    later: dict[str, str] = {}
    filled = {name: has_text(table[name]) for name, c in columns.items() if c.missing}
    for time in sorted(times & set(filled)):
        has_time = filled[time]
        if not has_time.any():
            continue
        for name, has_value in filled.items():
            if name in times or not has_value[has_time].any():
                continue
            if not has_value[~has_time].mean() > _MAX_EARLY_SHARE:
                later.setdefault(name, time)
    return later


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
        Columns of the times, and the formats of their texts; None for ISO 8601. Texts in a format
        without a separator or with a name of the month are not read.

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
    if {start[1], end[1]} & _NOT_READ:
        return ()
    begin, stop = _days(table[start[0]], start[1]), _days(table[end[0]], end[1])
    has_end = ~np.isnan(begin) & ~np.isnan(stop)
    is_open = ~np.isnan(begin) & np.isnan(stop)
    durations = []
    for name in names:
        values = _numbers(table[name], lambda value: read_number(value, lenient=True))
        ended, running = has_end & ~np.isnan(values), is_open & ~np.isnan(values)
        if min(ended.sum(), running.sum()) < _MIN_DURATIONS:
            continue
        for unit in _UNIT_DAYS:
            export = float(np.median(begin[running] + unit * values[running]))
            age = export - begin
            if not _is_age(unit, values[running], age[running]):
                continue
            until_end = _agreeing(unit, values[ended], (stop - begin)[ended])
            if until_end > max(_MAJORITY, _agreeing(unit, values[ended], age[ended])):
                durations.append(name)
            break
    return tuple(durations)


def _is_age(unit: float, values: NDArray[np.float64], days: NDArray[np.float64]) -> bool:
    if _agreeing(unit, values, days) < _MIN_AGREEING or min(np.ptp(values), np.ptp(days)) == 0.0:
        return False
    return bool(np.corrcoef(values, days)[0, 1] >= _MIN_CORRELATION)


def _agreeing(unit: float, values: NDArray[np.float64], days: NDArray[np.float64]) -> float:
    """Return the share of numbers that are these days within a unit."""
    # A day more, as times of day are cut off.
    return float(np.mean(np.abs(unit * values - days) <= unit + 1.0))


def _days(column: pa.ChunkedArray, written: str | None) -> NDArray[np.float64]:
    def read(value: Any) -> float:
        text = to_text(value) if written else None
        return read_date(normalize_date(text, written) if text and written else value)

    return _numbers(column, read) / _DAY


def _numbers(column: pa.ChunkedArray, read: Callable[[Any], float]) -> NDArray[np.float64]:
    """Read each distinct value of a column; NaN where it is missing or cannot be read."""
    values, index = distinct_values(one_array(column))
    return np.array([read(value) for value in values], dtype=np.float64)[index]

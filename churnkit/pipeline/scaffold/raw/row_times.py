"""Choose the times of a table's rows, and find columns that are filled in at a later time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import distinct_values, one_array
from churnkit.contracts.parsing.date_spelling import normalize_date
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_date, read_number, to_text
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.keys.label_names import is_leaving_name
from churnkit.pipeline.training.row_filters import has_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.raw.column_format import ColumnFormat

__all__ = [
    "describe_possible_ends",
    "durations_until_end",
    "ends_customer",
    "filled_at_times",
    "time_columns",
]

_END_WORDS = {
    "end", "ended", "ends", "closed", "cancelled", "canceled", "cancel", "cancellation", "expired", "expire",
    "expires", "expiry", "expiration", "stopped", "terminated", "termination", "resolved", "finished",
    "churn", "churned", "deactivated", "left", "lapsed", "unsubscribed", "until", "through", "ende", "fin",
    "enddate", "enddatum", "einddatum", "einde", "fim", "bis",
}  # fmt: skip
_AVAILABLE_WORDS = {"available", "known", "loaded", "ingested", "recorded", "synced"}
_CHURN_WORDS = {
    "cancelled", "canceled", "cancel", "cancellation", "expired", "expire", "expires", "expiry",
    "expiration", "terminated", "termination", "churn", "churned", "deactivated", "left", "lapsed",
    "unsubscribed",
}  # fmt: skip
_BIRTH = {
    "birth", "dob", "born", "birthday", "birthdate", "geburtsdatum", "geburtstag", "naissance", "nacimiento",
    "nascimento", "nascita", "geboortedatum", "geboorte",
}  # fmt: skip
# Times that are not those of the row.
_OTHER_TIMES = _BIRTH | {
    "due", "next", "estimated", "expected", "planned", "scheduled",
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
        time for time in times if not words(time) & _BIRTH
    ]
    # Ends that every row has are planned ones, if others are filled in when a row ends.
    ends = [time for time in own if _is_end(time)]
    ended = next((time for time in ends if columns[time].missing), next(iter(ends), None))
    if ended is None and any({"valid", "to"} <= words(time) for time in own):
        ended = next(time for time in own if {"valid", "to"} <= words(time))
    rest = [time for time in own if time != ended]
    available = next((time for time in rest if words(time) & _AVAILABLE_WORDS), None)
    starts = [time for time in rest if time != available and not _is_end(time)]
    if not starts:
        # A table of ends, such as cancellations.
        return (ended or available), None, None
    happened = min(starts, key=lambda time: (columns[time].missing, times.index(time)))
    return happened, available, ended


def ends_customer(name: str) -> bool:
    """Return True for the name of a time at which a customer leaves, not of an end in general.

    Examples
    --------
    >>> [ends_customer(name) for name in ("left_on", "Austritt", "end_date")]
    [True, True, False]
    """
    return bool(set(name_rules.split_words(name)) & _CHURN_WORDS) or is_leaving_name(name)


def _is_end(name: str) -> bool:
    words = set(name_rules.split_words(name))
    return bool(words & _END_WORDS) or {"data", "fine"} <= words or is_leaving_name(name)


def describe_possible_ends(
    name: str,
    table: pa.Table,
    times: Mapping[str, ColumnFormat],
    happened: str | None,
    unread: Iterable[str],
) -> list[str]:
    """Describe dates that may be those of leaving, though their names do not say so.

    Only some rows have such a date, and none of them before the row's own time.
    """
    if happened is None or not (named := [c for c in unread if not _is_other(c)]):
        return []
    begin = _moments(table[happened], times[happened].written)
    notes = []
    for column in named:
        moments = _moments(table[column], times[column].written)
        filled = ~np.isnan(moments)
        known = filled & ~np.isnan(begin)
        if known.any() and not filled.all() and (moments[known] >= begin[known]).all():
            notes.append(
                f"review: column '{column}' of '{name}' is not read: {filled.sum():,} of "
                f"{table.num_rows:,} rows have this date, never before '{happened}'; if customers "
                "left then, rename it to left_on, and run churnkit init again"
            )
    return notes


def _is_other(name: str) -> bool:
    return bool(set(name_rules.split_words(name)) & _OTHER_TIMES)


def _moments(column: pa.ChunkedArray, style: str | None) -> NDArray[np.float64]:
    """Return times in microseconds, (n,); NaN without one, also for texts that are no dates."""
    values, index = distinct_values(one_array(column))
    read = [
        read_date(normalize_date(value, style) if style and isinstance(value, str) else value)
        for value in values
    ]
    return np.array([np.nan if each is NOT_READABLE else each for each in read], np.float64)[index]


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

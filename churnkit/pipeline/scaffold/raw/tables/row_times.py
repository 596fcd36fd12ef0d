"""Choose the times of a table's rows, and find columns that are filled in at a later time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.parsing.date_spelling import SERIAL_DAYS
from churnkit.core.io.formats.file_names import FILE_DATE
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_values import column_days
from churnkit.pipeline.scaffold.keys.label_names import is_leaving_name
from churnkit.pipeline.training.data.row_filters import has_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.raw.tables.column_format import ColumnFormat

__all__ = [
    "choose_times",
    "describe_possible_ends",
    "ends_customer",
    "filled_at_times",
    "find_leaving",
    "find_series",
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
# Dates that all customers share, rows of each on average, and share of a date's customers who are
# at the next date, too.
_MIN_DATES, _MAX_DATES = 2, 60
_MIN_ROWS, _MIN_KEPT = 20, 0.5
# Times at which a row changed, and rows before that of leaving from which a table is one of periods.
_CHANGES = {"updated", "modified", "last", "renewal", "trial", "next"}
_MIN_EARLIER = 20
# Share of rows that may hold a column before its time, as errors.
_MAX_EARLY_SHARE = 0.01


def time_columns(
    columns: Mapping[str, ColumnProfile], times: list[str], *, serial: Collection[str] = ()
) -> tuple[str | None, str | None, str | None]:
    """Choose the columns of the time of a row, of its availability and of its end.

    Dates come before `serial`, columns of days as spreadsheets count them, and dates of half of the
    rows or more before that in the name of a row's file.
    """

    def words(name: str) -> set[str]:
        return set(name_rules.split_words(name))

    own = [time for time in times if not words(time) & _OTHER_TIMES] or [
        time for time in times if not words(time) & _BIRTH
    ]
    # Ends that every row has are planned ones, if others are filled in when a row ends.
    ends = [time for time in own if _is_end(time)]
    ends = [time for time in ends if time not in serial] or ends
    ended = next((time for time in ends if columns[time].missing), next(iter(ends), None))
    if ended is None and any({"valid", "to"} <= words(time) for time in own):
        ended = next(time for time in own if {"valid", "to"} <= words(time))
    rest = [time for time in own if time != ended]
    available = next((time for time in rest if words(time) & _AVAILABLE_WORDS), None)
    starts = [time for time in rest if time != available and not _is_end(time)]
    if not starts:
        # A table of ends, such as cancellations.
        return (ended or available), None, None

    def order(time: str) -> tuple[int, int, int]:
        profile = columns[time]
        if time in serial:
            rank = 3
        elif time == FILE_DATE:
            rank = 1
        else:
            rank = 2 * (2 * profile.missing > profile.rows)
        return rank, profile.missing, times.index(time)

    return min(starts, key=order), available, ended


def choose_times(
    table: pa.Table, columns: Mapping[str, ColumnProfile], times: Mapping[str, ColumnFormat]
) -> tuple[str | None, str | None, str | None, list[str]]:
    """Choose the times as `time_columns` does, without those at which rows were written after their end.

    Such a time, as of an export, is no start of a row. The last result is a note on each.
    """
    names, notes = list(times), list[str]()
    serial = {name for name, form in times.items() if form.written == SERIAL_DAYS}
    while True:
        happened, available, ended = time_columns(columns, names, serial=serial)
        if not happened or not ended:
            return happened, available, ended, notes
        begin, end = (column_days(table[c], times[c].written) for c in (happened, ended))
        has_both = ~np.isnan(begin) & ~np.isnan(end)
        late = int((end[has_both] < begin[has_both]).sum())
        if 2 * late <= has_both.sum():
            return happened, available, ended, notes
        names.remove(happened)
        notes.append(
            f"column '{happened}' is not the start of rows: '{ended}' is earlier in {late:,} of "
            f"{has_both.sum():,} rows that have both"
        )


def find_leaving(
    table: pa.Table,
    entity: str,
    times: Mapping[str, ColumnFormat],
    happened: str | None,
    ended: str | None,
) -> tuple[str, str] | None:
    """Find the time of rows of which the last of a customer has a date of leaving, as in monthly bills.

    Such a date is no time of the other rows, and no end of them: the customer's earlier rows lack it.

    Parameters
    ----------
    table
        The rows.
    entity
        Column of the customer.
    times
        Columns of times with their formats.
    happened, ended
        The times of a row and of its end, as `choose_times` chooses them.

    Returns
    -------
    time, leaving
        The column of the rows' time, and that of the date of leaving; None for other tables.
    """
    leaving = ended or happened
    if leaving is None or not ends_customer(leaving) or entity not in table.column_names:
        return None
    others = [time for time in times if time != leaving and not _is_end(time)]
    others = [t for t in others if not set(name_rules.split_words(t)) & (_BIRTH | _CHANGES)]
    time = happened if ended else next((t for t in others if has_text(table[t]).all()), None)
    if time is None:
        return None
    left = has_text(table[leaving])
    days = column_days(table[time], times[time].written)
    ids, position = np.unique(
        np.array([str(each) for each in table[entity].to_pylist()]), return_inverse=True
    )
    last = np.full(len(ids), -np.inf)
    np.maximum.at(last, position, np.where(left & ~np.isnan(days), days, -np.inf))
    earlier = days < last[position]
    if earlier.sum() < _MIN_EARLIER or left[earlier].mean() > _MAX_EARLY_SHARE:
        return None
    return time, leaving


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
    begin = column_days(table[happened], times[happened].written)
    notes = []
    for column in named:
        days = column_days(table[column], times[column].written)
        filled = ~np.isnan(days)
        known = filled & ~np.isnan(begin)
        if known.any() and not filled.all() and (days[known] >= begin[known]).all():
            notes.append(
                f"review: column '{column}' of '{name}' is not read: {filled.sum():,} of "
                f"{table.num_rows:,} rows have this date, never before '{happened}'; if customers "
                "left then, rename it to left_on, and run churnkit init again"
            )
    return notes


def _is_other(name: str) -> bool:
    return bool(set(name_rules.split_words(name)) & _OTHER_TIMES)


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


def find_series(
    table: pa.Table, entity: str, columns: Mapping[str, ColumnProfile], times: Sequence[str]
) -> str | None:
    """Find the date of a table that holds each customer's state at dates that all share.

    It is the date in the names of the table's files. Customers have one row per date, and most of
    them have a row at the next date, too; rows of a log do not.

    Parameters
    ----------
    table
        The rows.
    entity
        Column of the customer.
    columns
        Profiles of the columns.
    times
        Columns of times.
    """
    if FILE_DATE not in times or entity not in columns:
        return None
    dates = columns[FILE_DATE]
    if not _MIN_DATES <= dates.distinct <= _MAX_DATES or dates.rows < _MIN_ROWS * dates.distinct:
        return None
    pairs = table.select([entity, FILE_DATE])
    if pairs.group_by([entity, FILE_DATE]).aggregate([]).num_rows < table.num_rows:
        return None
    by_date = [
        pairs.filter(pc.equal(pairs[FILE_DATE], date))[entity] for date in sorted(dates.texts)
    ]
    kept = [
        pc.mean(pc.cast(pc.is_in(now, value_set=later.combine_chunks()), pa.float64())).as_py()
        for now, later in pairwise(by_date)
    ]
    return FILE_DATE if float(np.median(kept)) >= _MIN_KEPT else None

"""Find columns that show the outcome because a table was exported after customers had left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_values import column_days, column_numbers
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.leakage.tenure_columns import (
    durations_until_churn,
    durations_until_end,
)
from churnkit.timeline import find_leaks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.column_roles import DraftColumn

__all__ = ["describe_predictor", "find_export_columns"]

_UNTIL_CHURN = (
    "is the time from '{start}' until customers left, or until the export: it shows the outcome"
)
_SINCE_CHURN = "counts the days up to the export, since customers left: it shows the outcome"
_DATE = "{code}: its dates show the outcome ({found})"
_MIN_FILLED = 0.95
_MIN_CHURNED = 20
# Share of churned customers whose days must not be fewer than those since they left, and the
# least correlation: an age is longer, too.
_MIN_LONGER, _MIN_CORRELATION = 0.95, 0.8
_LONG_AGO = 60.0
_BIRTH = {"birth", "dob", "born", "birthday", "birthdate", "geburtsdatum", "geburtstag"}
# AUC alone from which a column is shown, and for names of what is counted up to an export.
_SUSPICIOUS, _SUSPICIOUS_NAMED = 0.85, 0.75
_STATES = {
    "status", "state", "stage", "last", "latest", "recent", "recency", "since", "inactive", "remaining",
    "left", "until", "refund", "refunds", "refunded", "payments", "overdue", "unpaid", "outstanding", "letzte", "letzter", "seit", "dernier",
    "dernière", "depuis", "ultimo", "última", "desde",
}  # fmt: skip


def find_export_columns(
    table: pa.Table,
    columns: Sequence[DraftColumn],
    profiles: Mapping[str, ColumnProfile],
    churned: NDArray[np.bool_],
) -> dict[str, str]:
    """Find columns that count up to the export, or stopped when customers left.

    Parameters
    ----------
    table
        One row per customer, n in all.
    columns
        Drafted columns.
    profiles
        Profiles of the table's columns.
    churned
        True for customers who churned, shape (n,).

    Returns
    -------
    dict of str to str
        Columns with the reason.
    """
    names = [
        column.name
        for column in columns
        if column.role == "feature"
        and column.type in {"int", "float"}
        and "written" not in column.settings
    ]
    found = _find_dates_of_outcome(table, columns, profiles, churned)
    label = next((column for column in columns if column.role == "label"), None)
    has_end = label is not None and label.type == "Utc"
    ends = _dated([label.name], profiles) if label is not None and has_end else {}
    for end in ends:
        position, dates = table.column_names.index(end), table[end]
        known = pc.if_else(pa.array(churned), dates, pa.scalar(None, dates.type))
        table = table.set_column(position, end, known)
    for start, written in _dated(_starts(columns, profiles), profiles).items():
        if ends:
            stop = next(iter(ends.items()))
            durations = durations_until_end(table, names, start=(start, written), end=stop)
        else:
            durations = durations_until_churn(table, names, start=(start, written), churned=churned)
        found |= {name: _UNTIL_CHURN.format(start=start) for name in durations if name not in found}
    if ends:
        days = _days_since_end(table, _dated(profiles, profiles), next(iter(ends.items())))
        since = [
            name for name in names if name not in found and _counts_from_end(table[name], days)
        ]
        found |= dict.fromkeys(since, _SINCE_CHURN)
    return found


def _find_dates_of_outcome(
    table: pa.Table,
    columns: Sequence[DraftColumn],
    profiles: Mapping[str, ColumnProfile],
    churned: NDArray[np.bool_],
) -> dict[str, str]:
    """Find dates, such as of the last contact, of which no duration may be derived."""
    dates = _dated([column.name for column in columns if column.role == "ignore"], profiles)
    days = {
        f"\x00{name}": pa.array(column_days(table[name], written), from_pandas=True)
        for name, written in dates.items()
    }
    rows = pa.table({"row": np.arange(table.num_rows), "left": churned, **days})
    leaks = find_leaks(rows, entity="row", label="left", features=list(days)) if days else ()
    return {leak.column[1:]: _DATE.format(code=leak.code, found=leak.measured) for leak in leaks}


def _starts(columns: Sequence[DraftColumn], profiles: Mapping[str, ColumnProfile]) -> list[str]:
    """List the columns of dates that nearly all customers have, without birthdays."""
    return [
        column.name
        for column in columns
        if column.role == "ignore"
        and column.name in profiles
        and profiles[column.name].filled >= _MIN_FILLED * profiles[column.name].rows
        and not set(name_rules.split_words(column.name)) & _BIRTH
    ]


def _dated(
    names: Sequence[str] | Mapping[str, ColumnProfile], profiles: Mapping[str, ColumnProfile]
) -> dict[str, str | None]:
    """Return the columns of dates with the format of their texts."""
    formats = {name: detect_dates(profiles[name]) for name in names if name in profiles}
    return {name: form.written for name, form in formats.items() if form is not None}


def _days_since_end(
    table: pa.Table,
    dates: Mapping[str, str | None],
    end: tuple[str, str | None],
) -> NDArray[np.float64]:
    """Return the days from the end to the last date in the table, (n,); NaN for who stayed."""
    ends = column_days(table[end[0]], end[1])
    if np.isnan(ends).all():
        return ends
    last = float(np.nanmax(ends))
    # Dates of which half are after the last end are those of the future, such as a renewal.
    for name, written in dates.items():
        days = column_days(table[name], written)
        known = days[~np.isnan(days)]
        if len(known) and np.median(known) <= last:
            last = max(last, float(known.max()))
    return last - ends


def _counts_from_end(column: pa.ChunkedArray, since: NDArray[np.float64]) -> bool:
    """Return True if a column counts the days since a customer left, and a few more."""
    values = column_numbers(column)
    known = ~np.isnan(values) & ~np.isnan(since)
    if known.sum() < _MIN_CHURNED or np.median(since[known]) < _LONG_AGO:
        return False
    if min(np.ptp(values[known]), np.ptp(since[known])) == 0.0:
        return False
    for unit in (1.0, 7.0, 365.25 / 12.0):
        longer = float(np.mean(unit * values[known] >= since[known] - unit - 1.0))
        near = float(np.median(unit * values[known] - since[known]))
        if longer >= _MIN_LONGER and near < float(np.median(since[known])):
            return bool(np.corrcoef(values[known], since[known])[0, 1] >= _MIN_CORRELATION)
    return False


def describe_predictor(name: str, auc: float) -> str:
    """Describe a feature that predicts churn well alone, as a table of today would; else empty.

    Parameters
    ----------
    name
        Name of the column.
    auc
        Area under the ROC curve of the column alone, or 1 minus that.

    Examples
    --------
    >>> describe_predictor("days_since_last_login", 0.8)[:31], describe_predictor("age", 0.8)
    ('predicts churn with AUC 0.80 al', '')
    """
    named = bool(set(name_rules.split_words(name)) & _STATES)
    strength = max(auc, 1.0 - auc)
    if strength < (_SUSPICIOUS_NAMED if named else _SUSPICIOUS):
        return ""
    return (
        f"predicts churn with AUC {strength:.2f} alone: leave it out if the file shows customers as they "
        "were after they left"
    )

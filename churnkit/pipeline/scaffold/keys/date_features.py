"""Draft dates as features: the days from each to the as-of date of its row."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.io.formats.file_names import FILE_DATE
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import DraftColumn, ignored, is_plain_date
from churnkit.pipeline.scaffold.column_values import column_days
from churnkit.pipeline.scaffold.keys.date_columns import DateFormat, detect_dates
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["draft_date_features"]

_EPOCH = dt.date(1970, 1, 1)
# Names of the date of a row.
_ROW_DATES = {
    "as_of", "as_of_date", "asof", "asof_date", "snapshot", "snapshot_date", "reference_date", "observation_date",
    "reporting_date", "report_date", "export_date", "extract_date", "extraction_date", "data_date", "stichtag",
}  # fmt: skip
# Names of dates that lie ahead when a table is exported.
_AHEAD = {
    "end", "ends", "ending", "enddate", "renewal", "renew", "renews", "expiry", "expires", "expiration", "due", "next",
    "until", "valid", "termination", "scheduled", "planned", "maturity", "ablauf", "ende", "bis", "fin", "vencimiento",
    "scadenza",
}  # fmt: skip


def draft_date_features(
    columns: Sequence[DraftColumn], table: pa.Table, profiles: Mapping[str, ColumnProfile]
) -> tuple[DraftColumn, ...]:
    """Draft the columns of dates as features, and the as-of date of a table without one.

    Parameters
    ----------
    columns
        Drafted columns, those of dates left out so far.
    table
        n rows.
    profiles
        Profiles of the table's columns.

    Returns
    -------
    tuple of DraftColumn
        Dates whose order of day and month is unknown stay left out, and those after the as-of
        date of their rows whose names are not of the future.
    """
    formats = {c.name: _format(c, profiles) for c in columns}
    days = {
        name: column_days(table[name], form.written)
        for name, form in formats.items()
        if form is not None
    }
    as_of = next((c for c in columns if c.role == "as_of"), None)
    if as_of is None and days and (as_of := _row_date(columns, table, profiles)):
        columns = [as_of if c.name == as_of.name else c for c in columns]
        formats[as_of.name] = None
        days.pop(as_of.name, None)
    late: dict[str, int] = {}
    if as_of is not None:
        dates = column_days(table[as_of.name], as_of.settings.get("written"))
        late = {n: int((each > dates).sum()) for n, each in days.items() if not _is_ahead(n)}
    drafted = []
    for column in columns:
        form = formats[column.name]
        if form is None:
            drafted.append(column)
        elif late.get(column.name):
            review = (
                f"has dates after the as-of date in {late[column.name]:,} rows, as if entered later"
            )
            drafted.append(ignored(column.name, review))
        else:
            drafted.append(_feature(column.name, form))
    has_dates = any(column.role == "feature" and column.name in days for column in drafted)
    if as_of is None and has_dates:
        drafted.append(_default_date(_all_days(table, profiles), {c.name for c in columns}))
    return tuple(drafted)


def _row_date(
    columns: Sequence[DraftColumn], table: pa.Table, profiles: Mapping[str, ColumnProfile]
) -> DraftColumn | None:
    """Draft a complete column of dates that is named as that of the row, such as snapshot_date."""
    for column in columns:
        profile = profiles.get(column.name)
        name = "_".join(name_rules.split_words(column.name))
        if column.role != "ignore" or profile is None or profile.missing or name not in _ROW_DATES:
            continue
        form = detect_dates(profile)
        if form is None or form.other or form.empty or form.open:
            continue
        latest = int(np.nanmax(column_days(table[column.name], form.written)))
        settings = {
            **({"written": form.written} if form.written else {}),
            "default": (_EPOCH + dt.timedelta(days=latest)).isoformat(),
        }
        return DraftColumn(
            column.name, "Utc", "as_of", settings, "assumed to be the date of the row"
        )
    return None


def _all_days(
    table: pa.Table, profiles: Mapping[str, ColumnProfile]
) -> dict[str, NDArray[np.float64]]:
    """Read all dates, also of the outcome and of columns left out: they show when a table was exported."""
    formats = {
        name: detect_dates(profile, missing=MISSING_TEXTS) for name, profile in profiles.items()
    }
    return {
        name: column_days(table[name], form.written)
        for name, form in formats.items()
        if form is not None and not form.other
    }


def _format(column: DraftColumn, profiles: Mapping[str, ColumnProfile]) -> DateFormat | None:
    """Return the format of a date that is left out only because it is none of a row."""
    if not is_plain_date(column) or column.name not in profiles or column.name == FILE_DATE:
        return None
    form = detect_dates(profiles[column.name], missing=MISSING_TEXTS)
    return None if form is None or form.other else form


def _feature(name: str, form: DateFormat) -> DraftColumn:
    settings = {
        **({"written": form.written} if form.written else {}),
        **({"missing": list(form.empty)} if form.empty else {}),
        "nullable": True,
    }
    return DraftColumn(name, "Utc", "feature", settings, form.review)


def _is_ahead(name: str) -> bool:
    return bool(set(name_rules.split_words(name)) & _AHEAD)


def _default_date(days: Mapping[str, NDArray[np.float64]], names: set[str]) -> DraftColumn:
    """Draft the as-of date of a table without one: the latest of its dates in the past."""
    today = (dt.datetime.now(dt.UTC).date() - _EPOCH).days
    latest = {}
    for name, column in days.items():
        known = column[column <= today]
        if known.size:
            latest[name] = int(known.max())
    behind = {name: day for name, day in latest.items() if not _is_ahead(name)} or latest
    if behind:
        name = max(behind, key=lambda each: behind[each])
        day, review = behind[name], f"assumed to be the latest date of '{name}'"
    else:
        day, review = today, "assumed to be today"
    title = "as_of"
    while title in names:
        title += "_date"
    settings = {"default": (_EPOCH + dt.timedelta(days=day)).isoformat()}
    review += ": dates are days before it; write the day of the export"
    return DraftColumn(title, "Utc", "as_of", settings, review)

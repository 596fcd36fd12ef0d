"""Tables that hold the state of all customers at several dates, such as monthly exports."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING

from churnkit.core.io.formats.file_names import FILE_DATE
from churnkit.core.io.table_sources import read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.keys.label_draft import draft_label
from churnkit.pipeline.scaffold.keys.label_names import name_rating, value_direction
from churnkit.pipeline.scaffold.raw.churn_rules import ChurnRule, label_condition
from churnkit.pipeline.scaffold.raw.snapshot_dates import Schedule
from churnkit.timeline import Snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable

__all__ = ["active_days", "describe_missing", "describe_series", "series_rule", "series_schedule"]

_MAX_VALUES = 60
# Dates further apart than this many times the usual step lack a file between them.
_LONG_STEP = 1.5
_DAY = dt.timedelta(days=1)


def series_rule(table: RawTable, label: str | None, positive: Sequence[str]) -> ChurnRule:
    """Choose what churn means for states at several dates: a mark at a later date, or no row there.

    Raises
    ------
    ChurnkitError
        If `label` is no column of the table, or `positive` no value of it.
    """
    if label is not None and label not in table.profiles:
        raise ChurnkitError(f"'{table.source}' has no column '{label}' (--label)")
    named = [label] if label else sorted(_named_labels(table), key=name_rating, reverse=True)
    for name in named:
        profile = table.profiles[name]
        try:
            draft = draft_label(table.source, profile, positive)
        except ChurnkitError:
            if label is not None:
                raise
            continue
        churned = [text for text in profile.texts if value_direction(text) == 1]
        is_asked = "todo" in draft.settings
        if draft.type == "Utc" or (is_asked and not label):
            continue
        kind, where = label_condition(profile, draft, churned)
        question = f"'{name}' of '{table.source}': {draft.settings['todo']}" if is_asked else ""
        reason = f"'{name}' at the next date; features are those of the date before"
        return ChurnRule(
            "event", table.name, reason, (where,), columns=((name, kind),), question=question
        )
    reason = "customers without a row at the next date"
    return ChurnRule("inactivity", table.name, reason)


def _named_labels(table: RawTable) -> list[str]:
    return [
        name
        for name, profile in table.profiles.items()
        if name_rating(name) >= 3
        or {-1, 1} <= {value_direction(text) for text in profile.texts[:_MAX_VALUES]}
    ]


def series_schedule(table: RawTable) -> Schedule:
    """Return the day after each date but the last, with a horizon that reaches the next date.

    Raises
    ------
    ChurnkitError
        If no date has a next one.
    """
    days = _days(table)
    steps = [after - before for before, after in pairwise(days)]
    usual = sorted(steps)[len(steps) // 2]
    horizon = max((step for step in steps if step <= _LONG_STEP * usual), default=usual)
    begins = [
        day
        for day, step in zip(days, steps, strict=False)
        if step <= horizon and day + horizon <= days[-1]
    ] or days[:1]
    if begins[-1] - begins[0] < horizon:
        # The outcome of the first date would not be known at the last, which is tested.
        begins = begins[-1:]
    dates = tuple((day + _DAY).isoformat() for day in begins)
    reason = "up to the next date of the files"
    return Schedule(horizon.days, 0, Snapshots(dates=dates), reason)


def active_days(table: RawTable) -> int:
    """Return the days within which a customer must have a row: fewer than between two dates."""
    steps = [after - before for before, after in pairwise(_days(table))]
    return max(min(steps).days - 1, 1)


def describe_series(table: RawTable) -> str:
    """Describe how the dates were found."""
    days = _days(table)
    return (
        f"'{table.source}' holds the states of customers at {len(days)} dates, {days[0]} to {days[-1]}, "
        f"which are those in the names of its files ('{FILE_DATE}', the last day of a month without a "
        "day): a row is a customer at a date, and the outcome is that of the next one"
    )


def describe_missing(table: RawTable, rule: ChurnRule) -> str:
    """Count the customers who are missing at a later date without a mark; empty if none are."""
    if not rule.where:
        return ""
    (where,) = rule.where
    names = [table.entity, FILE_DATE, where.column]
    rows = read_table(table.path, columns=names)
    churned = {str(value).casefold().removesuffix(".0") for value in where.values}
    last: dict[str, tuple[str, str]] = {}
    for customer, date, mark in zip(*(rows[name].to_pylist() for name in names), strict=True):
        text = str("" if mark is None else mark).strip().casefold().removesuffix(".0")
        last[str(customer)] = max(last.get(str(customer), ("", "")), (date, text))
    newest = max(date for date, _ in last.values())
    count = sum(
        date < newest and (mark not in churned if churned else not mark)
        for date, mark in last.values()
    )
    if not count:
        return ""
    return (
        f"review: {count:,} of {len(last):,} customers are missing in a later file although "
        f"'{where.column}' did not say that they churned, and count as stayed; if they left, take "
        f'label=InactivityChurn("{table.name}", ...) and eligible without unless'
    )


def _days(table: RawTable) -> list[dt.date]:
    return [dt.date.fromisoformat(text) for text in sorted(table.profiles[FILE_DATE].texts)]

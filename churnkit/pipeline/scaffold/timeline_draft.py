"""Draft a timeline over raw tables: features, dates, eligibility and label."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.timeline import (
    ActiveSubscription,
    ActiveWithin,
    ContractualChurn,
    Count,
    Current,
    DistinctDays,
    InactivityChurn,
    Last,
    Mean,
    OpenCount,
    Recency,
    Snapshots,
    Sum,
    Table,
    Tenure,
    Timeline,
    Trend,
    Where,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.pipeline.scaffold.from_raw_tables import RawTable

__all__ = ["draft_timeline", "timeline_columns"]

_HORIZONS = (90, 60, 30, 14, 7)
_GRACE_DAYS = 30
_MAX_COUNTED_LEVELS = 4
_NEVER_MISSING = ("Count", "Sum", "DistinctDays", "OpenCount")
_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}


def draft_timeline(tables: Sequence[RawTable]) -> Timeline:
    """Draft features, dates and a label for raw tables.

    With a table of subscriptions, churn means that they end; otherwise it means inactivity in
    the largest table.

    Raises
    ------
    ChurnkitError
        If the tables cover too few days.
    """
    subscriptions = [table for table in tables if table.is_subscription]
    main = max(subscriptions or tables, key=lambda table: (not table.is_unique, table.rows))
    grace = _GRACE_DAYS if subscriptions else 0
    horizon, snapshots = _dates(tables, grace)
    eligible: Any
    label: Any
    if subscriptions:
        eligible = ActiveSubscription(main.name)
        label = ContractualChurn(main.name, horizon_days=horizon, grace_days=grace)
    else:
        eligible = ActiveWithin(main.name, days=2 * horizon)
        label = InactivityChurn(main.name, horizon_days=horizon)
    return Timeline(
        tables=[_table(table) for table in tables],
        features={name: f for table in tables for name, f in _features(table).items()},
        snapshots=snapshots,
        eligible=eligible,
        label=label,
    )


def _table(table: RawTable) -> Table:
    columns = dict.fromkeys(table.numbers, "number") | dict.fromkeys(table.categories, "string")
    return Table(
        table.name,
        table.entity,
        happened=table.happened,
        available=table.available,
        ended=table.ended,
        columns=columns,
        known_at_end=table.known_at_end,
        source=table.source,
    )


def _features(table: RawTable) -> dict[str, Any]:
    """Draft the features of one table."""
    prefix = table.name
    if table.ended is not None:
        current = {
            f"{prefix}_{_short(name)}": Current(prefix, name)
            for name in (*table.categories, *table.numbers)
        }
        if table.is_subscription:
            return {**current, f"{prefix}_days": Tenure(prefix)}
        return {f"{prefix}_open": OpenCount(prefix), f"{prefix}_90d": Count(prefix, window_days=90)}
    if table.is_unique:
        return {
            f"{prefix}_{_short(name)}": Last(prefix, name)
            for name in [*table.categories, *table.numbers]
        }
    features: dict[str, Any] = {
        f"{prefix}_30d": Count(prefix, window_days=30),
        f"{prefix}_90d": Count(prefix, window_days=90),
        f"{prefix}_days_30d": DistinctDays(prefix, window_days=30),
        f"{prefix}_trend": Trend(prefix, window_days=30, against_days=90),
        f"days_since_{prefix}": Recency(prefix),
        f"days_since_first_{prefix}": Tenure(prefix),
    }
    for name in table.numbers:
        features[f"{prefix}_{_short(name)}_90d"] = Sum(prefix, name, window_days=90)
        features[f"{prefix}_{_short(name)}_mean"] = Mean(prefix, name, window_days=90)
    for name, texts in table.categories.items():
        for text in texts[:_MAX_COUNTED_LEVELS]:
            where = Where(name, "==", text)
            feature = f"{prefix}_{_short(name)}_{_short(text)}_90d"
            features.setdefault(feature, Count(prefix, window_days=90, where=where))
    return features


def _short(name: str) -> str:
    return name_rules.make_module_name(name)[:32]


def _dates(tables: Sequence[RawTable], grace: int) -> tuple[int, Snapshots]:
    """Choose the longest horizon that leaves dates for training and for the test."""
    repeated = [table.first for table in tables if not table.is_unique]
    first = max(repeated or [table.first for table in tables])
    last = max(table.last for table in tables)
    for horizon in _HORIZONS:
        maturity = dt.timedelta(days=horizon + grace)
        start = _midnight(first + dt.timedelta(days=max(horizon // 2, 7) + 1))
        end = _midnight(last - maturity)
        step = dt.timedelta(days=30 if horizon >= 30 else 7)
        if start + maturity + step > end:
            continue
        # Counted back from the last mature date, which is the one to test.
        steps = min((end - start) // step, 11)
        begin = (end - steps * step).date().isoformat()
        every = f"{step.days} days"
        return horizon, Snapshots(every=every, start=begin, end=end.date().isoformat())
    span = (last - min(table.first for table in tables)).days
    raise ChurnkitError(
        f"the tables cover {span} days, too few for training: outcomes of {_HORIZONS[-1]} days are "
        f"needed before and after the tested date (about {3 * (_HORIZONS[-1] + grace)} days); use a "
        "longer period"
    )


def _midnight(time: dt.datetime) -> dt.datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def timeline_columns(timeline: Timeline, tables: Sequence[RawTable]) -> tuple[DraftColumn, ...]:
    """Draft the schema of a timeline's snapshots."""
    revenue = {f"{table.name}_{_short(table.revenue)}" for table in tables if table.revenue}
    columns = [
        DraftColumn(timeline.entity, "str", "entity"),
        DraftColumn(timeline.as_of, "Utc", "as_of"),
    ]
    for name, feature in timeline.features.items():
        kind = type(feature).__name__
        settings: dict[str, Any] = {} if kind in _NEVER_MISSING else {"nullable": True}
        if kind in {"Count", "DistinctDays", "OpenCount", "Recency", "Tenure"}:
            settings["ge"] = 0
        review = ""
        if name in revenue and kind == "Current":
            settings["also"] = ("value",)
            review = "assumed to be the revenue per period"
        dtype = _TYPES[timeline.feature_type(feature)]
        columns.append(DraftColumn(name, dtype, "feature", settings, review))
    days = timeline.label.horizon_days if timeline.label else 0
    review = f"{type(timeline.label).__name__}: churn within {days} days; see the recipe"
    columns.append(DraftColumn(timeline.label_name, "bool", "label", {}, review))
    return tuple(columns)

"""From what raw tables are to a timeline: features, dates, who is looked at, who left."""

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

__all__ = ["draft_plan", "plan_columns"]

_HORIZONS = (90, 60, 30, 14, 7)
_GRACE_DAYS = 30
_COUNTED = 4
_NEVER_MISSING = ("Count", "Sum", "DistinctDays", "OpenCount")
_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}


def draft_plan(tables: Sequence[RawTable]) -> Timeline:
    """Declare features over raw tables, dates, and a label that the data can hold.

    Where a table of subscriptions is there, leaving is that they end; else it is that nothing
    happens in the largest table.

    Raises
    ------
    ChurnkitError
        If the tables span too few days.
    """
    lasting = [table for table in tables if table.is_subscription]
    main = max(lasting or tables, key=lambda table: (not table.one_each, table.rows))
    grace = _GRACE_DAYS if lasting else 0
    horizon, snapshots = _dates(tables, grace)
    eligible: Any
    label: Any
    if lasting:
        eligible = ActiveSubscription(main.name)
        label = ContractualChurn(main.name, horizon_days=horizon, grace_days=grace)
    else:
        eligible = ActiveWithin(main.name, days=2 * horizon)
        label = InactivityChurn(main.name, horizon_days=horizon)
    return Timeline(
        tables=[_table(table) for table in tables],
        features={name: one for table in tables for name, one in _features(table).items()},
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
    """Say what is counted of a table."""
    own = table.name
    if table.ended is not None:
        kept = [*table.categories, *table.numbers]
        lasting = {f"{own}_{_short(name)}": Current(own, name) for name in kept}
        if table.is_subscription:
            return {**lasting, f"{own}_days": Tenure(own)}
        return {f"{own}_open": OpenCount(own), f"{own}_90d": Count(own, window_days=90)}
    if table.one_each:
        return {
            f"{own}_{_short(name)}": Last(own, name) for name in [*table.categories, *table.numbers]
        }
    found: dict[str, Any] = {
        f"{own}_30d": Count(own, window_days=30),
        f"{own}_90d": Count(own, window_days=90),
        f"{own}_days_30d": DistinctDays(own, window_days=30),
        f"{own}_trend": Trend(own, window_days=30, against_days=90),
        f"days_since_{own}": Recency(own),
        f"days_since_first_{own}": Tenure(own),
    }
    for name in table.numbers:
        found[f"{own}_{_short(name)}_90d"] = Sum(own, name, window_days=90)
        found[f"{own}_{_short(name)}_mean"] = Mean(own, name, window_days=90)
    for name, texts in table.categories.items():
        for text in texts[:_COUNTED]:
            where = Where(name, "==", text)
            said = f"{own}_{_short(name)}_{_short(text)}_90d"
            found.setdefault(said, Count(own, window_days=90, where=where))
    return found


def _short(name: str) -> str:
    return name_rules.module_name(name)[:32]


def _dates(tables: Sequence[RawTable], grace: int) -> tuple[int, Snapshots]:
    """Choose the longest horizon that leaves a date to test on and dates to learn from."""
    repeated = [table.first for table in tables if not table.one_each]
    first = max(repeated or [table.first for table in tables])
    last = max(table.last for table in tables)
    for horizon in _HORIZONS:
        known = dt.timedelta(days=horizon + grace)
        start = _midnight(first + dt.timedelta(days=max(horizon // 2, 7) + 1))
        end = _midnight(last - known)
        step = dt.timedelta(days=30 if horizon >= 30 else 7)
        if start + known + step > end:
            continue
        # Backwards from the last date that is known, so that it is the one that is tested.
        steps = min((end - start) // step, 11)
        begin = (end - steps * step).date().isoformat()
        every = f"{step.days} days"
        return horizon, Snapshots(every=every, start=begin, end=end.date().isoformat())
    span = (last - min(table.first for table in tables)).days
    raise ChurnkitError(
        f"the tables span {span} days, too few to learn from: outcomes of {_HORIZONS[-1]} days must "
        f"be known before the tested date and after it ({3 * (_HORIZONS[-1] + grace)} days or so); "
        "bring a longer period"
    )


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def plan_columns(plan: Timeline, tables: Sequence[RawTable]) -> tuple[DraftColumn, ...]:
    """Draft the schema of what a timeline makes."""
    revenue = {f"{one.name}_{_short(one.revenue)}" for one in tables if one.revenue}
    columns = [
        DraftColumn(plan.entity, "str", "entity"),
        DraftColumn(plan.as_of, "Utc", "as_of"),
    ]
    for name, feature in plan.features.items():
        kind = type(feature).__name__
        settings: dict[str, Any] = {} if kind in _NEVER_MISSING else {"nullable": True}
        if kind in {"Count", "DistinctDays", "OpenCount", "Recency", "Tenure"}:
            settings["ge"] = 0
        review = ""
        if name in revenue and kind == "Current":
            settings["also"] = ("value",)
            review = "taken for what a customer pays each period"
        kind_of = _TYPES[plan.feature_type(feature)]
        columns.append(DraftColumn(name, kind_of, "feature", settings, review))
    said = type(plan.label).__name__
    days = plan.label.horizon_days if plan.label else 0
    review = f"{said}: leaving within {days} days; see the recipe"
    columns.append(DraftColumn(plan.label_name, "bool", "label", {}, review))
    return tuple(columns)

"""Declared features over raw tables, correct in time: one row for each customer and date.

Examples
--------
>>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
>>> plan = Timeline(
...     tables=[Table("orders", "buyer", happened="ordered_at")],
...     features={"orders_90d": Count("orders", window_days=90)},
...     snapshots=Snapshots(every="1 month", start="2025-01-01", end="2025-03-01"),
...     eligible=ActiveWithin("orders", days=180),
... )
>>> len(plan.snapshots.dates)
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.timeline.building import build, build_to
    from churnkit.timeline.features import (
        Count,
        Current,
        CurrentSum,
        DaysSince,
        DistinctDays,
        Feature,
        Last,
        Max,
        Mean,
        Min,
        OpenCount,
        Ratio,
        Recency,
        Share,
        Sum,
        Tenure,
        Trend,
    )
    from churnkit.timeline.labels import (
        ActiveSubscription,
        ActiveWithin,
        ContractualChurn,
        InactivityChurn,
        RevenueContraction,
    )
    from churnkit.timeline.leakage import (
        Leak,
        LeakageError,
        find_changes,
        find_leaks,
        refuse_leaks,
    )
    from churnkit.timeline.lower import DIALECTS, to_sql
    from churnkit.timeline.snapshots import Snapshots
    from churnkit.timeline.spark import to_spark
    from churnkit.timeline.split import ForwardSplit, repeat_weights
    from churnkit.timeline.tables import RawColumn, Table
    from churnkit.timeline.timeline import Timeline
    from churnkit.timeline.where import Where

_FEATURES = (
    "Count",
    "Current",
    "CurrentSum",
    "DaysSince",
    "DistinctDays",
    "Feature",
    "Last",
    "Max",
    "Mean",
    "Min",
    "OpenCount",
    "Ratio",
    "Recency",
    "Share",
    "Sum",
    "Tenure",
    "Trend",
)
_HOMES = {
    **dict.fromkeys(_FEATURES, "features"),
    "ActiveSubscription": "labels",
    "ActiveWithin": "labels",
    "ContractualChurn": "labels",
    "DIALECTS": "lower",
    "ForwardSplit": "split",
    "InactivityChurn": "labels",
    "Leak": "leakage",
    "LeakageError": "leakage",
    "RawColumn": "tables",
    "RevenueContraction": "labels",
    "Snapshots": "snapshots",
    "Table": "tables",
    "Timeline": "timeline",
    "Where": "where",
    "build": "building",
    "build_to": "building",
    "find_changes": "leakage",
    "find_leaks": "leakage",
    "refuse_leaks": "leakage",
    "repeat_weights": "split",
    "to_spark": "spark",
    "to_sql": "lower",
}

__all__ = [
    "DIALECTS",
    "ActiveSubscription",
    "ActiveWithin",
    "ContractualChurn",
    "Count",
    "Current",
    "CurrentSum",
    "DaysSince",
    "DistinctDays",
    "Feature",
    "ForwardSplit",
    "InactivityChurn",
    "Last",
    "Leak",
    "LeakageError",
    "Max",
    "Mean",
    "Min",
    "OpenCount",
    "Ratio",
    "RawColumn",
    "Recency",
    "RevenueContraction",
    "Share",
    "Snapshots",
    "Sum",
    "Table",
    "Tenure",
    "Timeline",
    "Trend",
    "Where",
    "build",
    "build_to",
    "find_changes",
    "find_leaks",
    "refuse_leaks",
    "repeat_weights",
    "to_spark",
    "to_sql",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'churnkit.timeline' has no attribute {name!r}")
    return getattr(import_module(f"churnkit.timeline.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

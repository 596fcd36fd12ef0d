"""What a retention team looks at: measured in SQL, returned as plain results.

>>> from datetime import datetime
>>> from churnkit.insights import retention_metrics
>>> orders = [
...     {"customer": "a", "date": datetime(2025, 1, 9), "amount": 5.0},
...     {"customer": "a", "date": datetime(2025, 2, 9), "amount": 5.0},
...     {"customer": "b", "date": datetime(2025, 2, 9), "amount": 5.0},
... ]
>>> retention_metrics({"orders": orders})["repeat_rate"].value
0.5
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.insights.business import Business, open_business
    from churnkit.insights.figure import Figure
    from churnkit.insights.layout import LAYOUTS
    from churnkit.insights.retention import RetentionMetrics, measure_retention, retention_metrics
    from churnkit.insights.settings import RetentionSettings

_HOMES = {
    "LAYOUTS": "layout",
    "Business": "business",
    "Figure": "figure",
    "RetentionMetrics": "retention",
    "RetentionSettings": "settings",
    "measure_retention": "retention",
    "open_business": "business",
    "retention_metrics": "retention",
}

__all__ = [
    "LAYOUTS",
    "Business",
    "Figure",
    "RetentionMetrics",
    "RetentionSettings",
    "measure_retention",
    "open_business",
    "retention_metrics",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'churnkit.insights' has no attribute {name!r}")
    return getattr(import_module(f"churnkit.insights.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

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
    from churnkit.insights.clusters import Clusters
    from churnkit.insights.embeddings import load_embedder
    from churnkit.insights.experiments import measure_effects
    from churnkit.insights.figure import Figure
    from churnkit.insights.health_parts import HealthParts, explain_health
    from churnkit.insights.layout import LAYOUTS
    from churnkit.insights.retention import RetentionMetrics, measure_retention, retention_metrics
    from churnkit.insights.satisfaction import measure_satisfaction
    from churnkit.insights.sentiment import Sentiment
    from churnkit.insights.settings import RetentionSettings
    from churnkit.insights.spark import business_on_spark
    from churnkit.insights.themes import Themes, find_themes
    from churnkit.insights.voice import themes_of

_HOMES = {
    "LAYOUTS": "layout",
    "Business": "business",
    "Clusters": "clusters",
    "Figure": "figure",
    "HealthParts": "health_parts",
    "RetentionMetrics": "retention",
    "RetentionSettings": "settings",
    "Sentiment": "sentiment",
    "Themes": "themes",
    "business_on_spark": "spark",
    "explain_health": "health_parts",
    "find_themes": "themes",
    "load_embedder": "embeddings",
    "measure_effects": "experiments",
    "measure_retention": "retention",
    "measure_satisfaction": "satisfaction",
    "open_business": "business",
    "retention_metrics": "retention",
    "themes_of": "voice",
}

__all__ = [
    "LAYOUTS",
    "Business",
    "Clusters",
    "Figure",
    "HealthParts",
    "RetentionMetrics",
    "RetentionSettings",
    "Sentiment",
    "Themes",
    "business_on_spark",
    "explain_health",
    "find_themes",
    "load_embedder",
    "measure_effects",
    "measure_retention",
    "measure_satisfaction",
    "open_business",
    "retention_metrics",
    "themes_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'churnkit.insights' has no attribute {name!r}")
    return getattr(import_module(f"churnkit.insights.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

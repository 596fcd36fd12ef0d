"""Keep watch after launch: new rows against the training's, forecasts against what came."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.monitoring.findings import Finding
    from churnkit.monitoring.watch import MonitorReport, monitor

_HOMES = {"Finding": "findings", "MonitorReport": "watch", "monitor": "watch"}

__all__ = ["Finding", "MonitorReport", "monitor"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.monitoring.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

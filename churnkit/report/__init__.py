"""One page for the people who act: made from aggregates, opened without a network.

>>> from datetime import datetime
>>> from churnkit.report import build_report
>>> orders = [{"customer": "a", "date": datetime(2025, 1, 9), "amount": 5.0}]
>>> report = build_report({"orders": orders})
>>> report.summary["as_of"]
'2025-01-10'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.report.building import Report, build_report
    from churnkit.report.findings import Findings, gather

_HOMES = {
    "Findings": "findings",
    "Report": "building",
    "build_report": "building",
    "gather": "findings",
}

__all__ = ["Findings", "Report", "build_report", "gather"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'churnkit.report' has no attribute {name!r}")
    return getattr(import_module(f"churnkit.report.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

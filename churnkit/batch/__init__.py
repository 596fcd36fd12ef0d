"""Files of customers in, files of scores and plans out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.batch.files import open_table, read_table
    from churnkit.batch.planning import PlanReport, plan
    from churnkit.batch.scoring import ScoreReport, score
    from churnkit.batch.sources import Query, open_source

_HOMES = {
    "PlanReport": "planning",
    "Query": "sources",
    "ScoreReport": "scoring",
    "open_source": "sources",
    "open_table": "files",
    "plan": "planning",
    "read_table": "files",
    "score": "scoring",
}

__all__ = [
    "PlanReport",
    "Query",
    "ScoreReport",
    "open_source",
    "open_table",
    "plan",
    "read_table",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.batch.{_HOMES[name]}"), name)
    globals()[name] = found
    return found

"""Files of customers in, files of scores and plans out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.batch.deciding import Occasion
    from churnkit.batch.erasing import Erasure, erase_customers
    from churnkit.batch.files import open_table, read_table
    from churnkit.batch.learning import LearnReport, learn
    from churnkit.batch.planning import PlanReport, plan
    from churnkit.batch.ranking import RankReport, rank
    from churnkit.batch.raw import find_tables, raw_table, snapshot_file
    from churnkit.batch.scoring import ScoreReport, score
    from churnkit.batch.sources import Query, open_source

_HOMES = {
    "Erasure": "erasing",
    "LearnReport": "learning",
    "Occasion": "deciding",
    "PlanReport": "planning",
    "Query": "sources",
    "RankReport": "ranking",
    "ScoreReport": "scoring",
    "erase_customers": "erasing",
    "find_tables": "raw",
    "learn": "learning",
    "open_source": "sources",
    "open_table": "files",
    "plan": "planning",
    "rank": "ranking",
    "raw_table": "raw",
    "read_table": "files",
    "score": "scoring",
    "snapshot_file": "raw",
}

__all__ = [
    "Erasure",
    "LearnReport",
    "Occasion",
    "PlanReport",
    "Query",
    "RankReport",
    "ScoreReport",
    "erase_customers",
    "find_tables",
    "learn",
    "open_source",
    "open_table",
    "plan",
    "rank",
    "raw_table",
    "read_table",
    "score",
    "snapshot_file",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.batch.{_HOMES[name]}"), name)
    globals()[name] = found
    return found

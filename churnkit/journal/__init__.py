"""What was decided and what came of it: append-only, on SQLite or PostgreSQL.

>>> from churnkit.journal import Journal
>>> Journal.__name__
'Journal'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.journal.keys import decision_key
    from churnkit.journal.log import Journal
    from churnkit.journal.records import DecisionRecord, OutcomeRecord, Recorded
    from churnkit.journal.situation import who_from

# Names load on first use: SQLAlchemy takes a tenth of a second to import.
_HOMES = {
    "DecisionRecord": "records",
    "Journal": "log",
    "OutcomeRecord": "records",
    "Recorded": "records",
    "decision_key": "keys",
    "who_from": "situation",
}

__all__ = ["DecisionRecord", "Journal", "OutcomeRecord", "Recorded", "decision_key", "who_from"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.journal.{_HOMES[name]}"), name)
    globals()[name] = found
    return found

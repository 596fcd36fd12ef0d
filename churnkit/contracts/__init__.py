"""What a table must look like, as data that travels with every model.

Declaring a schema imports pandera; reading, checking and encoding with a contract does not,
so the names of this package load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.contracts.column import Check, Column
    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.roles import (
        Schema,
        as_of,
        context,
        cost,
        entity,
        feature,
        ignore,
        label,
        pii,
        propensity,
        treatment,
        value,
    )
    from churnkit.contracts.violations import Violation

_HOMES = {
    "Check": "column",
    "Column": "column",
    "Contract": "contract",
    "Purpose": "contract",
    "Violation": "violations",
}

__all__ = [
    "Check",
    "Column",
    "Contract",
    "Purpose",
    "Schema",
    "Violation",
    "as_of",
    "context",
    "cost",
    "entity",
    "feature",
    "ignore",
    "label",
    "pii",
    "propensity",
    "treatment",
    "value",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, "roles")
    found = getattr(import_module(f"churnkit.contracts.{home}"), name)
    globals()[name] = found
    return found

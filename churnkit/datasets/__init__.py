"""Data to try things on: public data sets, and a simulated business whose truth is known.

>>> from churnkit.datasets import simulate
>>> business = simulate(customers=200, months=12, seed=7)
>>> business.tables["customers"].num_rows
200

Importing this package imports neither pandas nor pyarrow; what needs them loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazy, as the module bears the function's name: imported later, it would take its place.
from churnkit.datasets.simulate import Simulation, simulate

if TYPE_CHECKING:
    from churnkit.datasets.public import PublicDataset, PublicFile, fetch, load, public_datasets
    from churnkit.datasets.simulate_truth import Truth

_HOMES = {
    "PublicDataset": "public",
    "PublicFile": "public",
    "Truth": "simulate_truth",
    "fetch": "public",
    "load": "public",
    "public_datasets": "public",
}

__all__ = [
    "PublicDataset",
    "PublicFile",
    "Simulation",
    "Truth",
    "fetch",
    "load",
    "public_datasets",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.datasets.{_HOMES[name]}"), name)
    globals()[name] = found
    return found

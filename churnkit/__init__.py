"""Who is likely to leave, what they are worth, and which action pays.

>>> import churnkit
>>> churnkit.__version__
'0.1.0'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel, load
    from churnkit.contracts import Contract
    from churnkit.errors import ChurnkitError, DataError

__version__ = "0.1.0"

# Names load on first use (PEP 562), so that a bare import costs next to nothing.
_HOMES = {
    "ChurnkitError": "errors",
    "Contract": "contracts",
    "DataError": "errors",
    "RetentionModel": "bundle",
    "load": "bundle",
}

__all__ = ["ChurnkitError", "Contract", "DataError", "RetentionModel", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

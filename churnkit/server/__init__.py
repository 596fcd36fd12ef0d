"""The prediction endpoint: one ASGI application, packed and served with BentoML.

The names load on first use; what they need is installed by the extra ``serve``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from churnkit.errors import MissingExtraError

if TYPE_CHECKING:
    from churnkit.server.app import App, create_app
    from churnkit.server.find import FoundModel, find_model
    from churnkit.server.mounted import Mounted
    from churnkit.server.packing import pack
    from churnkit.server.running import Server, serve
    from churnkit.server.settings import Settings

_HOMES = {
    "App": "app",
    "FoundModel": "find",
    "Mounted": "mounted",
    "Server": "running",
    "Settings": "settings",
    "create_app": "app",
    "find_model": "find",
    "pack": "packing",
    "serve": "running",
}
_EXTRA = ("bentoml", "msgspec", "prometheus_client")

__all__ = [
    "App",
    "FoundModel",
    "Mounted",
    "Server",
    "Settings",
    "create_app",
    "find_model",
    "pack",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"churnkit.server.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _EXTRA:
            raise MissingExtraError("serve", package) from error
        raise
    found = getattr(module, name)
    globals()[name] = found
    return found

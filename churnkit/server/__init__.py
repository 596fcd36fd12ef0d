"""The prediction endpoint: an ASGI application, packaged and served with BentoML.

Names load on first use; the extra ``serve`` installs their dependencies.
"""

from typing import Any

from churnkit._lazy_exports import attach_stub
from churnkit.errors import MissingExtraError

_EXTRA = ("bentoml", "msgspec", "prometheus_client")

_load, __dir__, __all__ = attach_stub(__name__)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _EXTRA:
            raise MissingExtraError("serve", package) from error
        raise

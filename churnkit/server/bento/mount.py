"""Mount the application in BentoML, ahead of BentoML's middleware.

BentoML's middleware takes several times as long as a prediction, and its timeout keeps every
request in memory for a minute: at thousands of requests per second, full garbage collections
walk over hundreds of thousands of objects, a quarter of a second each, and the p99 rises to some
hundred milliseconds. The application has its own limits and timeouts, so its paths skip that.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from churnkit.server.http.head_limits import install_limits

if TYPE_CHECKING:
    from churnkit.server.app import App
    from churnkit.server.http.route import Receive, Scope, Send

__all__ = ["BentoMount"]

AsgiApp = Callable[["Scope", "Receive", "Send"], Awaitable[None]]


class BentoMount:
    """The application as BentoML mounts it.

    It installs limits on request heads and connections in BentoML's server, which has none, and
    lets BentoML's supervisor keep its pace when the system clock jumps.
    With the first request it moves ahead of BentoML's middleware for its own paths; all other
    paths go through BentoML. The setting ``direct`` turns that off, for example to let BentoML
    trace the requests.

    Parameters
    ----------
    app
        From `create_app`.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self._is_direct = not app.settings.direct
        install_limits(app.settings, app.metrics)
        _use_monotonic_clock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that BentoML passes on."""
        await self.app.startup()
        if not self._is_direct:
            self._is_direct = True
            outer: Any = scope.get("app")
            # Starlette's attribute; another host has none and is left alone.
            if getattr(outer, "middleware_stack", None) is not None:
                outer.middleware_stack = _DirectPaths(self.app, outer.middleware_stack)
        await self.app(scope, receive, send)


def _use_monotonic_clock() -> None:
    """Let BentoML's supervisor measure time by a clock that does not jump.

    It looks for dead workers at times of the system clock. After that was set back, it would look
    again only when the earlier time has come: dead workers would stay away for as long.
    """
    from tornado.ioloop import IOLoop

    IOLoop.time = _monotonic  # type: ignore[assignment,method-assign]


def _monotonic(_loop: Any) -> float:
    return time.monotonic()


class _DirectPaths:
    """Answers the application's paths; passes on all others."""

    def __init__(self, app: App, middleware: AsgiApp) -> None:
        self._app = app
        self._paths = app.paths
        self._middleware = middleware

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            await self._app(scope, receive, send)
        else:
            await self._middleware(scope, receive, send)

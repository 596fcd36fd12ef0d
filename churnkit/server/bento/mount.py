"""The application behind BentoML, at the price of the application alone.

BentoML's own middleware takes several times as long as an answer, and its timeout keeps every
request in memory for a minute: thousands of them a second make Python's full collections walk
over hundreds of thousands of objects, a quarter of a second each, which clients see as a p99 of
some hundred milliseconds. The application has limits and times of its own, so its paths need
none of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.server.app import App
    from churnkit.server.http.route import Receive, Scope, Send

__all__ = ["Mounted"]

AsgiApp = Callable[["Scope", "Receive", "Send"], Awaitable[None]]


class Mounted:
    """An application as BentoML mounts it.

    With the first request that comes through BentoML it takes its place before BentoML's
    middleware, for its own paths alone; everything else goes the old way. The setting
    ``direct`` turns that off, for instance to let BentoML trace the requests.

    Parameters
    ----------
    app
        What `create_app` gave.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self._is_direct = not app.settings.direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that BentoML passed on."""
        await self.app.startup()
        if not self._is_direct:
            self._is_direct = True
            outer: Any = scope.get("app")
            # Starlette's own name for what it calls; another host has none and stays as it is.
            if getattr(outer, "middleware_stack", None) is not None:
                outer.middleware_stack = _Before(self.app, outer.middleware_stack)
        await self.app(scope, receive, send)


class _Before:
    """Answers the application's own paths; passes on the others."""

    def __init__(self, app: App, behind: AsgiApp) -> None:
        self._app = app
        self._paths = app.paths
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            await self._app(scope, receive, send)
        else:
            await self._behind(scope, receive, send)

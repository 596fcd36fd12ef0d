"""Cross-origin requests of browsers (CORS), for exact origins only.

Without the setting no reply has a CORS header, and browsers keep the replies from pages of other
sites (Fetch Standard, section "CORS protocol").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from churnkit.server.http.route import AsgiApp, Message, Receive, Scope, Send

__all__ = ["CrossOriginRoute"]

_EXPOSED: Final = b"x-model-version, retry-after, idempotent-replayed, traceparent"
_PREFLIGHT: Final = (
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, traceparent"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
)


class CrossOriginRoute:
    """A route that pages of some other origins may call.

    Parameters
    ----------
    route
        Answers the request; None to answer the browser's preflight request.
    origins
        The origins, as in the header ``origin``.
    refuse
        Answers a preflight request of another origin.
    method
        The method that a preflight allows.
    """

    def __init__(
        self,
        route: AsgiApp | None,
        origins: frozenset[bytes],
        *,
        refuse: AsgiApp,
        method: str,
    ) -> None:
        self._route = route
        self._origins = origins
        self._refuse = refuse
        self._method = method.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with the headers that let the page read the reply."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        is_listed = origin in self._origins
        if self._route is None:
            await (
                self._answer_preflight(origin, send)
                if is_listed
                else self._refuse(scope, receive, send)
            )
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"vary", b"origin")]
                if is_listed:
                    message["headers"] += [
                        (b"access-control-allow-origin", origin),
                        (b"access-control-expose-headers", _EXPOSED),
                    ]
            await send(message)

        await self._route(scope, receive, send_with_headers)

    async def _answer_preflight(self, origin: bytes, send: Send) -> None:
        headers = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", self._method),
            (b"vary", b"origin"),
            *_PREFLIGHT,
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

"""One route of the application: ask for the reply, send it, count it, contain its faults."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cache, cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from churnkit.server.http.problem_details import PROBLEM_TYPE, Problem

if TYPE_CHECKING:
    from churnkit.server.observability.metrics import Metrics

__all__ = ["JSON_TYPE", "TEXT_TYPE", "Endpoint", "Receive", "Reply", "Request", "Scope", "Send"]

_LOG = logging.getLogger("churnkit.server")
JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
# Answers are about customers: no cache keeps them, no browser guesses at them, frames them or
# tells another site where it was.
_PRIVATE: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_TRACE: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Request:
    """A request as the routes read it.

    Parameters
    ----------
    scope, receive
        Of the ASGI request.
    """

    __slots__ = ("__dict__", "headers", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])

    @cached_property
    def trace(self) -> bytes | None:
        """The W3C ``traceparent`` that the client sent, if it is one."""
        said = self.headers.get(b"traceparent")
        return said if said is not None and _TRACE.fullmatch(said) else None


class Reply(msgspec.Struct, frozen=True):
    """What is sent back.

    Parameters
    ----------
    body
        Its bytes.
    media
        Their media type.
    status
        The HTTP status.
    headers
        Further headers.
    rows
        How many customers were scored.
    refused
        How many were reported in place instead.
    """

    body: bytes
    media: str = JSON_TYPE
    status: int = 200
    headers: Mapping[str, str] | None = None
    rows: int = 0
    refused: int = 0


class Endpoint:
    """A route as an ASGI application.

    Parameters
    ----------
    route
        The path under which requests are counted.
    reply
        From a request to its reply; None where the client has gone.
    metrics
        Where requests and refusals are counted.
    """

    def __init__(
        self,
        route: str,
        reply: Callable[[Request], Awaitable[Reply | None]],
        metrics: Metrics,
    ) -> None:
        self._route = route
        self._reply = reply
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever happens, with a stated answer."""
        start = perf_counter()
        request = Request(scope, receive)
        try:
            reply = await self._reply(request)
        except Problem as problem:
            reply = self._refuse(problem)
        except Exception as error:  # noqa: BLE001 - its text may quote a customer, and stops here
            _LOG.error("%s in %s, at %s", type(error).__name__, self._route, _place(error))
            reply = self._refuse(
                Problem(500, "fault", "the fault was logged: try again, then tell the operator")
            )
        if reply is None:
            return
        head = [(b"content-length", b"%d" % len(reply.body)), *_head(reply.media)]
        if reply.headers:
            head += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        if b"traceparent" in request.headers and request.trace is not None:
            head.append((b"traceparent", request.trace))
        await send({"type": "http.response.start", "status": reply.status, "headers": head})
        await send({"type": "http.response.body", "body": reply.body})
        if reply.refused:
            self._metrics.count("churnkit_rows_refused", self._route, by=reply.refused)
        seconds = perf_counter() - start
        self._metrics.answered(self._route, reply.status, seconds=seconds, rows=reply.rows)

    def _refuse(self, problem: Problem) -> Reply:
        rules = [str(violation["rule"]) for violation in problem.violations]
        self._metrics.refused(rules or [problem.kind])
        return Reply(problem.to_json(), PROBLEM_TYPE, problem.status, problem.headers)


@cache
def _head(media: str) -> tuple[tuple[bytes, bytes], ...]:
    """Give the headers of every answer of a media type."""
    return ((b"content-type", media.encode()), *_PRIVATE)


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"

"""ASGI routing: requests, replies, and the steps that every route takes.

Everything that a normal request needs is here; `churnkit.server.http.request_body` handles
bodies in chunks, other media types and refusals.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cache, cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from churnkit.core.user_code_errors import error_location
from churnkit.server.http.problem_details import PROBLEM_TYPE, Problem
from churnkit.server.http.request_body import JSON, check_media_type, json_problem, read_chunks

if TYPE_CHECKING:
    from asyncio import Task

    from churnkit.server.auth.access_control import AccessControl
    from churnkit.server.observability.metrics import Metrics

__all__ = [
    "JSON_TYPE",
    "TEXT_TYPE",
    "AsgiApp",
    "BodyTimeout",
    "Handler",
    "Receive",
    "Reply",
    "Request",
    "Route",
    "Router",
    "Scope",
    "Send",
]

_LOG = logging.getLogger("churnkit.server")
JSON_TYPE: Final = JSON.decode()
TEXT_TYPE: Final = "text/plain; charset=utf-8"
# Replies hold data of customers: no cache stores them, and a browser neither guesses their type,
# nor frames them, nor sends their address to another site.
_SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_SWEEP_SECONDS: Final = 0.25

T = TypeVar("T")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientDisconnected(Exception):  # noqa: N818 - an event, not an error
    """The client closed the connection before its body was complete."""


class BodyTimeout:
    """Timeout for request bodies: one periodic sweep in place of a timer per request.

    A timer per request would cost as much as decoding it; a body that is there at once costs an
    entry in a dictionary.

    Parameters
    ----------
    seconds
        From the request's head to the end of its body, to within a quarter of a second.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadlines: dict[Task[Any], float] = {}
        self._expired: set[Task[Any]] = set()
        self._sweeping = False

    def start(self) -> Task[Any]:
        """Start the timeout of the request that the current task answers."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read in a task")
        loop = task.get_loop()
        self._deadlines[task] = loop.time() + self.seconds
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return task

    def stop(self, task: Task[Any]) -> None:
        """Stop the timeout of a task."""
        self._deadlines.pop(task, None)

    def has_expired(self, task: Task[Any]) -> bool:
        """Return, once, whether the timeout cancelled a task."""
        if task in self._expired:
            self._expired.discard(task)
            task.uncancel()
            return True
        return False

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, deadline in list(self._deadlines.items()):
            if deadline < now:
                self.stop(task)
                self._expired.add(task)
                task.cancel()
        self._sweeping = bool(self._deadlines)
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


class Request:
    """A request as handlers read it."""

    __slots__ = ("__dict__", "_receive", "_timeout", "client_key", "headers", "is_read", "scope")

    def __init__(self, scope: Scope, receive: Receive, timeout: BodyTimeout) -> None:
        self.scope: Scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.client_key: str = ""
        self.is_read: bool = False
        self._receive = receive
        self._timeout = timeout

    @property
    def path(self) -> str:
        """The path, without that of an application which this one is mounted in."""
        path: str = self.scope["path"]
        return path.removeprefix(self.scope.get("root_path", ""))

    @cached_property
    def traceparent(self) -> bytes | None:
        """The client's W3C ``traceparent``, if it is valid."""
        header = self.headers.get(b"traceparent")
        return header if header is not None and _TRACEPARENT.fullmatch(header) else None

    def media_type(self, *accepted: bytes) -> bytes:
        """Return the body's media type.

        Raises
        ------
        Problem
            415 if it is none of those accepted, or the body is compressed.
        """
        header = self.headers.get(b"content-type", b"")
        if header in accepted and b"content-encoding" not in self.headers:
            return header
        return check_media_type(self.headers, *accepted)

    @property
    def leaves_body(self) -> bool:
        """Whether a body follows that no handler reads, perhaps without an end."""
        if self.is_read:
            return False
        headers = self.headers
        return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"

    async def body(self, limit: int) -> bytes:
        """Read the body.

        Parameters
        ----------
        limit
            The most bytes that are accepted.

        Raises
        ------
        Problem
            413 if it is larger, declared or not; 408 if it is too slow.
        ClientDisconnected
            If the client goes away first.
        """
        timeout = self._timeout
        self.is_read = True
        task = timeout.start()
        try:
            message = await self._receive()
            body: bytes | None = message.get("body", b"")
            if message.get("more_body", False) or not body or len(body) > limit:
                body = await read_chunks(self.headers, self._receive, message, limit)
        except asyncio.CancelledError:
            if not timeout.has_expired(task):
                raise
            raise Problem(
                408,
                "slow",
                f"the body did not arrive within {timeout.seconds:g} seconds: send it at once",
                headers={"connection": "close"},
            ) from None
        finally:
            timeout.stop(task)
        if body is None:
            raise ClientDisconnected
        return body

    @staticmethod
    def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
        """Decode a JSON body.

        Raises
        ------
        Problem
            400 if it is not JSON, 422 if the JSON has another shape.
        """
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise json_problem(error) from None


class Reply(msgspec.Struct, frozen=True):
    """A reply.

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
        Number of customers scored.
    refused
        Number of customers reported in place instead.
    """

    body: bytes
    media: str = JSON_TYPE
    status: int = 200
    headers: Mapping[str, str] | None = None
    rows: int = 0
    refused: int = 0


Handler = Callable[[Request], Awaitable[Reply]]


class Route:
    """A route as an ASGI application: access, handler, reply, metrics, errors.

    Parameters
    ----------
    path
        The path under which requests are counted.
    handler
        From a request to its reply.
    metrics
        Counts requests and refusals.
    timeout
        For request bodies.
    access
        Checks clients; None for a public route.
    scope
        The scope that a key needs; None for any key.
    limited
        Whether the route takes a slot of ``max_concurrent``.
    """

    def __init__(
        self,
        path: str,
        handler: Handler,
        metrics: Metrics,
        timeout: BodyTimeout,
        *,
        access: AccessControl | None = None,
        scope: str | None = None,
        limited: bool = False,
    ) -> None:
        self._path = path
        self._handler = handler
        self._metrics = metrics
        self._timeout = timeout
        self._access = access
        self._scope = scope
        self._limited = limited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, also when the handler fails."""
        start = perf_counter()
        request = Request(scope, receive, self._timeout)
        try:
            reply = await self._reply(request)
        except Problem as problem:
            reply = self._refuse(problem)
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 - its text may quote a customer, and stops here
            _LOG.error("%s in %s, at %s", type(error).__name__, self._path, error_location(error))
            detail = "the error was logged: try again, then contact the operator"
            reply = self._refuse(Problem(500, "fault", detail))
        headers = [(b"content-length", b"%d" % len(reply.body)), *_headers(reply.media)]
        if reply.headers:
            headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        if request.leaves_body:
            headers.append((b"connection", b"close"))
        if b"traceparent" in request.headers and request.traceparent is not None:
            headers.append((b"traceparent", request.traceparent))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        if reply.refused:
            self._metrics.count("churnkit_rows_refused", self._path, by=reply.refused)
        seconds = perf_counter() - start
        self._metrics.answered(self._path, reply.status, seconds=seconds, rows=reply.rows)

    async def _reply(self, request: Request) -> Reply:
        access = self._access
        if access is None:
            return await self._handler(request)
        request.client_key = access.admit(request.scope, request.headers, self._scope)
        if not self._limited:
            return await self._handler(request)
        access.enter()
        try:
            return await self._handler(request)
        finally:
            access.leave()

    def _refuse(self, problem: Problem) -> Reply:
        rules = [str(violation["rule"]) for violation in problem.violations]
        self._metrics.refused(rules or [problem.kind])
        return Reply(problem.to_json(), PROBLEM_TYPE, problem.status, problem.headers)


class Router:
    """An ASGI application that dispatches requests to routes by method and path."""

    def __init__(self, routes: Mapping[tuple[str, str], AsgiApp], fallback: Route) -> None:
        self._routes = routes
        self._fallback = fallback

    @property
    def paths(self) -> frozenset[str]:
        """The paths that have a route."""
        return frozenset(path for _, path in self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the server's lifespan."""
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
            if route is None:
                # Mounted in another application, the path begins with that one's.
                path = scope["path"].removeprefix(scope.get("root_path", ""))
                route = self._routes.get((scope["method"], path), self._fallback)
            await route(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def startup(self) -> None:
        """Start background work."""

    async def shutdown(self) -> None:
        """Stop background work."""

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.startup()
                except Exception as error:
                    # Without this message some servers would serve an application half started.
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return


@cache
def _headers(media: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of every reply of a media type."""
    return ((b"content-type", media.encode()), *_SECURITY_HEADERS)

"""Limits on request heads and connections, before any key is read.

uvicorn with httptools reads heads of any size for any time. `LimitedProtocol` bounds their bytes,
their headers, their time and the connections of a client; it costs some tenths of a microsecond
per request.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import uvicorn.config

from churnkit.server.http.connection_drain import DrainingProtocol

if TYPE_CHECKING:
    import asyncio

    from churnkit.server.observability.metrics import Metrics
    from churnkit.server.settings import Settings

__all__ = ["HeadLimits", "LimitedProtocol", "install_limits"]

_LOG = logging.getLogger("churnkit.server")
_SWEEP_SECONDS: Final = 0.5
_LOG_SECONDS: Final = 10.0
_REASONS: Final = {
    "time": "a request head is incomplete after its time",
    "size": "a request head is too large",
    "number": "a client has too many",
    "invalid": "a request is not valid HTTP",
}
_UVICORN_INVALID: Final = "Invalid HTTP request received."
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Limits of `LimitedProtocol`.

    Parameters
    ----------
    max_bytes, max_headers
        The most bytes and header fields of a head, trailers included.
    seconds
        Time that a client has to send a head.
    max_connections
        The most open connections of one address; 0 for no limit.
    """

    max_bytes: int = 16_384
    max_headers: int = 100
    seconds: float = 10.0
    max_connections: int = 512


class _HeadTooLarge(Exception):  # noqa: N818 - an event that httptools passes on
    """A head has too many bytes or header fields."""


class _Registry:
    """Open connections by address, and connections whose head is still to come."""

    def __init__(self) -> None:
        self.connections: Counter[str] = Counter()
        self.deadlines: dict[LimitedProtocol, float] = {}
        self._sweeping = False
        self._logged = -_LOG_SECONDS

    def wait_for_head(self, protocol: LimitedProtocol, seconds: float) -> None:
        loop = protocol.loop
        self.deadlines[protocol] = loop.time() + seconds
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def log(self, reason: str, protocol: LimitedProtocol) -> None:
        """Count a closed connection, and log the reason a few times a minute."""
        if protocol.metrics is not None:
            protocol.metrics.count("churnkit_connections_closed", reason)
        loop = protocol.loop
        if loop.time() - self._logged >= _LOG_SECONDS:
            self._logged = loop.time()
            _LOG.warning("connections are closed: %s", _REASONS[reason])

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for protocol, deadline in list(self.deadlines.items()):
            if deadline < now:
                del self.deadlines[protocol]
                self.log("time", protocol)
                protocol.transport.abort()
        self._sweeping = bool(self.deadlines)
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


class LimitedProtocol(DrainingProtocol):
    """uvicorn's HTTP protocol with `HeadLimits` and a graceful shutdown.

    For ``uvicorn --http churnkit.server.http.head_limits:LimitedProtocol``; `BentoMount` installs
    it under BentoML.
    """

    limits: ClassVar[HeadLimits] = HeadLimits()
    metrics: ClassVar[Metrics | None] = None
    _registry: ClassVar[_Registry] = _Registry()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; close it at once above the limit of its client."""
        super().connection_made(transport)
        self._progressed = True
        self._stalled_bytes = 0
        self._piece_bytes = 0
        self._in_head = True
        self._is_too_large = False
        self._address = self.client[0] if self.client else ""
        # uvicorn formats a line for each request, also where the logger drops it.
        self.access_log: bool = self.access_log and self.access_logger.isEnabledFor(logging.INFO)
        registry, limits = self._registry, self.limits
        registry.connections[self._address] += 1
        if 0 < limits.max_connections < registry.connections[self._address]:
            registry.log("number", self)
            transport.abort()
            return
        registry.wait_for_head(self, limits.seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        registry = self._registry
        registry.deadlines.pop(self, None)
        registry.connections[self._address] -= 1
        if registry.connections[self._address] <= 0:
            del registry.connections[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; refuse heads, chunk headers and trailers without an end."""
        self._progressed = False
        self._piece_bytes = len(data)
        super().data_received(data)
        if self._progressed or self._lingering:
            self._stalled_bytes = 0
            return
        self._stalled_bytes += len(data)
        if self._stalled_bytes > self.limits.max_bytes and not self.transport.is_closing():
            self._is_too_large = True
            self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Refuse a request and close the connection."""
        self._responses.flush()
        if not self._is_too_large:
            self._registry.log("invalid", self)
            super().send_400_response(msg)
            return
        self._registry.log("size", self)
        cycle = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Start the time of a head."""
        super().on_message_begin()
        self._in_head = True
        self._registry.wait_for_head(self, self.limits.seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field; drop those of a trailer."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, and start the request."""
        self._progressed = True
        self._in_head = False
        self._registry.deadlines.pop(self, None)
        headers, limits = self.headers, self.limits
        if len(headers) > limits.max_headers or (
            # A small piece holds no large head: the sum is seldom needed.
            self._stalled_bytes + self._piece_bytes > limits.max_bytes
            and sum([len(name) + len(value) + 4 for name, value in headers]) + len(self.url)
            > limits.max_bytes
        ):
            self._is_too_large = True
            raise _HeadTooLarge
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of a body."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._progressed = True
        super().on_message_complete()


def _is_logged(record: logging.LogRecord) -> bool:
    """Return False for uvicorn's line per invalid request, which would fill a disk.

    They are counted, and logged a few times a minute.
    """
    return record.msg != _UVICORN_INVALID


def install_limits(settings: Settings, metrics: Metrics | None = None) -> None:
    """Let uvicorn servers of this process use `LimitedProtocol`, as BentoML starts them.

    Parameters
    ----------
    settings
        Its limits of heads and connections are used, and its time to drain.
    metrics
        Counts the connections that the limits close; None for no counts.
    """
    LimitedProtocol.limits = HeadLimits(
        settings.max_head_bytes,
        settings.max_headers,
        settings.head_seconds,
        settings.max_connections,
    )
    LimitedProtocol.metrics = metrics
    LimitedProtocol.drain_seconds = settings.drain_seconds
    logging.getLogger("uvicorn.error").addFilter(_is_logged)
    protocols: dict[Any, str] = uvicorn.config.HTTP_PROTOCOLS
    protocols["auto"] = f"{__name__}:{LimitedProtocol.__name__}"

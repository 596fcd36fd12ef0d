"""Graceful end of kept-alive connections while the server stops.

uvicorn closes idle connections at once on SIGTERM: a request that is on its way is then answered
by a reset, and so is a client that still sends when the last reply goes out. `DrainingProtocol`
gives idle connections some time for one more request, announces the end with ``connection: close``
(RFC 9112, section 9.6), and closes its direction first, reading until the client has closed too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from churnkit.server.http.response_transport import ResponseTransport

if TYPE_CHECKING:
    import asyncio

__all__ = ["DrainingProtocol"]

# Time for a client to read the last reply and close.
_LINGER_SECONDS: Final = 1.0


class DrainingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a graceful shutdown of kept-alive connections.

    The server bounds the whole shutdown by its ``timeout_graceful_shutdown``.
    """

    drain_seconds: ClassVar[float] = 1.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection."""
        super().connection_made(transport)
        self._draining = False
        self._lingering = False
        self._last_cycle: Any = None
        self._responses = ResponseTransport(transport, self.loop)

    def data_received(self, data: bytes) -> None:
        """Parse data; drop what arrives after the last reply."""
        if not self._lingering:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Start a request; while the server stops, it is the last of its connection."""
        super().on_headers_complete()
        # An upgrade to a websocket starts no request.
        if self.cycle is not None:
            self.cycle.transport = self._responses  # type: ignore[assignment]  # what it uses
            if self._draining:
                self._announce_end()

    def shutdown(self) -> None:
        """Let the connection end after its current or next request, or after some idle time."""
        self._draining = True
        if self._is_idle():
            self.loop.call_later(self.drain_seconds, self._end_idle)
        else:
            self._announce_end()

    def linger(self) -> None:
        """Close the direction to the client, and read on until it closes or its time is over."""
        if self._lingering or self.transport.is_closing():
            return
        self._lingering = True
        self.pipeline.clear()
        self._responses.flush()
        if not self.transport.can_write_eof():  # TLS
            self.transport.close()
            return
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _end_idle(self) -> None:
        if self._is_idle():
            self.linger()

    def _announce_end(self) -> None:
        """Make the newest request the last one; pipelined ones before it are answered too."""
        earlier, newest = self._last_cycle, self.cycle
        if earlier is not None and earlier is not newest and not earlier.response_started:
            earlier.keep_alive = True
        newest.keep_alive = False
        self._responses.on_close = self.linger
        self._last_cycle = newest

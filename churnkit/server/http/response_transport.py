"""A connection's transport for replies, which sends the head and the body of a reply at once.

uvicorn writes them one after the other. Each write is a system call that wakes the client, who
can do nothing with a head alone: the second call took longer than the prediction in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["ResponseTransport"]

# Larger parts are sent as they are: copying them would take longer than a second call.
_JOINED_BYTES: Final = 65_536


class ResponseTransport:
    """The transport that uvicorn's request cycles write replies to.

    The first part is kept until the second one, at most until the loop's next iteration: a reply
    that is streamed slowly is not delayed.

    Parameters
    ----------
    transport
        Of the connection.
    loop
        The event loop that the connection belongs to.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept = b""
        self._flush: asyncio.Handle | None = None
        # Closes the connection in place of the transport, if not None.
        self.on_close: Callable[[], None] | None = None

    def write(self, content: bytes) -> None:
        """Write a part of a reply, with the part before it if that was kept."""
        if self._flush is None:
            self._kept = content
            self._flush = self._loop.call_soon(self.flush)
        elif len(content) > _JOINED_BYTES:
            self.flush()
            self._transport.write(content)
        else:
            self._kept += content
            self.flush()

    def flush(self) -> None:
        """Send what was kept, if anything."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
            kept, self._kept = self._kept, b""
            self._transport.write(kept)

    def is_closing(self) -> bool:
        """Return whether the connection is closing or closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what was kept and close the connection."""
        self.flush()
        if self.on_close is None:
            self._transport.close()
        else:
            self.on_close()

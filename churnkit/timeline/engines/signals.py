"""End a running query on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["stop_on_signal"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REPEAT_SECONDS = 0.2
# While the interpreter ends, threads no longer run and would be waited for without end.
_JOIN_SECONDS = 5.0


@contextmanager
def stop_on_signal(interrupt: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM interrupt a query, so that the block is left and can clean up.

    Python runs signal handlers only after a call of C code returns, which for a query may take
    minutes, and some engines replace the exception of a handler by one of their own. A thread
    interrupts the query at once, and the exception of the handler is raised where the block ends:
    raised by the handler itself, it could interrupt the cleaning up. A second signal does not wait.
    Outside the main thread, which alone receives signals, this does nothing.

    Parameters
    ----------
    interrupt
        Function that makes the running query fail.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised: list[BaseException] = []
    current = {number: signal.getsignal(number) for number in _SIGNALS}
    handlers = {n: handler for n, handler in current.items() if handler is not signal.SIG_IGN}
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, interrupt), daemon=True)
    watcher.start()
    previous_writer = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number, handler in handlers.items():
        signal.signal(number, partial(_record, handler, raised))
    try:
        yield
    except Exception:
        if raised:
            raise raised[0] from None
        raise
    else:
        if raised:
            raise raised[0]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(previous_writer)
        writer.close()
        watcher.join(_JOIN_SECONDS)
        reader.close()


def _record(handler: Any, raised: list[BaseException], number: int, frame: Any) -> None:
    """Call the earlier handler of a signal and keep its exception; raise that of a second signal."""
    try:
        if callable(handler):
            handler(number, frame)
        else:
            sys.exit(128 + number)
    except BaseException as error:
        raised.append(error)
        if len(raised) > 1:
            raise


def _watch(reader: socket.socket, interrupt: Callable[[], None]) -> None:
    """Interrupt the query from the first signal on, until the other end is closed.

    An interruption between two queries, or before one executes, is lost: it is repeated.
    """
    while True:
        try:
            received = reader.recv(64)
        except TimeoutError:
            interrupt()
            continue
        if not received:
            return
        if any(number in received for number in _SIGNALS):
            interrupt()
            reader.settimeout(_REPEAT_SECONDS)

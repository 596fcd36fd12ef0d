"""End a running query on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["stop_on_signal"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REPEAT_SECONDS = 0.2


@contextmanager
def stop_on_signal(interrupt: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM interrupt a query, so that the block is left and can clean up.

    Python runs signal handlers only after a call of C code returns, which for a query may take
    minutes, and some engines replace the exception of a handler by one of their own. A thread
    interrupts the query at once, and the exception of the handler is raised. Outside the main
    thread, which alone receives signals, this does nothing.

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

    def handle(number: int, frame: Any) -> None:
        handler = handlers[signal.Signals(number)]
        try:
            if callable(handler):
                handler(number, frame)
            else:
                sys.exit(128 + number)
        except BaseException as error:
            raised.append(error)
            raise

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, interrupt), daemon=True)
    watcher.start()
    previous_writer = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in handlers:
        signal.signal(number, handle)
    try:
        yield
    except Exception:
        if raised:
            raise raised[-1] from None
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(previous_writer)
        writer.close()
        watcher.join()
        reader.close()


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

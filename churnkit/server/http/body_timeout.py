"""How long a client may take to send its body: one sweep for all, instead of a timer for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task

__all__ = ["BodyTimeout"]

_SWEEP_SECONDS = 0.25


class BodyTimeout:
    """Cancels requests whose body does not come.

    A timer for each request would cost as much as decoding it; here a request that is read at
    once costs an entry in a dictionary.

    Parameters
    ----------
    seconds
        From the request's head to the end of its body, to within a quarter of a second.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: dict[Task[Any], float] = {}
        self._overdue: set[Task[Any]] = set()
        self._sweeping = False

    def begin(self) -> Task[Any]:
        """Start to wait for the body of the request that the current task answers."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a body is read in a task")
        loop = task.get_loop()
        self._waiting[task] = loop.time() + self.seconds
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return task

    def end(self, task: Task[Any]) -> None:
        """Stop waiting: the body is there, or will never be."""
        self._waiting.pop(task, None)

    def is_over(self, task: Task[Any]) -> bool:
        """Tell, and forget, whether it was this that cancelled a task."""
        if task in self._overdue:
            self._overdue.discard(task)
            task.uncancel()
            return True
        return False

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, until in list(self._waiting.items()):
            if until < now:
                self.end(task)
                self._overdue.add(task)
                task.cancel()
        self._sweeping = bool(self._waiting)
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

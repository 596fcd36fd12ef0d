"""Background tasks of the service: restarted when they fail, and reported while they do."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from churnkit.core.user_code_errors import error_location

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from churnkit.server.observability.metrics import Metrics

__all__ = ["Supervisor"]

_LOG = logging.getLogger("churnkit.server")
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
# A task that has run so long after a failure counts as healthy again.
_HEALTHY_SECONDS: Final = 10.0


class Supervisor:
    """Runs background tasks until `stop`, and restarts those that fail.

    Parameters
    ----------
    metrics
        Counts failures, and shows which tasks run.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a task that runs forever.

        Parameters
        ----------
        name
            Label in the log and in the metrics.
        work
            Called for each start.
        """
        self._metrics.count("churnkit_task_failures", name, by=0)
        self._metrics.show("churnkit_task_running", name, value=1.0)
        self._tasks[name] = asyncio.create_task(self._run(name, work))

    @property
    def failing(self) -> list[str]:
        """Names of the tasks that do not run."""
        ended = {name for name, task in self._tasks.items() if task.done()}
        return sorted(self._failing | ended)

    async def stop(self) -> None:
        """Stop all tasks."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self._failing.clear()

    async def _run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            start = loop.time()
            recovery = loop.call_later(_HEALTHY_SECONDS, self._recover, name)
            try:
                await work()
                _LOG.error("the task '%s' ended, and is restarted", name)
            except Exception as error:  # noqa: BLE001 - its text may quote a customer
                _LOG.error(
                    "the task '%s' failed with %s, at %s, and is restarted",
                    *(name, type(error).__name__, error_location(error)),
                )
            finally:
                recovery.cancel()
            self._failing.add(name)
            self._metrics.count("churnkit_task_failures", name)
            self._metrics.show("churnkit_task_running", name, value=0.0)
            if loop.time() - start > _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, _LONGEST_PAUSE_SECONDS)

    def _recover(self, name: str) -> None:
        self._failing.discard(name)
        self._metrics.show("churnkit_task_running", name, value=1.0)

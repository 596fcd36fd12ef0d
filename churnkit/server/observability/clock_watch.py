"""Log and count jumps of the system clock: decisions and contact limits use its time."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from churnkit.server.observability.metrics import Metrics

__all__ = ["watch_clock"]

_LOG = logging.getLogger("churnkit.server")
_LOOK_SECONDS: Final = 1.0
_MIN_JUMP_SECONDS: Final = 2.0


async def watch_clock(metrics: Metrics) -> None:
    """Compare the system clock with one that only goes forward, once a second until cancelled."""
    metrics.count("churnkit_clock_jumps", by=0)
    offset = time.time() - time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        earlier, offset = offset, time.time() - time.monotonic()
        seconds = offset - earlier
        if abs(seconds) >= _MIN_JUMP_SECONDS:
            metrics.count("churnkit_clock_jumps")
            _LOG.warning(
                "the system clock jumped by %+.0f s: times of decisions and contact limits follow it",
                seconds,
            )

"""Jumps of the system clock are counted and logged; its normal course is not."""

import asyncio
import time

import pytest

from churnkit.server.observability import clock_watch
from churnkit.server.observability.metrics import Metrics


@pytest.mark.parametrize(("seconds", "jumps"), [(3_600.0, 1), (-86_400.0, 1), (0.5, 0), (0.0, 0)])
def test_a_jump_is_counted_once_and_logged(monkeypatch, caplog, seconds, jumps):
    offset = 0.0

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time():
            return time.monotonic() + 1e9 + offset

    monkeypatch.setattr(clock_watch, "time", Clock)
    monkeypatch.setattr(clock_watch, "_LOOK_SECONDS", 0.01)
    metrics = Metrics()

    async def run():
        nonlocal offset
        task = asyncio.create_task(clock_watch.watch_clock(metrics))
        await asyncio.sleep(0.05)
        offset = seconds
        await asyncio.sleep(0.1)
        task.cancel()

    asyncio.run(run())
    assert f"churnkit_clock_jumps_total {float(jumps)}" in metrics.exposition().decode()
    logged = [line for line in caplog.messages if "the system clock jumped" in line]
    assert len(logged) == jumps

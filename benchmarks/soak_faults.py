"""Faults of the soak test: of the journal, the disk, the clock, and of clients."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from benchmarks.soak_machine import Clock, Database, Disk
    from churnkit.server import Server

    Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]

__all__ = ["Machine", "cause_faults"]

_SLOW_CLIENTS: Final = 30
_FLOOD: Final = 300
_FLOOD_SECONDS: Final = 3.0
# Minutes, days and years, back and ahead.
_JUMPS: Final = (-90, 3_600, -86_400, 172_800, -31_536_000, 315_360_000)
_HEAD: Final = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@dataclass(frozen=True)
class Machine:
    """What faults are caused to; a part that is None has none."""

    database: Database
    disk: Disk | None = None
    clock: Clock | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the faults."""
        return (
            *("locked journal", "stopped journal", "slow clients", "flood", "garbage"),
            *(() if self.disk is None else ("full disk",)),
            *(() if self.clock is None else ("clock jump",)),
        )


async def cause_faults(
    server: Server, machine: Machine, seen: Counter[str], seconds: float, until: float
) -> None:
    """Cause one fault after the other, with `seconds` between two of them.

    Parameters
    ----------
    server
        The service.
    machine
        Database, disk and clock.
    seen
        Counts the faults by name.
    seconds, until
        Time between two faults; time of `time.monotonic` at which to stop.
    """
    generator = random.Random(11)  # noqa: S311 - load, not secrets
    faults: list[str] = []
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        if not faults:
            # Each once before one comes again.
            faults = generator.sample(machine.faults, len(machine.faults))
        fault = faults.pop()
        seen[fault] += 1
        with contextlib.suppress(OSError):
            await _cause(fault, server, machine, generator)


async def _cause(fault: str, server: Server, machine: Machine, generator: random.Random) -> None:
    seconds = generator.uniform(0.5, 5.0)
    if fault == "locked journal":
        await asyncio.to_thread(_hold, machine.database.locked(), seconds)
    elif fault == "stopped journal":
        await asyncio.to_thread(_hold, machine.database.stopped(), seconds)
    elif fault == "full disk" and machine.disk is not None:
        await asyncio.to_thread(_hold, machine.disk.full(), 2.0 + seconds)
    elif fault == "clock jump" and machine.clock is not None:
        machine.clock.jump(generator.choice(_JUMPS))
        await asyncio.sleep(2.0 + seconds)
        machine.clock.jump(0.0)
    elif fault == "slow clients":
        await _together(server, [_slow] * _SLOW_CLIENTS)
    elif fault == "flood":
        await _together(server, [_request] * _FLOOD)
    else:
        await _together(server, [_garbage] * _SLOW_CLIENTS)


def _hold(state: contextlib.AbstractContextManager[None], seconds: float) -> None:
    with state:
        time.sleep(seconds)


async def _together(server: Server, clients: list[Client]) -> None:
    await asyncio.gather(
        *(_connect(server, client, number) for number, client in enumerate(clients)),
        return_exceptions=True,
    )


async def _connect(server: Server, client: Client, number: int) -> None:
    reader, writer = await asyncio.wait_for(
        asyncio.open_connection(server.host, server.port), timeout=10.0
    )
    try:
        await asyncio.wait_for(client(reader, writer, number), timeout=15.0)
    finally:
        writer.close()


async def _slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """Send a part of a head or of a body, and wait to be closed or refused."""
    writer.write(_HEAD if number % 2 else _HEAD + b"content-length: 500\r\n\r\n{")
    await reader.read()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Send a request once all connections of the flood are open."""
    await asyncio.sleep(_FLOOD_SECONDS)
    writer.write(_HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\n{}")
    await reader.read()


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    generator = random.Random(number)  # noqa: S311 - load, not secrets
    head = (b"", _HEAD, _HEAD + b"transfer-encoding: chunked\r\n\r\n", b"GET " + b"/" * 40_000)
    writer.write(head[number % 4] + generator.randbytes(5_000))
    await reader.read(100)

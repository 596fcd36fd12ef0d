"""Faults of the soak test: a locked journal, slow clients, floods and garbage."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from churnkit.server import Server

    Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]

__all__ = ["cause_faults"]

_SLOW_CLIENTS: Final = 30
_FLOOD: Final = 300
_HEAD: Final = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


async def cause_faults(
    server: Server, journal: Path, seen: Counter[str], seconds: float, until: float
) -> None:
    """Cause one fault after the other, with `seconds` between two of them.

    Parameters
    ----------
    server
        The service.
    journal
        Its SQLite file.
    seen
        Counts the faults by name.
    seconds, until
        Time between two faults; time of `time.monotonic` at which to stop.
    """
    generator = random.Random(11)  # noqa: S311 - load, not secrets
    while time.monotonic() + seconds < until:
        await asyncio.sleep(seconds)
        fault = generator.choice(("locked journal", "slow clients", "flood", "garbage"))
        seen[fault] += 1
        with contextlib.suppress(OSError):
            if fault == "locked journal":
                await _lock(journal, generator.uniform(0.5, 5.0))
            elif fault == "slow clients":
                await _together(server, [_slow] * _SLOW_CLIENTS)
            elif fault == "flood":
                await _together(server, [_request] * _FLOOD)
            else:
                await _together(server, [_garbage] * _SLOW_CLIENTS)


async def _lock(journal: Path, seconds: float) -> None:
    """Keep all others from the journal, as a backup or a database that is away does."""
    connection = sqlite3.connect(journal, isolation_level=None, timeout=5.0)
    with contextlib.closing(connection), contextlib.suppress(sqlite3.OperationalError):
        connection.execute("BEGIN EXCLUSIVE")
        await asyncio.sleep(seconds)
        connection.execute("ROLLBACK")


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
    writer.write(_HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\n{}")
    await reader.read()


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    generator = random.Random(number)  # noqa: S311 - load, not secrets
    head = (b"", _HEAD, _HEAD + b"transfer-encoding: chunked\r\n\r\n", b"GET " + b"/" * 40_000)
    writer.write(head[number % 4] + generator.randbytes(5_000))
    await reader.read(100)

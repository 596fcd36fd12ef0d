"""Heads and connections are bounded before any key is read."""

import asyncio
import contextlib
import logging
import time
from typing import Any

import pytest
import uvicorn
from tornado.ioloop import IOLoop
from uvicorn.server import ServerState

from churnkit.server import BentoMount, create_app
from churnkit.server.http.head_limits import HeadLimits, LimitedProtocol, _is_logged
from churnkit.server.observability.metrics import Metrics

GET = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n"
POST = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture
def connect(model, monkeypatch):
    """Run a coroutine with a function that opens connections to a server in this process."""
    monkeypatch.setattr("churnkit.server.http.head_limits._SWEEP_SECONDS", 0.02)
    app = create_app(model, body_seconds=1.0)

    def connect(work, **limits):
        monkeypatch.setattr(LimitedProtocol, "limits", HeadLimits(**limits))
        monkeypatch.setattr(LimitedProtocol, "_registry", type(LimitedProtocol._registry)())
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=5)
        config.load()

        async def run():
            state = ServerState()
            server = await asyncio.get_running_loop().create_server(
                lambda: LimitedProtocol(config, state, {}), "127.0.0.1", 0
            )
            port = server.sockets[0].getsockname()[1]
            opened = []

            async def connection():
                opened.append(await asyncio.open_connection("127.0.0.1", port))
                return opened[-1]

            try:
                return await work(connection)
            finally:
                for _, writer in opened:
                    writer.close()
                server.close()
                await asyncio.sleep(0.05)

        return asyncio.run(run())

    return connect


async def answer(reader, seconds=3.0):
    """Return the status of the answer; 0 if the connection is closed without one."""
    with contextlib.suppress(ConnectionError):
        line = await asyncio.wait_for(reader.readline(), seconds)
        return int(line.split()[1]) if line else 0
    return 0


@pytest.mark.parametrize(
    ("start", "part", "parts"),
    [
        (GET + b"x: ", b"a" * 8_000, 40),  # one endless header
        (GET, b"a: b\r\n" * 50, 100),  # very many short ones
        (b"GET /", b"a" * 8_000, 40),  # an endless path
        (b"G" * 9, b"\r\n" * 4_000, 9),  # no request at all
        (POST + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nx: ", b"a" * 8_000, 40),
        (POST + b"transfer-encoding: chunked\r\n\r\n1;", b"a" * 8_000, 40),
    ],
)
def test_a_head_without_an_end_is_refused_and_others_are_answered(connect, start, part, parts):
    async def work(connection):
        reader, writer = await connection()
        writer.write(start)
        longest = 0.0
        with contextlib.suppress(ConnectionError):
            for _ in range(parts):
                writer.write(part)
                await writer.drain()
                begin = time.perf_counter()
                other, asking = await connection()
                asking.write(GET + b"connection: close\r\n\r\n")
                assert await answer(other) == 200
                longest = max(longest, time.perf_counter() - begin)
        return await answer(reader), longest

    status, longest = connect(work)
    assert status in {0, 400, 431}
    assert longest < 1.0


@pytest.mark.parametrize("headers", [b"a: b\r\n" * 200, b"a: " + b"b" * 30_000 + b"\r\n"])
def test_a_large_head_in_one_piece_is_refused(connect, headers):
    async def work(connection):
        reader, writer = await connection()
        writer.write(GET + headers + b"\r\n")
        return await answer(reader)

    assert connect(work) == 431


def test_unfinished_heads_are_closed_after_their_time(connect):
    async def work(connection):
        opened = [await connection() for _ in range(20)]
        for _, writer in opened[:10]:
            writer.write(GET + b"x: y")
        # A second request on a connection that was answered.
        for reader, writer in opened[10:15]:
            writer.write(GET + b"\r\n")
            assert await answer(reader) == 200
            writer.write(b"GET")
        begin = time.perf_counter()
        for reader, _ in opened:
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 3.0)
        assert LimitedProtocol._registry.deadlines == {}
        return time.perf_counter() - begin

    assert connect(work, seconds=0.2) < 2.0


def test_a_client_has_a_limited_number_of_connections(connect):
    async def work(connection):
        opened = [await connection() for _ in range(8)]
        statuses = []
        for reader, writer in opened:
            with contextlib.suppress(ConnectionError):
                writer.write(GET + b"\r\n")
            statuses.append(await answer(reader))
        for _, writer in opened:
            writer.close()
        await asyncio.sleep(0.1)
        reader, writer = await connection()
        writer.write(GET + b"\r\n")
        return statuses, await answer(reader)

    statuses, later = connect(work, max_connections=5)
    assert sorted(statuses) == [0, 0, 0, 200, 200, 200, 200, 200]
    assert later == 200


def test_ordinary_requests_pass_in_pieces_pipelined_and_chunked(connect, member):
    import json

    body = json.dumps({"customers": [member(1)]}).encode()
    chunked = b"%x\r\n%s\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(body), body)
    request = POST + b"transfer-encoding: chunked\r\n\r\n" + chunked

    async def work(connection):
        reader, writer = await connection()
        for position in range(0, len(request), 7):
            writer.write(request[position : position + 7])
            await asyncio.sleep(0)
        first = await answer(reader)
        other, asking = await connection()
        asking.write((GET + b"\r\n") * 5)
        asking.write(GET + b"connection: close\r\n\r\n")
        text = await asyncio.wait_for(other.read(), 3.0)
        return first, text.count(b"HTTP/1.1 200")

    assert connect(work) == (200, 6)


@pytest.mark.parametrize(
    ("request_line", "host", "status"),
    [
        (b"POST /nothing", b"localhost", 404),
        (b"POST /v1/predict", b"elsewhere.example", 403),
        (b"PUT /v1/predict", b"localhost", 405),
        (b"GET /livez", b"localhost", 200),
    ],
)
def test_a_body_that_nobody_reads_ends_the_connection(connect, request_line, host, status):
    async def work(connection):
        reader, writer = await connection()
        writer.write(request_line + b" HTTP/1.1\r\nhost: " + host)
        writer.write(b"\r\ntransfer-encoding: chunked\r\n\r\n")
        answered = await answer(reader)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 50_000_000:
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()
                sent += 0x10000
        return answered, sent

    answered, sent = connect(work)
    assert answered == status
    assert sent < 50_000_000


def test_bentoml_s_server_uses_the_limits(model, monkeypatch):
    monkeypatch.setattr(LimitedProtocol, "limits", HeadLimits())
    monkeypatch.setattr("uvicorn.config.HTTP_PROTOCOLS", dict(uvicorn.config.HTTP_PROTOCOLS))
    BentoMount(create_app(model, max_headers=7))
    config = uvicorn.Config(lambda: None)
    config.load()
    assert config.http_protocol_class is LimitedProtocol
    assert LimitedProtocol.limits.max_headers == 7


def test_the_supervisor_keeps_its_pace_when_the_system_clock_jumps(model, monkeypatch):
    BentoMount(create_app(model))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    loop: Any = None
    clock = IOLoop.time(loop)
    assert abs(clock - time.monotonic()) < 60.0


def test_closed_connections_are_counted_by_reason_and_logged_a_few_times(
    connect, monkeypatch, caplog
):
    metrics = Metrics()
    monkeypatch.setattr(LimitedProtocol, "metrics", metrics)
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "filters", [_is_logged])

    async def work(connection):
        for head in [b"\x00\xff garbage\r\n\r\n"] * 5 + [GET + b"x: " + b"y" * 20_000]:
            reader, writer = await connection()
            writer.write(head)
            assert await answer(reader) in {400, 431}

    with caplog.at_level("WARNING"):
        connect(work)
    counted = metrics.exposition().decode()
    assert 'churnkit_connections_closed_total{reason="invalid"} 5.0' in counted
    assert 'churnkit_connections_closed_total{reason="size"} 1.0' in counted
    assert sum("connections are closed" in line for line in caplog.messages) == 1
    assert not any("Invalid HTTP request" in line for line in caplog.messages)

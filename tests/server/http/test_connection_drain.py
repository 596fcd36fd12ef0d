"""A server that stops answers kept-alive clients, announces the end, and resets no connection."""

import asyncio
import json
import signal
import socket
import threading
import time

import psutil  # type: ignore[import-untyped]
import pytest
import uvicorn
from uvicorn.server import ServerState

from churnkit.journal import Journal
from churnkit.server import create_app, serve
from churnkit.server.http.head_limits import LimitedProtocol

GET = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def stopping(model, monkeypatch):
    """Run a coroutine with a connection to a server in this process, and a way to stop it."""
    monkeypatch.setattr(LimitedProtocol, "drain_seconds", 0.3)
    monkeypatch.setattr(LimitedProtocol, "_registry", type(LimitedProtocol._registry)())
    config = uvicorn.Config(create_app(model), lifespan="off", log_config=None)
    config.load()

    def stopping(work):
        async def run():
            state = ServerState()
            server = await asyncio.get_running_loop().create_server(
                lambda: LimitedProtocol(config, state, {}), "127.0.0.1", 0
            )
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

            def stop():
                for connection in list(state.connections):
                    connection.shutdown()

            try:
                result = await work(reader, writer, stop)
                writer.close()
                await asyncio.sleep(0.05)
                assert not state.connections
                return result
            finally:
                server.close()

        return asyncio.run(run())

    return stopping


async def reply(reader):
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3.0)
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return head


def test_a_request_after_the_stop_is_answered_and_is_the_last(stopping):
    async def work(reader, writer, stop):
        writer.write(GET)
        before = await reply(reader)
        stop()
        await asyncio.sleep(0.05)
        writer.write(GET)
        last = await reply(reader)
        # What the client still sends is read and dropped: it causes no reset.
        writer.write(GET * 2_000)
        return before, last, await asyncio.wait_for(reader.read(), 3.0)

    before, last, rest = stopping(work)
    assert b"connection: close" not in before
    assert last.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in last
    assert rest == b""


def test_an_idle_connection_is_closed_in_order_after_its_time(stopping):
    async def work(reader, writer, stop):
        writer.write(GET)
        await reply(reader)
        stop()
        rest = await asyncio.wait_for(reader.read(), 3.0)
        writer.write(GET)
        await writer.drain()
        return rest + await asyncio.wait_for(reader.read(), 3.0)

    assert stopping(work) == b""


def test_pipelined_requests_before_the_stop_are_all_answered(stopping):
    async def work(reader, writer, stop):
        writer.write(GET * 5)
        await reply(reader)
        stop()
        return await asyncio.wait_for(reader.read(), 3.0)

    text = stopping(work)
    assert text.count(b"HTTP/1.1 200") in {4, 5}
    assert text.count(b"connection: close") <= 1


class KeptAlive(threading.Thread):
    """A client that sends over one connection until the service says that it closes it."""

    def __init__(self, service, request):
        super().__init__(daemon=True)
        self.connection = socket.create_connection((service.host, service.port), timeout=20)
        self.request = request
        self.statuses = []
        self.ids = []
        self.is_announced = False
        self.error = None

    def run(self):
        try:
            with self.connection as connection, connection.makefile("rb") as stream:
                while not self.is_announced:
                    connection.sendall(self.request)
                    self.read(stream)
                    time.sleep(0.02)
                assert stream.read() == b""
        except (OSError, ValueError, IndexError, AssertionError) as error:
            self.error = error

    def read(self, stream):
        status = int(stream.readline().split()[1])
        headers = dict(
            line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n")
        )
        body = json.loads(stream.read(int(headers["content-length"])))
        self.statuses.append(status)
        self.ids += [row["prediction_id"] for row in body["predictions"]]
        self.is_announced = headers.get("connection") == "close"


@pytest.mark.server
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_loses_no_request_of_kept_alive_clients_and_no_decision(
    packed, member, tmp_path, url, workers
):
    settings = {
        "CHURNKIT_JOURNAL": url,
        "CHURNKIT_SPOOL": str(tmp_path / "spool"),
        "CHURNKIT_WORKERS": str(workers),
        "CHURNKIT_RATE": "100000",
        "CHURNKIT_BURST": "100000",
    }
    with serve(packed, timeout_seconds=120, settings=settings) as service:
        clients = [KeptAlive(service, request(member(i, decide=True))) for i in range(8)]
        supervisor = psutil.Process(service.process.pid)
        processes = supervisor.children(recursive=True)
        for client in clients:
            client.start()
        time.sleep(1.0)
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(30)
        for client in clients:
            client.join(30)
        _, left = psutil.wait_procs(processes, timeout=10)
    assert [client.error for client in clients] == [None] * 8
    assert all(client.is_announced for client in clients)
    assert {status for client in clients for status in client.statuses} == {200}
    assert not left
    with Journal.open(url) as journal:
        kept = journal.decisions()["key"].to_pylist()
    answered = [key for client in clients for key in client.ids]
    assert len(answered) > 8
    assert sorted(kept) == sorted(answered)


def request(row):
    body = json.dumps({"customers": [row]}).encode()
    return (
        b"POST /v1/recommend HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )

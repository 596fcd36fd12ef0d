"""A reply leaves in one write; parts of a slow one are not kept back; order and bytes stay."""

import asyncio

import uvicorn
from uvicorn.server import ServerState

from churnkit.server import create_app
from churnkit.server.http.head_limits import LimitedProtocol
from churnkit.server.http.response_transport import ResponseTransport

REQUEST = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


class RecordedTransport(asyncio.Transport):
    """The transport of a connection, which keeps the parts that were written to it."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = []
        self.closed = False

    def write(self, data):
        assert not self.closed
        self.written.append(bytes(data))

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        """Do nothing: the test sends everything at once."""

    resume_reading = pause_reading


def on_loop(work):
    """Run a function with a reply's transport and the connection's, on an event loop."""

    async def run():
        connection = RecordedTransport()
        await work(ResponseTransport(connection, asyncio.get_running_loop()), connection)
        return connection

    return asyncio.run(run())


def answers(app, requests):
    """Return what a connection to `app` gets for `requests`, write by write."""

    async def run():
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        connection, protocol = RecordedTransport(), LimitedProtocol(config, ServerState(), {})
        protocol.connection_made(connection)
        protocol.data_received(requests)
        for _ in range(50):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return connection.written

    return asyncio.run(run())


def test_head_and_body_leave_in_one_write(model):
    written = answers(create_app(model), REQUEST)
    assert len(written) == 1
    head, _, body = written[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"content-length: %d" % len(body) in head


def test_replies_of_pipelined_requests_keep_their_order(model):
    written = answers(create_app(model), REQUEST + REQUEST.replace(b"livez", b"nothing") + REQUEST)
    assert [part[9:12] for part in written] == [b"200", b"404", b"200"]


def test_head_request_gets_its_head(model):
    [written] = answers(create_app(model), REQUEST.replace(b"GET", b"HEAD"))
    assert written.endswith(b"\r\n\r\n")


async def stream(scope, receive, send):
    """Send a body in three parts, and wait after each."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for letter in (b"a", b"b", b"c"):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": letter, "more_body": letter != b"c"})


def test_parts_of_a_slow_reply_leave_when_they_come():
    written = answers(stream, REQUEST)
    assert len(written) == 4
    assert b"".join(written).endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")


def test_large_part_is_sent_as_it_is():
    async def work(replies, connection):
        replies.write(b"head")
        replies.write(b"x" * 100_000)
        replies.write(b"rest")

    connection = on_loop(work)
    assert [len(part) for part in connection.written] == [4, 100_000, 4]


def test_close_sends_what_was_kept():
    async def work(replies, connection):
        replies.write(b"head")
        assert connection.written == []
        replies.close()
        assert replies.is_closing()

    connection = on_loop(work)
    assert connection.written == [b"head"]
    assert connection.closed


def test_close_of_the_last_reply_is_left_to_the_protocol():
    called = []

    async def work(replies, connection):
        replies.on_close = lambda: called.append(True)
        replies.write(b"head")
        replies.close()

    connection = on_loop(work)
    assert called == [True]
    assert connection.written == [b"head"]
    assert not connection.closed

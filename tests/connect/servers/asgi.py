"""Drive an ASGI application in the process, and serve it on loopback without other packages."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from churnkit.connect.http.transport import Request, Response, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator


def call(app: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
    """Run one request; raise `TransportError` if the body is shorter than its length."""
    parts = urlsplit(target)
    scope = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    run = app(scope, receive, send)
    try:
        run.send(None)
    except StopIteration:
        pass
    else:
        raise AssertionError("the application waits")
    start, *rest = sent
    received = {name.decode(): value.decode() for name, value in start["headers"]}
    content = b"".join(message.get("body", b"") for message in rest)
    if len(content) < int(received.get("content-length", "0")):
        raise TransportError("truncated")
    return Response(start["status"], received, content)


class AsgiTransport:
    """A transport that calls the application; each request takes 20 ms of the clock."""

    def __init__(self, app: Any, clock: Any) -> None:
        self._app, self._clock = app, clock

    def send(self, request: Request) -> Response:
        self._clock.sleep(0.02)
        headers = dict(request.headers)
        return call(self._app, request.method, request.target, headers, request.body or b"")


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application on loopback; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(length)
            try:
                response = call(app, self.command, self.path, dict(self.headers.items()), body)
            except TransportError:
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{")
                return
            self.send_response_only(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that was killed is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Receivers of messages: webhooks, Slack, and an SMTP server."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from typing import Any

from churnkit.connect import verify_webhook
from tests.connect.servers.faults import ProviderServer, Refused


class WebhookServer(ProviderServer):
    """Keeps webhooks by id; refuses wrong signatures."""

    def __init__(self, clock: Any, secret: str, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.secret = secret
        self.events: dict[str, Any] = {}
        self.arrivals = 0

    def authorize(self, headers: dict[str, str]) -> None:
        """Webhooks are checked with their bodies."""

    def handle(self, method, path, query, headers, body):
        key = verify_webhook((self.secret,), headers, body, now=self.clock.now())
        self.arrivals += 1
        self.events[key] = json.loads(body)
        return {}


class SlackServer(ProviderServer):
    """Keeps the texts of messages."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.texts: list[str] = []

    def authorize(self, headers: dict[str, str]) -> None:
        """The path is the secret."""

    def handle(self, method, path, query, headers, body):
        if path != f"/services/{self.token}":
            raise Refused(404, {"error": "no_service"})
        self.texts.append(json.loads(body)["text"])
        return b"ok"


@contextmanager
def smtp_server():
    """Serve SMTP on loopback; yields the port and the received mails."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            for line in iter(self.rfile.readline, b""):
                command = line[:4].upper()
                if command == b"DATA":
                    self.wfile.write(b"354 go\r\n")
                    content = b""
                    while not content.endswith(b"\r\n.\r\n"):
                        content += self.rfile.readline()
                    mails.append(content.decode())
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
                if command == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], mails
        finally:
            server.shutdown()
            thread.join()

"""A base for providers' servers: routing, answers, and injected faults."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

START = datetime(2026, 11, 2, 8, tzinfo=UTC)


class Clock:
    """A clock that only waiting moves."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        self.slept = 0.0

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.slept += seconds


class Refused(Exception):  # noqa: N818 - an answer
    """An error answer."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}


class Faults:
    """Random faults, none by default.

    `rate` is the share of requests that fail; `kinds` the faults to choose from: ``429``,
    ``429-after``, ``429-date``, ``500``, ``torn``, ``dropped`` (done, and the answer is lost).
    """

    def __init__(self, seed: int = 0, rate: float = 0.0, kinds: tuple[str, ...] = ()) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self.rate = rate
        self.kinds = kinds or ("429", "429-after", "429-date", "500", "torn", "dropped")
        self.repeat_borders = False
        self.count = self.draws = 0

    def draw(self) -> str | None:
        self.draws += 1
        if not self.rate or self._random.random() >= self.rate:
            return None
        self.count += 1
        return self._random.choice(self.kinds)


class ProviderServer:
    """An ASGI application; subclasses answer in `handle`."""

    def __init__(self, clock: Any, faults: Faults | None = None) -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.requests: list[tuple[str, str]] = []
        self.token = "secret-canary"  # noqa: S105
        self.open = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        query = {k: v[-1] for k, v in parse_qs(scope["query_string"].decode()).items()}
        self.requests.append((scope["method"], scope["path"]))
        fault = self.faults.draw()
        try:
            self.fail(fault)
            self.authorize(headers)
            content, status, extra = self.encode(
                self.handle(scope["method"], scope["path"], query, headers, body)
            )
        except Refused as refused:
            status, extra = refused.status, refused.headers
            content = json.dumps(refused.body).encode()
        length = len(content)
        if fault == "dropped":
            content, length = b"", length + 1
        elif fault == "torn":
            content, length = content[: len(content) // 2], length + 1
        answer = {
            "content-length": str(length),
            "content-type": "application/json",
            "date": format_datetime(self.clock.now(), usegmt=True),
            **extra,
        }
        pairs = [(k.encode(), v.encode()) for k, v in answer.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": content})

    def fail(self, fault: str | None) -> None:
        if fault == "500":
            raise Refused(500, {"message": "internal"})
        if fault is not None and fault.startswith("429"):
            raise self.limited(fault)

    def limited(self, fault: str) -> Refused:
        headers = {}
        if fault == "429-after":
            headers["retry-after"] = "2"
        elif fault == "429-date":
            moment = self.clock.now() + timedelta(seconds=3)
            headers["retry-after"] = format_datetime(moment, usegmt=True)
        return Refused(429, self.limit_body(), headers)

    def limit_body(self) -> Any:
        return {"status": "error", "errorType": "RATE_LIMIT"}

    def authorize(self, headers: dict[str, str]) -> None:
        if headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(401, {"status": "error", "category": "INVALID_AUTHENTICATION"})

    def encode(self, answer: Any) -> tuple[bytes, int, dict[str, str]]:
        status, headers = 200, {}
        if isinstance(answer, tuple):
            status, headers, answer = answer
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return content, status, headers

    def handle(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Any:
        raise NotImplementedError

    def border(self, rows: list[Any], start: int, size: int) -> list[Any]:
        """Return a page; with `repeat_borders` it begins with the last row of the one before."""
        first = start - 1 if self.faults.repeat_borders and start else start
        return rows[first : start + size]


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

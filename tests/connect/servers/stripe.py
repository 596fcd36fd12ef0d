"""Stripe's lists and events, from its public documentation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.connect.servers.faults import ProviderServer, Refused

LISTS = {"customers": "customer", "subscriptions": "subscription", "invoices": "invoice", "charges": "charge"}  # fmt: skip
PREFIX = {"subscription": "customer.subscription"}


class StripeServer(ProviderServer):
    """Objects by list; `put` also writes an event."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.objects: dict[str, dict[str, Any]] = {name: {} for name in LISTS}
        self.events: list[Any] = []

    def put(self, kind: str, key: str, at: datetime | None = None, **values: Any) -> None:
        now = int((at or self.clock.now()).timestamp())
        new = key not in self.objects[kind]
        record = self.objects[kind].setdefault(
            key, {"id": key, "object": LISTS[kind], "created": now}
        )
        record.update(values)
        self.emit(kind, "created" if new else "updated", dict(record), now)

    def delete(self, kind: str, key: str) -> None:
        now = int(self.clock.now().timestamp())
        record = {**self.objects[kind].pop(key), "deleted": True}
        self.emit(kind, "deleted", record, now)

    def emit(self, kind: str, action: str, record: Any, now: int) -> None:
        name = PREFIX.get(LISTS[kind], LISTS[kind])
        event = {
            "id": f"evt_{len(self.events):08d}",
            "object": "event",
            "created": now,
            "type": f"{name}.{action}",
            "data": {"object": record},
        }
        self.events.append(event)

    def limit_body(self) -> Any:
        return {"error": {"type": "invalid_request_error", "code": "rate_limit"}}

    def authorize(self, headers: dict[str, str]) -> None:
        if headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(401, {"error": {"type": "invalid_request_error"}})
        if "stripe-version" not in headers:
            raise Refused(400, {"error": {"type": "invalid_request_error"}})

    def handle(self, method, path, query, headers, body):
        name = path.removeprefix("/v1/")
        if method != "GET" or name not in {*LISTS, "events"}:
            raise Refused(404, {"error": {"type": "invalid_request_error"}})
        if name == "events":
            oldest = int((self.clock.now() - timedelta(days=30)).timestamp())
            wanted, since = query.get("type", "*"), int(query.get("created[gte]", "0"))
            rows = [
                event
                for event in reversed(self.events)
                if event["created"] >= max(oldest, since) and matches(event["type"], wanted)
            ]
        else:
            rows = sorted(self.objects[name].values(), key=lambda r: (-r["created"], r["id"]))
            if name == "subscriptions" and query.get("status") != "all":
                rows = [row for row in rows if row.get("status") != "canceled"]
        limit = int(query.get("limit", "10"))
        if not 0 < limit <= 100:
            raise Refused(400, {"error": {"code": "parameter_invalid_integer"}})
        start = 0
        if "starting_after" in query:
            ids = [row["id"] for row in rows]
            if query["starting_after"] not in ids:
                raise Refused(400, {"error": {"code": "resource_missing"}})
            start = ids.index(query["starting_after"]) + 1
        page = self.border(rows, start, limit)
        more = start + limit < len(rows)
        return {"object": "list", "url": path, "has_more": more, "data": page}


def matches(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1]))

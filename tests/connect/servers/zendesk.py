"""Zendesk's incremental exports and tickets, from its public documentation."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from tests.connect.servers.faults import ProviderServer, Refused, iso


class ZendeskServer(ProviderServer):
    """Tickets and users; exports leave out the last minute."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.records: dict[str, dict[str, Any]] = {"tickets": {}, "users": {}}
        self.created: dict[str, str] = {}
        self.page = 60

    def put(self, kind: str, key: str, at: datetime | None = None, **values: Any) -> None:
        now = at or self.clock.now()
        record = self.records[kind].setdefault(
            key, {"id": int(key), "created_at": iso(now), "via": {"channel": "web"}}
        )
        record.update(values, updated_at=iso(now))

    def authorize(self, headers: dict[str, str]) -> None:
        expected = base64.b64encode(f"ann@example.com/token:{self.token}".encode()).decode()
        if headers.get("authorization") != f"Basic {expected}":
            raise Refused(401, {"error": "Couldn't authenticate you"})

    def limit_body(self) -> Any:
        return {"error": "APIRateLimitExceeded"}

    def handle(self, method, path, query, headers, body):
        if path == "/api/v2/tickets.json" and method == "POST":
            ticket = json.loads(body)["ticket"]
            key = headers.get("idempotency-key", str(len(self.created)))
            self.created.setdefault(key, ticket["subject"])
            return 201, {}, {"ticket": {"id": len(self.created), **ticket}}
        parts = path.removeprefix("/api/v2/incremental/").split("/")
        if method != "GET" or parts[0] not in self.records:
            raise Refused(404, {"error": "RecordNotFound"})
        now = self.clock.now().timestamp()
        if ("cursor" in query) == ("start_time" in query):
            raise Refused(400, {"error": "InvalidValue"})
        if "start_time" in query and int(query["start_time"]) > now - 60:
            raise Refused(422, {"error": "StartTimeTooRecent"})
        if "cursor" in query:
            start, _, key = query["cursor"].partition(":")
            after = (float(start), int(key))
        else:
            after = (float(query["start_time"]), 0)
        rows = [
            row
            for row in self.records[parts[0]].values()
            if stamp(row) <= now - 60 and (stamp(row), row["id"]) > after
        ]
        rows.sort(key=lambda row: (stamp(row), row["id"]))
        page = rows[: self.page]
        last = f"{stamp(page[-1])}:{page[-1]['id']}" if page else f"{after[0]}:{after[1]}"
        end = len(rows) <= self.page
        return {parts[0]: page, "after_cursor": last, "end_of_stream": end}


def stamp(row: Any) -> float:
    return datetime.fromisoformat(row["updated_at"]).timestamp()

"""Salesforce's token, describe, Bulk API 2.0 queries and composite upserts, from its documentation."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.connect.servers.faults import ProviderServer, Refused, iso

if TYPE_CHECKING:
    from datetime import datetime

DATA = "/services/data/v67.0"
STANDARD = {"Id": "id", "CreatedDate": "datetime", "SystemModstamp": "datetime", "IsDeleted": "boolean"}  # fmt: skip


class SalesforceServer(ProviderServer):
    """Records by object type; tokens expire after `token_uses` requests."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.records: dict[str, dict[str, Any]] = {
            kind: {} for kind in ("Account", "Contact", "Task", "CampaignMember")
        }
        self.types: dict[str, dict[str, str]] = {
            kind: {**STANDARD, "BillingAddress": "address"} for kind in self.records
        }
        self.jobs: dict[str, list[Any]] = {}
        self.job_polls: dict[str, int] = {}
        self.tokens = 0
        self.token_uses = 50
        self.used = 0
        self.page = 70
        self.locked: dict[str, int] = {}
        self.duplicates: set[str] = set()

    def put(self, kind: str, key: str, at: datetime | None = None, **values: Any) -> None:
        now = at or self.clock.now()
        record = self.records[kind].setdefault(
            key, {"Id": key, "CreatedDate": iso(now), "IsDeleted": "false"}
        )
        record.update(values, SystemModstamp=iso(now))
        for name in values:
            self.types[kind].setdefault(name, "string")

    def delete(self, kind: str, key: str) -> None:
        self.put(kind, key, IsDeleted="true")

    def limit_body(self) -> Any:
        return [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "limit"}]

    def authorize(self, headers: dict[str, str]) -> None:
        self.used += 1
        if self.path == "/services/oauth2/token":
            return
        current = f"Bearer token-{self.tokens}"
        if headers.get("authorization") != current or self.used > self.token_uses:
            raise Refused(401, [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.path = scope["path"]
        await super().__call__(scope, receive, send)

    def handle(self, method, path, query, headers, body):
        if path == "/services/oauth2/token":
            form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
            if form.get("client_secret") != self.token:
                raise Refused(400, {"error": "invalid_grant"})
            self.tokens, self.used = self.tokens + 1, 0
            return {"access_token": f"token-{self.tokens}", "token_type": "Bearer"}
        parts = path.removeprefix(DATA).strip("/").split("/")
        if parts[0] == "limits":
            return {}
        if parts[0] == "sobjects" and parts[2] == "describe":
            return {"fields": [{"name": n, "type": t} for n, t in self.types[parts[1]].items()]}
        if parts[:2] == ["jobs", "query"]:
            return self.query(method, parts, query, body)
        if parts[:2] == ["composite", "sobjects"] and method == "PATCH":
            return self.upsert(parts[2], parts[3], json.loads(body))
        raise Refused(404, [{"errorCode": "NOT_FOUND", "message": path}])

    def query(self, method: str, parts: list[str], query: dict[str, str], body: bytes) -> Any:
        if method == "POST":
            job = f"750{len(self.jobs):06d}"
            self.jobs[job] = self.select(json.loads(body)["query"])
            self.job_polls[job] = 0
            return {"id": job, "state": "UploadComplete"}
        if parts[2] not in self.jobs:
            raise Refused(404, [{"errorCode": "NOT_FOUND", "message": "job"}])
        if len(parts) == 3:
            self.job_polls[parts[2]] += 1
            done = self.job_polls[parts[2]] > 1
            return {"id": parts[2], "state": "JobComplete" if done else "InProgress"}
        names, rows = self.jobs[parts[2]]
        start = int(query.get("locator", "0"))
        size = min(int(query["maxRecords"]), self.page)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row.get(n, "") for n in names] for row in self.border(rows, start, size))
        more = start + size < len(rows)
        locator = str(start + size) if more else "null"
        return (
            200,
            {"sforce-locator": locator, "sforce-limit-info": "api-usage=18/5000"},
            text.getvalue().encode(),
        )

    def select(self, query: str) -> Any:
        match = re.fullmatch(
            r"SELECT (\S+) FROM (\w+)(?: WHERE (\w+) >= (\S+) ORDER BY (\w+))?", query
        )
        if match is None:
            raise Refused(400, [{"errorCode": "MALFORMED_QUERY", "message": "query"}])
        names = match[1].split(",")
        if unknown := [n for n in names if self.types[match[2]].get(n, "address") == "address"]:
            raise Refused(400, [{"errorCode": "INVALID_FIELD", "message": unknown[0]}])
        rows = [dict(row) for row in self.records[match[2]].values()]
        if match[3]:
            rows = [row for row in rows if row[match[3]] >= match[4]]
            rows.sort(key=lambda row: (row[match[5]], row["Id"]))
        return names, rows

    def find(self, kind: str, external: str, key: str) -> str | None:
        return next((i for i, r in self.records[kind].items() if r.get(external) == key), None)

    def relate(self, record: dict[str, Any]) -> str | None:
        """Return the error code of a record whose relations do not exist."""
        for name, value in record.items():
            if name == "attributes" or not isinstance(value, dict):
                continue
            kind = value.get("attributes", {}).get("type", name)
            ((field, key),) = ((f, k) for f, k in value.items() if f != "attributes")
            if self.find(kind, field, key) is None:
                return "INVALID_FIELD"
        return None

    def upsert(self, kind: str, external: str, body: Any) -> Any:
        if len(body["records"]) > 200 or body["allOrNone"]:
            raise Refused(400, [{"errorCode": "LIMIT_EXCEEDED", "message": "200"}])
        results = []
        for record in body["records"]:
            key = record[external]
            match = self.find(kind, external, key)
            code = self.relate(record)
            if match is None and kind in {"Task", "CampaignMember"}:
                match = f"00T{len(self.records[kind])}"
            elif match is None:
                code = "NOT_FOUND"
            if self.locked.get(key, 0) > 0:
                self.locked[key] -= 1
                code = "UNABLE_TO_LOCK_ROW"
            if key in self.duplicates:
                code = "DUPLICATE_VALUE"
            if code is None and match is not None:
                values = {k: v for k, v in record.items() if k != "attributes"}
                self.put(kind, match, **values)
            errors = [] if code is None else [{"statusCode": code, "message": f"for {key}"}]
            results.append({"id": match, "success": code is None, "errors": errors})
        return results

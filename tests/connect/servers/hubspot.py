"""HubSpot's CRM interface, from its public documentation: objects, search, properties, upserts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.connect.servers.faults import ProviderServer, Refused, iso

if TYPE_CHECKING:
    from datetime import datetime


class HubSpotServer(ProviderServer):
    """Objects of any type; `objects["contacts"]["7"]` is a record."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.objects: dict[str, dict[str, Any]] = {"contacts": {}, "companies": {}, "deals": {}}
        self.types: dict[str, dict[str, str]] = {name: {} for name in self.objects}
        self.upserts = 0
        self.wall = 10_000
        self.refuse_ids: set[str] = set()

    def put(self, kind: str, key: str, at: datetime | None = None, **properties: Any) -> None:
        """Create or change a record; `at` may lie in the past, as of a row committed late."""
        now = at or self.clock.now()
        record = self.objects[kind].setdefault(
            key, {"created": now, "properties": {}, "archived": None, "history": {}}
        )
        for name, value in properties.items():
            if record["properties"].get(name) != value:
                record["history"].setdefault(name, []).insert(0, (iso(now), value))
            self.types[kind].setdefault(name, "string")
        record["properties"].update(properties)
        record["updated"] = now

    def archive(self, kind: str, key: str) -> None:
        self.objects[kind][key]["archived"] = self.clock.now()

    def handle(self, method, path, query, headers, body):
        parts = path.strip("/").split("/")
        if parts[:3] == ["crm", "v3", "properties"] and method == "GET":
            types = {**self.types[parts[3]], "createdate": "datetime", "hs_object_id": "string"}
            return {"results": [{"name": n, "type": t} for n, t in types.items()]}
        if parts[:3] != ["crm", "v3", "objects"]:
            raise Refused(404, {"category": "OBJECT_NOT_FOUND"})
        kind = parts[3]
        if len(parts) == 4 and method == "GET":
            return self.list_objects(kind, query)
        if parts[4:] == ["search"] and method == "POST":
            return self.search(kind, json.loads(body))
        if parts[4:] == ["batch", "upsert"] and method == "POST":
            return self.upsert(kind, json.loads(body)["inputs"])
        if parts[4:] == ["gdpr-delete"] and method == "POST":
            self.objects[kind].pop(json.loads(body)["objectId"], None)
            return 204, {}, b""
        raise Refused(405, {"category": "METHOD_NOT_ALLOWED"})

    def list_objects(self, kind: str, query: dict[str, str]) -> Any:
        history = [name for name in query.get("propertiesWithHistory", "").split(",") if name]
        limit = int(query.get("limit", "10"))
        if limit > (50 if history else 100):
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        archived = query.get("archived") == "true"
        ids = sorted(
            (i for i, r in self.objects[kind].items() if (r["archived"] is not None) == archived),
            key=int,
        )
        after = query.get("after")
        if after is not None and not after.isdigit():
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        start = sum(int(i) < int(after) for i in ids) if after else 0
        names = [name for name in query.get("properties", "").split(",") if name]
        page = [self.render(kind, i, names, history) for i in self.border(ids, start, limit)]
        answer: dict[str, Any] = {"results": page}
        if start + limit < len(ids):
            following = ids[start + limit]
            answer["paging"] = {"next": {"after": following, "link": "https://x"}}
        return answer

    def render(self, kind: str, key: str, names: list[str], history: list[str]) -> Any:
        record = self.objects[kind][key]
        rendered = {
            "id": key,
            "properties": {
                "hs_object_id": key,
                "createdate": iso(record["created"]),
                **{name: record["properties"].get(name) for name in names if name != "createdate"},
            },
            "createdAt": iso(record["created"]),
            "updatedAt": iso(record["updated"]),
            "archived": record["archived"] is not None,
        }
        if record["archived"]:
            rendered["archivedAt"] = iso(record["archived"])
        if history:
            rendered["propertiesWithHistory"] = {
                name: [{"timestamp": t, "value": v} for t, v in record["history"].get(name, [])]
                for name in history
            }
        return rendered

    def search(self, kind: str, body: Any) -> Any:
        if (
            body.get("limit", 10) > 200
            or int(body.get("after", 0)) + body.get("limit", 10) > 10_000
        ):
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        (group,) = body["filterGroups"]
        ids = [i for i, r in self.objects[kind].items() if r["archived"] is None]
        for condition in group["filters"]:
            ids = [i for i in ids if self.meets(kind, i, condition)]
        ids.sort(key=int)
        if body["sorts"][0]["propertyName"] != "hs_object_id":
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        start = int(body.get("after", 0))
        names = body.get("properties", [])
        page = [self.render(kind, i, names, []) for i in ids[start : start + body["limit"]]]
        return {"total": len(ids), "results": page}

    def meets(self, kind: str, key: str, condition: dict[str, str]) -> bool:
        name, operator = condition["propertyName"], condition["operator"]
        modified = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
        if name == modified:
            value = self.objects[kind][key]["updated"].timestamp()
            bound = int(condition["value"]) / 1000
        elif name == "hs_object_id":
            value, bound = int(key), int(condition["value"])
        else:
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        return bool(value >= bound if operator == "GTE" else value > bound)

    def upsert(self, kind: str, inputs: list[Any]) -> Any:
        if not 0 < len(inputs) <= 100:
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        self.upserts += 1
        results, errors = [], []
        for item in inputs:
            key, name = item["id"], item.get("idProperty", "hs_object_id")
            match = next(
                (
                    i
                    for i, r in self.objects[kind].items()
                    if (i if name == "hs_object_id" else r["properties"].get(name)) == key
                ),
                None,
            )
            if key in self.refuse_ids or match is None:
                errors.append(
                    {
                        "status": "error",
                        "category": "OBJECT_NOT_FOUND",
                        "message": f"no object for {key}",
                        "context": {"ids": [key]},
                    }
                )
                continue
            self.put(kind, match, **item["properties"])
            results.append({"id": match, "new": False, "properties": {name: key}})
        answer = {"status": "COMPLETE", "results": results}
        if errors:
            return 207, {}, {**answer, "numErrors": len(errors), "errors": errors}
        return answer

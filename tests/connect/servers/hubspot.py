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
        self.members: dict[str, list[str]] = {}
        self.tasks: list[dict[str, Any]] = []
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
        parts: list[str] = path.strip("/").split("/")
        area, kind, verb = parts[2], parts[3], "/".join(parts[4:])
        sent: Any = json.loads(body) if body else {}
        if area == "objects" and kind == "tasks":
            verb = "task"
        routes = {
            ("properties", "GET", ""): lambda: self.properties(kind),
            ("lists", "PUT", "memberships/add"): lambda: self.change_members(kind, "add", sent),
            ("lists", "PUT", "memberships/remove"): lambda: self.change_members(
                kind, "remove", sent
            ),
            ("objects", "POST", "task"): lambda: self.create_task(sent),
            ("objects", "GET", ""): lambda: self.list_objects(kind, query),
            ("objects", "POST", "search"): lambda: self.search(kind, sent),
            ("objects", "POST", "batch/read"): lambda: self.read(kind, sent),
            ("objects", "POST", "batch/upsert"): lambda: self.upsert(
                kind, sent["inputs"], create=True
            ),
            ("objects", "POST", "batch/update"): lambda: self.upsert(
                kind, sent["inputs"], create=False
            ),
            ("objects", "POST", "gdpr-delete"): lambda: self.forget(kind, sent["objectId"]),
        }
        if (area, method, verb) not in routes:
            raise Refused(404, {"category": "OBJECT_NOT_FOUND"})
        return routes[area, method, verb]()

    def forget(self, kind: str, key: str) -> Any:
        self.objects[kind].pop(key, None)
        return 204, {}, b""

    def properties(self, kind: str) -> Any:
        types = {**self.types[kind], "createdate": "datetime", "hs_object_id": "string"}
        shown = {
            "label": "",
            "groupName": "",
            "fieldType": "text",
            "description": "",
            "options": [],
        }
        return {"results": [{"name": name, "type": t, **shown} for name, t in types.items()]}

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
                name: [
                    {"timestamp": t, "value": v, "sourceType": "CRM_UI"}
                    for t, v in record["history"].get(name, [])
                ]
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

    def find(self, kind: str, name: str, key: str) -> str | None:
        for record, stored in self.objects[kind].items():
            if (record if name == "hs_object_id" else stored["properties"].get(name)) == key:
                return record
        return None

    def upsert(self, kind: str, inputs: list[Any], *, create: bool) -> Any:
        if not 0 < len(inputs) <= 100:
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        self.upserts += 1
        results, errors = [], []
        for item in inputs:
            key, name = item["id"], item.get("idProperty", "hs_object_id")
            match = self.find(kind, name, key)
            new = match is None and create
            if key in self.refuse_ids or (match is None and not create):
                errors.append(missing(key))
                continue
            if match is None:
                match = str(max(map(int, self.objects[kind]), default=0) + 1)
                self.put(kind, match, **{name: key})
            self.put(kind, match, **item["properties"])
            results.append({**self.render(kind, match, [name], []), "new": new})
        return self.batch_answer(results, errors)

    def read(self, kind: str, body: Any) -> Any:
        if not 0 < len(body["inputs"]) <= 100:
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        results, errors = [], []
        for item in body["inputs"]:
            match = self.find(kind, body.get("idProperty", "hs_object_id"), item["id"])
            if match is None:
                errors.append(missing(item["id"]))
            else:
                results.append(self.render(kind, match, body["properties"], []))
        return self.batch_answer(results, errors)

    def batch_answer(self, results: list[Any], errors: list[Any]) -> Any:
        now = iso(self.clock.now())
        answer = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            return 207, {}, {**answer, "numErrors": len(errors), "errors": errors}
        return answer

    def change_members(self, number: str, verb: str, ids: list[str]) -> Any:
        if number not in self.members:
            raise Refused(404, {"category": "OBJECT_NOT_FOUND"})
        members = self.members[number]
        found = [key for key in ids if key in self.objects["contacts"]]
        changed = [key for key in found if (key in members) == (verb == "remove")]
        if verb == "add":
            members += changed
        else:
            self.members[number] = [key for key in members if key not in changed]
        return {
            "recordIdsMissing": [key for key in ids if key not in found],
            "recordIdsRemoved": changed if verb == "remove" else [],
            "recordsIdsAdded": changed if verb == "add" else [],
        }

    def create_task(self, body: Any) -> Any:
        (association,) = body["associations"]
        (kind,) = association["types"]
        if kind != {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}:
            raise Refused(400, {"category": "VALIDATION_ERROR"})
        if association["to"]["id"] not in self.objects["contacts"]:
            raise Refused(404, {"category": "OBJECT_NOT_FOUND"})
        if body["properties"].get("hubspot_owner_id") == "unknown":
            raise Refused(400, {"category": "INVALID_OWNER_ID"})
        self.tasks.append({**body["properties"], "to": association["to"]["id"]})
        return {"id": str(len(self.tasks)), "properties": body["properties"]}


def missing(key: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"no object for {key}",
        "context": {"ids": [key]},
        "errors": [],
        "links": {},
    }

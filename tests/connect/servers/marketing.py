"""Braze, Klaviyo and Intercom's contacts, from their public documentation."""

from __future__ import annotations

import json
from typing import Any

from tests.connect.servers.faults import ProviderServer, Refused


class BrazeServer(ProviderServer):
    """Users by external id; unknown ones are left out without a word, as Braze does."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.users: dict[str, dict[str, Any]] = {}
        self.refuse_ids: set[str] = set()

    def limited(self, fault: str) -> Refused:
        reset = str(int(self.clock.now().timestamp()) + 2)
        return Refused(429, {"message": "rate limited"}, {"x-ratelimit-reset": reset})

    def handle(self, method, path, query, headers, body):
        users = json.loads(body)["attributes"]
        if (method, path) != ("POST", "/users/track") or len(users) > 75:
            raise Refused(400, {"message": "Valid data must be provided"})
        errors = []
        for index, user in enumerate(users):
            key = user.pop("external_id")
            existing = user.pop("_update_existing_only")
            if key in self.refuse_ids:
                error = {"type": "invalid_attribute", "input_array": "attributes", "index": index}
                errors.append(error)
            elif key in self.users or not existing:
                self.users.setdefault(key, {}).update(user)
        answer: dict[str, Any] = {"message": "success", "attributes_processed": len(users)}
        return 201, {}, answer | ({"errors": errors} if errors else {})


class KlaviyoServer(ProviderServer):
    """Events by their unique id; the first one counts."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.events: dict[str, Any] = {}
        self.refuse_ids: set[str] = set()

    def authorize(self, headers: dict[str, str]) -> None:
        if headers.get("authorization") != f"Klaviyo-API-Key {self.token}":
            raise Refused(401, {"errors": [{"code": "not_authenticated"}]})
        if "revision" not in headers:
            raise Refused(400, {"errors": [{"code": "invalid"}]})

    def handle(self, method, path, query, headers, body):
        if (method, path) != ("POST", "/api/events"):
            raise Refused(404, {"errors": [{"code": "not_found"}]})
        event = json.loads(body)["data"]["attributes"]
        if event["profile"]["data"]["attributes"]["external_id"] in self.refuse_ids:
            raise Refused(400, {"errors": [{"code": "invalid_profile"}]})
        self.events.setdefault(event["unique_id"], event)
        return 202, {}, b""


class IntercomServer(ProviderServer):
    """Contacts by id."""

    def __init__(self, clock: Any, faults: Any = None) -> None:
        super().__init__(clock, faults)
        self.contacts: dict[str, dict[str, Any]] = {}

    def limit_body(self) -> Any:
        return {"type": "error.list", "errors": [{"code": "rate_limit_exceeded"}]}

    def handle(self, method, path, query, headers, body):
        content = json.loads(body)
        if (method, path) == ("POST", "/contacts/search"):
            wanted = content["query"]["value"]
            found = [c for c in self.contacts.values() if c["external_id"] == wanted]
            return {"type": "list", "data": found, "total_count": len(found)}
        contact = self.contacts.get(path.removeprefix("/contacts/"))
        if method != "PUT" or contact is None:
            raise Refused(404, {"type": "error.list", "errors": [{"code": "not_found"}]})
        contact["custom_attributes"].update(content["custom_attributes"])
        return contact

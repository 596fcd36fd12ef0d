"""Servers and descriptions against what HubSpot and Stripe publish.

Put ``contacts.json``, ``properties.json`` and ``lists.json`` of HubSpot's collection of OpenAPI
descriptions (v3), and ``fixtures3.json`` of Stripe's, into a folder and name it in
``CHURNKIT_OPENAPI_DIR``. They are not part of this repository.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from churnkit.connect import Stripe
from churnkit.connect.description.columns import split_column
from tests.connect.servers.hubspot import HubSpotServer

FOLDER = os.environ.get("CHURNKIT_OPENAPI_DIR", "")
CONTACTS = "/crm/v3/objects/contacts"
UPSERT = {
    "inputs": [
        {"id": key, "idProperty": "customer_id", "properties": {"churnkit_action": "call"}}
        for key in ("c1", "c2")
    ]
}
READ = {
    "idProperty": "customer_id",
    "inputs": [{"id": "c1"}],
    "properties": ["customer_id"],
    "propertiesWithHistory": [],
}
SEARCH = {
    "filterGroups": [
        {"filters": [{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]}
    ],
    "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
    "properties": ["customer_id"],
    "limit": 5,
    "after": "0",
}

if not FOLDER:
    pytest.skip("CHURNKIT_OPENAPI_DIR names no folder", allow_module_level=True)


def published(name: str) -> Any:
    return json.loads((Path(FOLDER) / name).read_text(encoding="utf-8"))


def faults(description: Any, schema: Any, document: Any) -> list[str]:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    checker = validator({**schema, "components": description["components"]})
    return [f"{list(error.path)}: {error.message}" for error in checker.iter_errors(document)]


def has_path(record: Any, parts: list[str]) -> bool:
    """Return whether a record has a path; below null anything may stand."""
    for part in parts:
        if isinstance(record, list):
            record = record[int(part)]
        elif record is None:
            return True
        elif part not in record:
            return False
        else:
            record = record[part]
    return True


def hubspot(clock):
    server = HubSpotServer(clock)
    for number in range(1, 4):
        server.put("contacts", str(number), customer_id=f"c{number}", lifecyclestage="lead")
    server.archive("contacts", "3")
    server.members = {"11": []}
    return server


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status"),
    [
        ("GET", CONTACTS, {"propertiesWithHistory": "lifecyclestage"}, None, "200"),
        ("GET", CONTACTS, {"archived": "true", "properties": "customer_id"}, None, "200"),
        ("POST", f"{CONTACTS}/search", {}, SEARCH, "200"),
        ("POST", f"{CONTACTS}/batch/read", {}, READ, "200"),
        ("POST", f"{CONTACTS}/batch/upsert", {}, UPSERT, "200"),
        ("POST", f"{CONTACTS}/batch/upsert", {}, {**UPSERT, "refuse": "c2"}, "207"),
        ("PUT", "/crm/v3/lists/11/memberships/add", {}, ["1", "9"], "200"),
        ("GET", "/crm/v3/properties/contacts", {}, None, "200"),
    ],
)
def test_the_server_answers_as_hubspot_describes_it(clock, method, path, query, body, status):
    server = hubspot(clock)
    if isinstance(body, dict) and "refuse" in body:
        server.refuse_ids = {body["refuse"]}
    answer = server.handle(method, path, query, {}, json.dumps(body).encode() if body else b"")
    area = path.split("/")[3]
    description = published(f"{'contacts' if area == 'objects' else area}.json")
    template = path.replace("/lists/11/", "/lists/{listId}/")
    template = template.replace("/properties/contacts", "/properties/{objectType}")
    operation = description["paths"][template][method.lower()]
    schema = operation["responses"][status]["content"]["application/json"]["schema"]
    assert faults(description, schema, answer[2] if isinstance(answer, tuple) else answer) == []


@pytest.mark.parametrize(("path", "body"), [("read", READ), ("upsert", UPSERT)])
def test_requests_are_as_hubspot_describes_them(path, body):
    description = published("contacts.json")
    operation = description["paths"][f"{CONTACTS}/batch/{path}"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert faults(description, schema, body) == []


def test_each_column_of_stripe_is_in_its_published_records():
    resources = published("fixtures3.json")["resources"]
    missing = []
    for stream in Stripe.streams:
        record = resources[stream.name.removesuffix("s")]
        for spec in stream.columns.values():
            path = split_column(spec)[0]
            if not has_path(record, path.split(".")):
                missing.append((stream.name, path))
    assert missing == []
    assert not has_path(resources["customer"], ["no_such_field"])

"""HubSpot: contacts, companies, deals and the history of properties.

Changes are read by search, in the order of ids, so that its limit of 10,000 results is never
reached; archived records are read from the list.
"""

from __future__ import annotations

from churnkit.connect.description.paging import LastRow, NextToken
from churnkit.connect.description.provider import Endpoint, Fields, Provider, Stream
from churnkit.connect.http.auth import Bearer
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["HubSpot"]

_NEXT = NextToken("paging.next.after")


def _list(kind: str, **params: str) -> Endpoint:
    return Endpoint(
        f"/crm/v3/objects/{kind}",
        "results",
        _NEXT,
        params={"limit": "100", "after": "{token}", "properties": "{fields}", **params},
    )


def _changes(kind: str, modified: str) -> Endpoint:
    since = {"propertyName": modified, "operator": "GTE", "value": "{since_ms}"}
    after = {"propertyName": "hs_object_id", "operator": "GT", "value": "{token}"}
    return Endpoint(
        f"/crm/v3/objects/{kind}/search",
        "results",
        LastRow("id", first="0"),
        method="POST",
        body={
            "filterGroups": [{"filters": [since, after]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": "{fields_list}",
            "limit": 200,
            "after": "0",
        },
    )


def _records(kind: str, modified: str, **columns: str) -> Stream:
    return Stream(
        kind,
        "transactions" if kind == "deals" else "customers",
        _list(kind),
        {
            "id": "id",
            "created_at": "createdAt:time",
            "modified_at": "updatedAt:time",
            "deleted_at": "archivedAt:time",
            **columns,
        },
        changes=_changes(kind, modified),
        deleted=_list(kind, archived="true"),
        rest="properties",
        fields=Fields(
            f"/crm/v3/properties/{kind}",
            "results",
            kinds={"number": "number", "bool": "flag", "date": "time", "datetime": "time"},
        ),
        happened="created_at",
    )


HubSpot: Provider = Provider(
    name="hubspot",
    access="the token of a private app that may read contacts, companies and deals "
    "(crm.objects.*.read and crm.schemas.*.read)",
    base_url="https://api.hubapi.com",
    auth=Bearer(),
    rate=RatePolicy(
        9.0,
        burst=9,
        remaining="x-hubspot-ratelimit-remaining",
        daily=("x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"),
        limited=("RATE_LIMIT", "RATE_LIMITS"),
    ),
    check="/crm/v3/objects/contacts?limit=1",
    streams=(
        _records("contacts", "lastmodifieddate"),
        _records("companies", "hs_lastmodifieddate"),
        _records("deals", "hs_lastmodifieddate", closed_at="properties.closedate:time"),
        Stream(
            "contact_changes",
            "events",
            Endpoint(
                "/crm/v3/objects/contacts",
                "results",
                _NEXT,
                params={
                    "limit": "50",
                    "after": "{token}",
                    "propertiesWithHistory": "{fields}",
                },
                explode="propertiesWithHistory",
            ),
            {
                "contact_id": "parent.id",
                "property": "name",
                "value": "entry.value",
                "changed_at": "entry.timestamp:time",
            },
            key=("parent.id", "name", "entry.timestamp", "entry.value"),
            happened="changed_at",
            log=True,
            on_request=True,
        ),
    ),
)

"""HubSpot: actions as properties of contacts or companies, in batches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.destinations.record_fields import FieldSender, SetsFields
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.providers.crm.hubspot import HubSpot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["HubSpotRecords", "open_hubspot", "record_ids"]

_PARTIAL = 207
_OWN_ID = "hs_object_id"


@dataclass(frozen=True, slots=True)
class HubSpotRecords(SetsFields):
    """Properties of HubSpot records.

    Parameters
    ----------
    key
        Secret of a private app with the scope to write the objects.
    id_property
        Unique property that holds the customer's id; ``hs_object_id`` for HubSpot's own.
    properties
        Column of the plan by property; ``action``, ``customer``, ``decision`` and ``decided_at``
        are columns too.
    object
        Type of the objects.
    base_url
        URL of the interface.
    create
        Whether HubSpot creates a record for a customer that it does not have; otherwise the action
        is rejected.
    batch
        Records per request, at most 100.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> HubSpotRecords(key=Env("HUBSPOT_TOKEN")).batch
    100
    """

    key: Secret
    id_property: str = "customer_id"
    properties: Mapping[str, str] = field(default_factory=lambda: {"churnkit_action": "action"})
    object: str = "contacts"
    base_url: str = HubSpot.base_url
    create: bool = True
    batch: int = 100

    def __post_init__(self) -> None:
        check_secret("HubSpotRecords", "key", self.key)

    def open(self, name: str, link: Link) -> _Records:
        """Open the destination."""
        return _Records(self, open_hubspot(name, link, self.base_url, self.key))


def open_hubspot(name: str, link: Link, base_url: str, key: Secret) -> Client:
    """Return a client of HubSpot's interface."""
    return link.client(
        name, base_url, auth=HubSpot.auth, secret=lambda _: key.resolve(), rate=HubSpot.rate
    )


def record_ids(
    client: Client, kind: str, id_property: str, customers: Sequence[str]
) -> dict[str, str]:
    """Return HubSpot's own id of each customer's record; customers without a record are left out.

    Parameters
    ----------
    client
        Client of HubSpot's interface.
    kind
        Type of the objects.
    id_property
        Unique property that holds the customer's id.
    customers
        At most 100 customers' ids.

    Returns
    -------
    dict
        Record id by customer.
    """
    if id_property == _OWN_ID:
        return {customer: customer for customer in customers}
    body = {
        "idProperty": id_property,
        "inputs": [{"id": customer} for customer in dict.fromkeys(customers)],
        "properties": [id_property],
        "propertiesWithHistory": [],
    }
    path = f"/crm/v3/objects/{kind}/batch/read"
    response = client.send("POST", path, json_body=body)
    return {
        str(row["properties"][id_property]): str(row["id"])
        for row in json.loads(response.body)["results"]
    }


class _Records(FieldSender):
    def __init__(self, destination: HubSpotRecords, client: Client) -> None:
        super().__init__(client, destination.properties)
        self._destination = destination

    def _write(
        self, messages: Sequence[Message], values: Sequence[Mapping[str, Any]]
    ) -> list[Receipt]:
        settings = self._destination
        inputs = [
            {
                "id": m.customer,
                "idProperty": settings.id_property,
                "properties": {name: "" if v is None else str(v) for name, v in row.items()},
            }
            for m, row in zip(messages, values, strict=True)
        ]
        verb = "upsert" if settings.create else "update"
        path = f"/crm/v3/objects/{settings.object}/batch/{verb}"
        response = self._client.send("POST", path, json_body={"inputs": inputs})
        reasons: dict[str, str] = {}
        if response.status == _PARTIAL:
            reasons = _reasons(json.loads(response.body))
        return [Receipt(m.decision, reasons.get(m.customer)) for m in messages]


def _reasons(body: Any) -> dict[str, str]:
    """Return the error category by the id of each rejected record."""
    reasons: dict[str, str] = {}
    for error in body.get("errors", ()):
        context = error.get("context") or {}
        for values in context.values():
            for value in values if isinstance(values, list) else [values]:
                reasons[str(value)] = str(error.get("category") or "REJECTED")[:100]
    return reasons

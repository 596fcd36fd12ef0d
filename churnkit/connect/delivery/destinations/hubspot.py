"""HubSpot: actions as properties of contacts or companies, in batches of upserts."""

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

__all__ = ["HubSpotRecords"]

_PARTIAL = 207


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
    batch: int = 100

    def __post_init__(self) -> None:
        check_secret("HubSpotRecords", "key", self.key)

    def open(self, name: str, link: Link) -> _Records:
        """Open the destination."""
        client = link.client(
            name,
            self.base_url,
            auth=HubSpot.auth,
            secret=lambda _: self.key.resolve(),
            rate=HubSpot.rate,
        )
        return _Records(self, client)


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
        path = f"/crm/v3/objects/{settings.object}/batch/upsert"
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

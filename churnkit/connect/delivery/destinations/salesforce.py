"""Salesforce: actions as fields of records, in batches of upserts by an external id."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.destinations.record_fields import FieldSender, SetsFields
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.providers.crm.salesforce import VERSION, Salesforce

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["SalesforceRecords"]

_ATTEMPTS = 4
_LOCKED = "UNABLE_TO_LOCK_ROW"


@dataclass(frozen=True, slots=True)
class SalesforceRecords(SetsFields):
    """Fields of Salesforce records.

    Parameters
    ----------
    base_url
        URL of the organization: ``https://NAME.my.salesforce.com``.
    client_id, client_secret
        Secrets of a connected app with the client credentials flow.
    id_field
        External id field that holds the customer's id.
    fields
        Column of the plan by field.
    object
        Type of the records.
    batch
        Records per request, at most 200.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> SalesforceRecords(
    ...     "https://acme.my.salesforce.com", client_id=Env("ID"), client_secret=Env("SECRET")
    ... ).batch
    200
    """

    base_url: str
    client_id: Secret
    client_secret: Secret
    id_field: str = "Churnkit_Id__c"
    fields: Mapping[str, str] = field(default_factory=lambda: {"Churnkit_Action__c": "action"})
    object: str = "Account"
    batch: int = 200

    def __post_init__(self) -> None:
        check_secret("SalesforceRecords", "client_id", self.client_id)
        check_secret("SalesforceRecords", "client_secret", self.client_secret)

    def open(self, name: str, link: Link) -> _Records:
        """Open the destination."""
        secrets = {"client_id": self.client_id, "client_secret": self.client_secret}
        client = link.client(
            name,
            self.base_url,
            auth=Salesforce.auth,
            secret=lambda key: secrets[key].resolve(),
            rate=Salesforce.rate,
        )
        return _Records(self, client)


class _Records(FieldSender):
    def __init__(self, destination: SalesforceRecords, client: Client) -> None:
        super().__init__(client, destination.fields)
        self._destination = destination

    def _write(
        self, messages: Sequence[Message], values: Sequence[Mapping[str, Any]]
    ) -> list[Receipt]:
        """Write a batch; rows that another program has locked are repeated."""
        receipts: dict[str, Receipt] = {}
        by_decision = {m.decision: row for m, row in zip(messages, values, strict=True)}
        left = list(messages)
        for attempt in range(_ATTEMPTS):
            results = self._request(by_decision, left)
            for message, reason in zip(left, results, strict=True):
                receipts[message.decision] = Receipt(message.decision, reason)
            left = [m for m, reason in zip(left, results, strict=True) if reason == _LOCKED]
            if not left:
                break
            self._client.clock.sleep(2.0**attempt)
        return [receipts[message.decision] for message in messages]

    def _request(
        self, values: Mapping[str, Mapping[str, Any]], messages: Sequence[Message]
    ) -> list[str | None]:
        settings = self._destination
        records = [
            {
                "attributes": {"type": settings.object},
                settings.id_field: message.customer,
                **values[message.decision],
            }
            for message in messages
        ]
        response = self._client.send(
            "PATCH",
            f"/services/data/{VERSION}/composite/sobjects/{settings.object}/{settings.id_field}",
            json_body={"allOrNone": False, "records": records},
        )
        return [_reason(result) for result in json.loads(response.body)]


def _reason(result: Any) -> str | None:
    if result.get("success"):
        return None
    errors = result.get("errors") or [{}]
    return str(errors[0].get("statusCode") or "REJECTED")[:100]

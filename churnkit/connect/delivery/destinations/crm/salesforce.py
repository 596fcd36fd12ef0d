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

__all__ = ["SalesforceOrganization", "SalesforceRecords", "upsert_records"]

_ATTEMPTS = 4
_LOCKED = "UNABLE_TO_LOCK_ROW"


@dataclass(frozen=True, slots=True)
class SalesforceOrganization:
    """Access to an organization, which its destinations share.

    Parameters
    ----------
    base_url
        URL of the organization: ``https://NAME.my.salesforce.com``.
    client_id, client_secret
        Secrets of a connected app with the client credentials flow.
    """

    base_url: str
    client_id: Secret
    client_secret: Secret

    def __post_init__(self) -> None:
        check_secret(type(self).__name__, "client_id", self.client_id)
        check_secret(type(self).__name__, "client_secret", self.client_secret)

    def client(self, name: str, link: Link) -> Client:
        """Return a client of the organization's interface."""
        secrets = {"client_id": self.client_id, "client_secret": self.client_secret}
        return link.client(
            name,
            self.base_url,
            auth=Salesforce.auth,
            secret=lambda key: secrets[key].resolve(),
            rate=Salesforce.rate,
        )


@dataclass(frozen=True, slots=True)
class SalesforceRecords(SalesforceOrganization, SetsFields):
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

    id_field: str = "Churnkit_Id__c"
    fields: Mapping[str, str] = field(default_factory=lambda: {"Churnkit_Action__c": "action"})
    object: str = "Account"
    batch: int = 200

    def open(self, name: str, link: Link) -> _Records:
        """Open the destination."""
        return _Records(self, self.client(name, link))


class _Records(FieldSender):
    def __init__(self, destination: SalesforceRecords, client: Client) -> None:
        super().__init__(client, destination.fields)
        self._destination = destination

    def _write(
        self, messages: Sequence[Message], values: Sequence[Mapping[str, Any]]
    ) -> list[Receipt]:
        settings = self._destination
        records = [
            {settings.id_field: m.customer, **row} for m, row in zip(messages, values, strict=True)
        ]
        reasons = upsert_records(self._client, settings.object, settings.id_field, records)
        return [Receipt(m.decision, why) for m, why in zip(messages, reasons, strict=True)]


def upsert_records(
    client: Client, kind: str, id_field: str, records: Sequence[Mapping[str, Any]]
) -> list[str | None]:
    """Upsert records by an external id; rows that another program has locked are repeated.

    Parameters
    ----------
    client
        Client of the organization's interface.
    kind, id_field
        Type of the records, and the external id field.
    records
        At most 200 records with their external id.

    Returns
    -------
    list
        Error code of each record; None if it was written.
    """
    path = f"/services/data/{VERSION}/composite/sobjects/{kind}/{id_field}"
    reasons: list[str | None] = [_LOCKED] * len(records)
    for attempt in range(_ATTEMPTS):
        left = [place for place, reason in enumerate(reasons) if reason == _LOCKED]
        if not left:
            break
        if attempt:
            client.clock.sleep(2.0 ** (attempt - 1))
        body = [{"attributes": {"type": kind}, **records[place]} for place in left]
        response = client.send("PATCH", path, json_body={"allOrNone": False, "records": body})
        for place, result in zip(left, json.loads(response.body), strict=True):
            reasons[place] = _reason(result)
    return reasons


def _reason(result: Any) -> str | None:
    if result.get("success"):
        return None
    errors = result.get("errors") or [{}]
    return str(errors[0].get("statusCode") or "REJECTED")[:100]

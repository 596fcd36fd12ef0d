"""Intercom: actions as custom attributes of contacts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.destinations.record_fields import FieldSender, SetsFields
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.http.client import StatusError
from churnkit.connect.providers.support.intercom import Intercom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.secrets import Secret

__all__ = ["IntercomContacts"]


@dataclass(frozen=True, slots=True)
class IntercomContacts(SetsFields):
    """Custom attributes of Intercom contacts, by their external id.

    Parameters
    ----------
    key
        Secret access token.
    attributes
        Column of the plan by attribute; the attributes exist in Intercom already.
    base_url
        URL of the interface of the workspace's region.
    batch
        Messages in one call; each is two requests.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> IntercomContacts(Env("INTERCOM_TOKEN")).undoable
    True
    """

    key: Secret
    attributes: Mapping[str, str] = field(default_factory=lambda: {"churnkit_action": "action"})
    base_url: str = Intercom.base_url
    batch: int = 10

    def __post_init__(self) -> None:
        check_secret("IntercomContacts", "key", self.key)

    def open(self, name: str, link: Link) -> _Contacts:
        """Open the destination."""
        client = link.client(
            name,
            self.base_url,
            auth=Intercom.auth,
            secret=lambda _: self.key.resolve(),
            rate=Intercom.rate,
            headers=Intercom.headers,
        )
        return _Contacts(client, self.attributes)


class _Contacts(FieldSender):
    def _write(
        self, messages: Sequence[Message], values: Sequence[Mapping[str, Any]]
    ) -> list[Receipt]:
        return [self._update(message, row) for message, row in zip(messages, values, strict=True)]

    def _update(self, message: Message, attributes: Mapping[str, Any]) -> Receipt:
        query = {"field": "external_id", "operator": "=", "value": message.customer}
        response = self._client.send("POST", "/contacts/search", json_body={"query": query})
        contacts = json.loads(response.body).get("data") or []
        if len(contacts) != 1:
            return Receipt(message.decision, "several_contacts" if contacts else "not_found")
        path = f"/contacts/{contacts[0]['id']}"
        try:
            self._client.send("PUT", path, json_body={"custom_attributes": dict(attributes)})
        except StatusError as error:
            if error.status in {401, 403}:
                raise
            return Receipt(message.decision, error.code or str(error.status))
        return Receipt(message.decision)

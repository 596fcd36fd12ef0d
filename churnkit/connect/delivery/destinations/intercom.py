"""Intercom: actions as custom attributes of contacts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.http.client import StatusError
from churnkit.connect.providers.support.intercom import Intercom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["IntercomContacts"]


@dataclass(frozen=True, slots=True)
class IntercomContacts:
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

    @property
    def repeatable(self) -> bool:
        """Attributes are set: a repeated request changes nothing."""
        return True

    @property
    def undoable(self) -> bool:
        """Attributes can be cleared."""
        return True

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
        return _Contacts(self, client)


class _Contacts:
    def __init__(self, destination: IntercomContacts, client: Client) -> None:
        self._destination, self._client = destination, client

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Set the attributes of each contact."""
        columns = self._destination.attributes.items()
        return [
            self._write(message, {name: message.value(column) for name, column in columns})
            for message in messages
        ]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Clear the attributes of each contact."""
        cleared: dict[str, Any] = dict.fromkeys(self._destination.attributes)
        return [self._write(message, cleared) for message in messages]

    def _write(self, message: Message, attributes: dict[str, Any]) -> Receipt:
        query = {"field": "external_id", "operator": "=", "value": message.customer}
        response = self._client.send("POST", "/contacts/search", json_body={"query": query})
        contacts = json.loads(response.body).get("data") or []
        if len(contacts) != 1:
            return Receipt(message.decision, "several_contacts" if contacts else "not_found")
        path = f"/contacts/{contacts[0]['id']}"
        try:
            self._client.send("PUT", path, json_body={"custom_attributes": attributes})
        except StatusError as error:
            if error.status in {401, 403}:
                raise
            return Receipt(message.decision, error.code or str(error.status))
        return Receipt(message.decision)

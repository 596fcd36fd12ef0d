"""HubSpot: customers of an action as members of a static list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.connect.delivery.destinations.crm.hubspot import open_hubspot, record_ids
from churnkit.connect.delivery.destinations.record_fields import SetsFields
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.providers.crm.hubspot import HubSpot
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["HubSpotLists"]


@dataclass(frozen=True, slots=True)
class HubSpotLists(SetsFields):
    """Members of static HubSpot lists, one list per action.

    Parameters
    ----------
    key
        Secret of a private app with the scopes ``crm.lists.write`` and to read the objects.
    lists
        Id of the list by action; the list must be static (manual).
    id_property
        Unique property that holds the customer's id; ``hs_object_id`` for HubSpot's own.
    object
        Type of the objects.
    base_url
        URL of the interface.
    batch
        Records per request, at most 100.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> HubSpotLists(key=Env("HUBSPOT_TOKEN"), lists={"call": "42"}).undoable
    True
    """

    key: Secret
    lists: Mapping[str, str]
    id_property: str = "customer_id"
    object: str = "contacts"
    base_url: str = HubSpot.base_url
    batch: int = 100

    def __post_init__(self) -> None:
        check_secret("HubSpotLists", "key", self.key)
        if not self.lists:
            raise ConnectError("HubSpotLists: pass lists={'ACTION': 'ID OF A LIST'}")

    def open(self, name: str, link: Link) -> _Lists:
        """Open the destination."""
        return _Lists(self, open_hubspot(name, link, self.base_url, self.key))


class _Lists:
    def __init__(self, settings: HubSpotLists, client: Client) -> None:
        self._settings, self._client = settings, client

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Add the customers of a batch to the lists of their actions."""
        return self._change(messages, "add")

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Remove the customers of a batch from the lists."""
        return self._change(messages, "remove")

    def _change(self, messages: Sequence[Message], verb: str) -> list[Receipt]:
        settings = self._settings
        customers = [message.customer for message in messages]
        ids = record_ids(self._client, settings.object, settings.id_property, customers)
        missing: set[tuple[str, str]] = set()
        for action, number in settings.lists.items():
            members = [ids[m.customer] for m in messages if m.action == action if m.customer in ids]
            if not members:
                continue
            path = f"/crm/v3/lists/{number}/memberships/{verb}"
            response = self._client.send("PUT", path, json_body=list(dict.fromkeys(members)))
            found = json.loads(response.body).get("recordIdsMissing") or ()
            missing |= {(action, str(record)) for record in found}
        return [Receipt(m.decision, self._reason(m, ids, missing)) for m in messages]

    def _reason(
        self, message: Message, ids: Mapping[str, str], missing: set[tuple[str, str]]
    ) -> str | None:
        if message.action not in self._settings.lists:
            return "NO_LIST_OF_ACTION"
        record = ids.get(message.customer)
        if record is None or (message.action, record) in missing:
            return "OBJECT_NOT_FOUND"
        return None

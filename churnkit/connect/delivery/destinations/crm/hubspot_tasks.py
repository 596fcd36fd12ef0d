"""HubSpot: a task per action, on the record of its customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.destinations.crm.hubspot import open_hubspot, record_ids
from churnkit.connect.delivery.destinations.webhook import fill_text
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.http.client import StatusError
from churnkit.connect.providers.crm.hubspot import HubSpot
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["HubSpotTasks"]

# HubSpot's own types of the association from a task to a record.
_ASSOCIATIONS = {"contacts": 204, "companies": 192, "deals": 216}


@dataclass(frozen=True, slots=True)
class HubSpotTasks:
    """Tasks in HubSpot, one per action; an interrupted one may be created twice.

    Parameters
    ----------
    key
        Secret of a private app with the scope to write the objects.
    subject, text
        Texts; ``{name}`` is a column.
    days
        Days from the decision until the task is due.
    owner
        Column of the plan with the id of the HubSpot owner; None for tasks without an owner.
    kind
        Type of the task: ``TODO``, ``CALL`` or ``EMAIL``.
    id_property
        Unique property that holds the customer's id; ``hs_object_id`` for HubSpot's own.
    object
        Type of the customers' records: contacts, companies or deals.
    base_url
        URL of the interface.
    batch
        Messages in one call; each is a request.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> HubSpotTasks(key=Env("HUBSPOT_TOKEN"), kind="CALL").repeatable
    False
    """

    key: Secret
    subject: str = "{action} for customer {customer}"
    text: str = "Action: {action}. Customer: {customer}."
    days: int = 1
    owner: str | None = None
    kind: str = "TODO"
    id_property: str = "customer_id"
    object: str = "contacts"
    base_url: str = HubSpot.base_url
    batch: int = 1

    def __post_init__(self) -> None:
        check_secret("HubSpotTasks", "key", self.key)
        if self.object not in _ASSOCIATIONS:
            raise ConnectError(f"HubSpotTasks: object must be one of {', '.join(_ASSOCIATIONS)}")
        if self.kind not in {"TODO", "CALL", "EMAIL"}:
            raise ConnectError("HubSpotTasks: kind must be TODO, CALL or EMAIL")

    @property
    def repeatable(self) -> bool:
        """HubSpot has no key that prevents a second task."""
        return False

    @property
    def undoable(self) -> bool:
        """Tasks stay."""
        return False

    def open(self, name: str, link: Link) -> _Tasks:
        """Open the destination."""
        return _Tasks(name, self, open_hubspot(name, link, self.base_url, self.key))


class _Tasks:
    def __init__(self, name: str, settings: HubSpotTasks, client: Client) -> None:
        self._name, self._settings, self._client = name, settings, client

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Create the task of each message; customers without a record are rejected."""
        settings = self._settings
        customers = [message.customer for message in messages]
        ids = record_ids(self._client, settings.object, settings.id_property, customers)
        return [self._create(message, ids.get(message.customer)) for message in messages]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"{self._name}: {len(messages)} tasks cannot be undone")

    def _create(self, message: Message, record: str | None) -> Receipt:
        if record is None:
            return Receipt(message.decision, "OBJECT_NOT_FOUND")
        try:
            self._client.send(
                "POST",
                "/crm/v3/objects/tasks",
                json_body=self._task(message, record),
                repeatable=False,
            )
        except StatusError as error:
            if error.status in {401, 403, 404}:
                raise
            return Receipt(message.decision, error.code or str(error.status))
        return Receipt(message.decision)

    def _task(self, message: Message, record: str) -> dict[str, Any]:
        settings = self._settings
        due = message.decided_at + timedelta(days=settings.days)
        properties = {
            "hs_timestamp": due.isoformat(),
            "hs_task_subject": fill_text(settings.subject, message),
            "hs_task_body": fill_text(settings.text, message),
            "hs_task_status": "NOT_STARTED",
            "hs_task_type": settings.kind,
        }
        owner = None if settings.owner is None else message.value(settings.owner)
        if owner is not None:
            properties["hubspot_owner_id"] = str(owner)
        number = _ASSOCIATIONS[settings.object]
        types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}]
        return {"properties": properties, "associations": [{"to": {"id": record}, "types": types}]}

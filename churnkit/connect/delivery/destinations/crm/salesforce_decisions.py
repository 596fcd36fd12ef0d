"""Salesforce: a task or a campaign member per action, by an external id that is the decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.destinations.crm.salesforce import (
    SalesforceOrganization,
    upsert_records,
)
from churnkit.connect.delivery.destinations.webhook import fill_text
from churnkit.connect.delivery.messages import Receipt
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client

__all__ = ["SalesforceCampaignMembers", "SalesforceTasks"]

# The customer already is a member of the campaign.
_DUPLICATE = "DUPLICATE_VALUE"


@dataclass(frozen=True, slots=True)
class _Work(SalesforceOrganization):
    @property
    def repeatable(self) -> bool:
        """The external id is the key of the decision, so that a second one changes nothing."""
        return True

    @property
    def undoable(self) -> bool:
        """What people have begun stays."""
        return False


@dataclass(frozen=True, slots=True)
class SalesforceTasks(_Work):
    """Tasks in Salesforce, one per action, on the record of the customer.

    Parameters
    ----------
    base_url
        URL of the organization: ``https://NAME.my.salesforce.com``.
    client_id, client_secret
        Secrets of a connected app with the client credentials flow.
    id_field
        External id field of tasks that holds the decision: a unique text field of activities.
    customer_field
        External id field of the customers' records.
    object
        Type of the customers' records; tasks of contacts and leads are related by ``Who``, all
        others by ``What``.
    subject, text
        Texts; ``{name}`` is a column.
    days
        Days from the decision until the task is due.
    owner
        Column of the plan with the id of the owner; None for the user of the connected app.
    batch
        Tasks per request, at most 200.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> SalesforceTasks(
    ...     "https://acme.my.salesforce.com", client_id=Env("ID"), client_secret=Env("SECRET")
    ... ).repeatable
    True
    """

    id_field: str = "Churnkit_Decision__c"
    customer_field: str = "Churnkit_Id__c"
    object: str = "Account"
    subject: str = "{action} for customer {customer}"
    text: str = "Action: {action}. Customer: {customer}."
    days: int = 1
    owner: str | None = None
    batch: int = 200

    def open(self, name: str, link: Link) -> _Upserts:
        """Open the destination."""
        return _Upserts(name, self.client(name, link), "Task", self.id_field, self._record)

    def _record(self, message: Message) -> dict[str, Any]:
        relation = "Who" if self.object in {"Contact", "Lead"} else "What"
        due = message.decided_at + timedelta(days=self.days)
        record = {
            self.id_field: message.decision,
            relation: {"attributes": {"type": self.object}, self.customer_field: message.customer},
            "Subject": fill_text(self.subject, message)[:255],
            "Description": fill_text(self.text, message),
            "ActivityDate": due.date().isoformat(),
        }
        owner = None if self.owner is None else message.value(self.owner)
        return record if owner is None else {**record, "OwnerId": str(owner)}


@dataclass(frozen=True, slots=True)
class SalesforceCampaignMembers(_Work):
    """Members of Salesforce campaigns, one campaign per action.

    Parameters
    ----------
    base_url
        URL of the organization: ``https://NAME.my.salesforce.com``.
    client_id, client_secret
        Secrets of a connected app with the client credentials flow.
    campaigns
        Id of the campaign by action.
    id_field
        External id field of campaign members that holds the decision.
    customer_field
        External id field of contacts or leads that holds the customer's id.
    object
        Type of the customers' records: Contact or Lead.
    batch
        Members per request, at most 200.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> SalesforceCampaignMembers(
    ...     "https://acme.my.salesforce.com",
    ...     client_id=Env("ID"),
    ...     client_secret=Env("SECRET"),
    ...     campaigns={"email": "701000000000001AAA"},
    ... ).batch
    200
    """

    campaigns: Mapping[str, str] = field(default_factory=dict)
    id_field: str = "Churnkit_Decision__c"
    customer_field: str = "Churnkit_Id__c"
    object: str = "Contact"
    batch: int = 200

    def __post_init__(self) -> None:
        SalesforceOrganization.__post_init__(self)
        if not self.campaigns:
            raise ConnectError(
                "SalesforceCampaignMembers: pass campaigns={'ACTION': 'CAMPAIGN ID'}"
            )
        if self.object not in {"Contact", "Lead"}:
            raise ConnectError("SalesforceCampaignMembers: object must be Contact or Lead")

    def open(self, name: str, link: Link) -> _Upserts:
        """Open the destination."""
        client = self.client(name, link)
        return _Upserts(name, client, "CampaignMember", self.id_field, self._record)

    def _record(self, message: Message) -> dict[str, Any] | None:
        campaign = self.campaigns.get(message.action)
        if campaign is None:
            return None
        customer = {self.customer_field: message.customer}
        return {self.id_field: message.decision, "CampaignId": campaign, self.object: customer}


class _Upserts:
    """Upserts of one record per message; a message without a record has no campaign."""

    def __init__(
        self,
        name: str,
        client: Client,
        kind: str,
        id_field: str,
        record: Callable[[Message], dict[str, Any] | None],
    ) -> None:
        self._name, self._client, self._kind, self._id_field = name, client, kind, id_field
        self._record = record

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Write the records of a batch."""
        records = {message.decision: self._record(message) for message in messages}
        written = {key: record for key, record in records.items() if record is not None}
        reasons: dict[str, str | None] = dict.fromkeys(records, "NO_CAMPAIGN_OF_ACTION")
        if written:
            found = upsert_records(self._client, self._kind, self._id_field, list(written.values()))
            reasons |= dict(zip(written, found, strict=True))
        return [
            Receipt(key, None if reason == _DUPLICATE else reason)
            for key, reason in reasons.items()
        ]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"{self._name}: {len(messages)} {self._kind} records cannot be undone")

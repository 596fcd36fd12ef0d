"""Zendesk: a ticket per action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.connect.delivery.destinations.webhook import fill_text
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.http.client import StatusError
from churnkit.connect.http.rate_limit import RatePolicy
from churnkit.connect.providers.support.zendesk import Zendesk
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["ZendeskTickets"]

_RATE = RatePolicy(3.0, burst=10, remaining="x-rate-limit-remaining")


@dataclass(frozen=True, slots=True)
class ZendeskTickets:
    """Tickets in Zendesk, one per action; an interrupted one may be created twice after two hours.

    Parameters
    ----------
    subdomain, email
        Subdomain, and address of the user of the token.
    key
        Secret API token.
    subject, text
        Texts; ``{name}`` is a column.
    tags
        Tags of the tickets.
    base_url
        URL of the interface; follows from the subdomain if None.
    batch
        Messages in one call; each is a request.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> ZendeskTickets("acme", "ann@example.com", Env("ZENDESK_TOKEN")).repeatable
    False
    """

    subdomain: str
    email: str
    key: Secret
    subject: str = "{action} for customer {customer}"
    text: str = "Action: {action}. Customer: {customer}."
    tags: tuple[str, ...] = ("churnkit",)
    base_url: str | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        check_secret("ZendeskTickets", "key", self.key)

    @property
    def repeatable(self) -> bool:
        """The idempotency key prevents a second ticket only for two hours."""
        return False

    @property
    def undoable(self) -> bool:
        """Tickets stay."""
        return False

    def open(self, name: str, link: Link) -> _Tickets:
        """Open the destination."""
        client = link.client(
            name,
            self.base_url or Zendesk.base_url.format(subdomain=self.subdomain),
            auth=Zendesk.auth,
            secret=lambda _: self.key.resolve(),
            settings={"email": self.email},
            rate=_RATE,
        )
        return _Tickets(name, self, client)


class _Tickets:
    def __init__(self, name: str, settings: ZendeskTickets, client: Client) -> None:
        self._name, self._settings, self._client = name, settings, client

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Create a ticket for each action."""
        return [self._create(message) for message in messages]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"{self._name}: {len(messages)} tickets cannot be undone")

    def _create(self, message: Message) -> Receipt:
        settings = self._settings
        ticket = {
            "subject": fill_text(settings.subject, message),
            "comment": {"body": fill_text(settings.text, message), "public": False},
            "tags": list(settings.tags),
            "external_id": message.decision,
        }
        headers = {"Idempotency-Key": message.decision}
        try:
            self._client.send(
                "POST", "/api/v2/tickets.json", json_body={"ticket": ticket}, headers=headers
            )
        except StatusError as error:
            if error.status in {401, 403, 404}:
                raise
            return Receipt(message.decision, error.code or str(error.status))
        return Receipt(message.decision)

"""Klaviyo: actions as events of profiles, which start flows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.http.auth import HeaderKey
from churnkit.connect.http.client import StatusError
from churnkit.connect.http.rate_limit import RatePolicy
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["KlaviyoEvents"]

_REVISION = "2025-01-15"
_RATE = RatePolicy(50.0, burst=100)


@dataclass(frozen=True, slots=True)
class KlaviyoEvents:
    """Events of Klaviyo profiles, by their external id; a flow of the metric carries them out.

    Klaviyo keeps the first of several events with one id, which is the key of the decision.

    Parameters
    ----------
    key
        Secret private key with the scope ``events:write``.
    metric
        Name of the metric.
    properties
        Column of the plan by property of the event.
    base_url
        URL of the interface.
    batch
        Messages in one call; each is a request.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> KlaviyoEvents(Env("KLAVIYO_KEY")).repeatable
    True
    """

    key: Secret
    metric: str = "Retention action"
    properties: Mapping[str, str] = field(default_factory=lambda: {"action": "action"})
    base_url: str = "https://a.klaviyo.com"
    batch: int = 20

    def __post_init__(self) -> None:
        check_secret("KlaviyoEvents", "key", self.key)

    @property
    def repeatable(self) -> bool:
        """Klaviyo leaves repeated ids out."""
        return True

    @property
    def undoable(self) -> bool:
        """Events stay."""
        return False

    def open(self, name: str, link: Link) -> _Events:
        """Open the destination."""
        client = link.client(
            name,
            self.base_url,
            auth=HeaderKey(prefix="Klaviyo-API-Key "),
            secret=lambda _: self.key.resolve(),
            rate=_RATE,
            headers={"revision": _REVISION},
        )
        return _Events(self, client)


class _Events:
    def __init__(self, destination: KlaviyoEvents, client: Client) -> None:
        self._destination, self._client = destination, client

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Create an event for each action."""
        return [self._create(message) for message in messages]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"Klaviyo cannot undo {len(messages)} events")

    def _create(self, message: Message) -> Receipt:
        settings = self._destination
        profile = {"type": "profile", "attributes": {"external_id": message.customer}}
        metric = {"type": "metric", "attributes": {"name": settings.metric}}
        attributes = {
            "unique_id": message.decision,
            "time": message.decided_at.isoformat(),
            "properties": {
                name: message.value(column) for name, column in settings.properties.items()
            },
            "metric": {"data": metric},
            "profile": {"data": profile},
        }
        body = {"data": {"type": "event", "attributes": attributes}}
        try:
            self._client.send("POST", "/api/events", json_body=body)
        except StatusError as error:
            if error.status in {401, 403, 404}:
                raise
            return Receipt(message.decision, error.code or str(error.status))
        return Receipt(message.decision)

"""Braze: actions as attributes of users."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from churnkit.connect.delivery.destinations.record_fields import FieldSender, SetsFields
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.http.auth import HeaderKey
from churnkit.connect.http.rate_limit import RatePolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["BrazeUsers"]

# The limits reset on the hour, without Retry-After.
_RATE = RatePolicy(
    100.0, burst=100, remaining="x-ratelimit-remaining", reset="x-ratelimit-reset", unit="unix"
)


@dataclass(frozen=True, slots=True)
class BrazeUsers(SetsFields):
    """Custom attributes of Braze users, by their external id.

    Parameters
    ----------
    base_url
        URL of the REST endpoint: ``https://rest.iad-01.braze.com``.
    key
        Secret REST key with the permission ``users.track``.
    attributes
        Column of the plan by attribute.
    create
        Whether to create users that Braze does not have.
    batch
        Users per request, at most 75.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> BrazeUsers("https://rest.iad-01.braze.com", Env("BRAZE_KEY")).batch
    75
    """

    base_url: str
    key: Secret
    attributes: Mapping[str, str] = field(default_factory=lambda: {"churnkit_action": "action"})
    create: bool = False
    batch: int = 75

    def __post_init__(self) -> None:
        check_secret("BrazeUsers", "key", self.key)

    def open(self, name: str, link: Link) -> _Users:
        """Open the destination."""
        client = link.client(
            name,
            self.base_url,
            auth=HeaderKey(),
            secret=lambda _: self.key.resolve(),
            rate=_RATE,
        )
        return _Users(self, client)


class _Users(FieldSender):
    def __init__(self, destination: BrazeUsers, client: Client) -> None:
        super().__init__(client, destination.attributes)
        self._destination = destination

    def _write(
        self, messages: Sequence[Message], values: Sequence[Mapping[str, Any]]
    ) -> list[Receipt]:
        existing = not self._destination.create
        users = [
            {"external_id": message.customer, "_update_existing_only": existing, **row}
            for message, row in zip(messages, values, strict=True)
        ]
        response = self._client.send("POST", "/users/track", json_body={"attributes": users})
        # Users without an entry in the list of errors were accepted.
        reasons = {
            error.get("index"): str(error.get("type") or "REJECTED")[:100]
            for error in json.loads(response.body).get("errors") or ()
            if isinstance(error, dict)
        }
        return [Receipt(m.decision, reasons.get(index)) for index, m in enumerate(messages)]

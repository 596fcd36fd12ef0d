"""Signed webhooks with CloudEvents, and messages to Slack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.connect.delivery.webhook_signatures import sign_webhook
from churnkit.connect.http.auth import NoAuth
from churnkit.connect.http.client import StatusError
from churnkit.connect.http.rate_limit import RatePolicy
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.http.client import Client
    from churnkit.connect.secrets import Secret

__all__ = ["SlackMessages", "Webhook"]

_RATE = RatePolicy(10.0, burst=10)
_EVENTS = {
    "action": "churnkit.action.decided",
    "alert": "churnkit.alert",
    "report": "churnkit.report",
}
_SLACK_RATE = RatePolicy(1.0)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Signed webhooks: a CloudEvents envelope per action, by the Standard Webhooks specification.

    The id of a webhook is the key of its decision, so that a receiver leaves repeated ones out.

    Parameters
    ----------
    url
        URL of the receiver.
    secret
        Secret of the signature: ``whsec_`` and base64.
    batch
        Messages in one call; each is a request.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> Webhook("https://hooks.example.com/churnkit", secret=Env("HOOK_SECRET")).repeatable
    True
    """

    url: str
    secret: Secret
    batch: int = 20

    def __post_init__(self) -> None:
        check_secret("Webhook", "secret", self.secret)

    @property
    def repeatable(self) -> bool:
        """Receivers recognize the id."""
        return True

    @property
    def undoable(self) -> bool:
        """A webhook ``churnkit.action.undone`` withdraws an action."""
        return True

    def open(self, name: str, link: Link) -> _Webhooks:
        """Open the destination."""
        return _Webhooks(name, self.url, self.secret.resolve(), link)


class _Webhooks:
    def __init__(self, name: str, url: str, secret: str, link: Link) -> None:
        self._name, self._secret, self._clock = name, secret, link.clock
        self._client, self._path = _client(name, url, _RATE, link)

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Send a webhook for each action."""
        return [self._post(message, _EVENTS[message.kind]) for message in messages]

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Send a webhook that withdraws each action."""
        return [self._post(message, "churnkit.action.undone") for message in messages]

    def _post(self, message: Message, kind: str) -> Receipt:
        is_undone = kind.endswith("undone")
        identifier = f"{message.decision}-undone" if is_undone else message.decision
        event = {
            "specversion": "1.0",
            "id": identifier,
            "source": f"churnkit/{self._name}",
            "type": kind,
            "time": message.decided_at.isoformat(),
            "datacontenttype": "application/json",
            "data": message.to_dict(),
        }
        body = json.dumps(event, default=str).encode()
        headers = sign_webhook(self._secret, identifier, self._clock.now(), body)
        headers["Content-Type"] = "application/cloudevents+json"
        return _receipt(self._client, self._path, message, body, headers)


@dataclass(frozen=True, slots=True)
class SlackMessages:
    """Messages to a Slack channel by an incoming webhook; an interrupted one may arrive twice.

    Parameters
    ----------
    url
        Secret URL of the incoming webhook.
    text
        Text of a message; ``{name}`` is a column.
    batch
        Messages in one call; each is a request.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> SlackMessages(Env("SLACK_URL"), text="{customer}: {action}").repeatable
    False
    """

    url: Secret
    text: str = "{action} for customer {customer}"
    batch: int = 1

    def __post_init__(self) -> None:
        check_secret("SlackMessages", "url", self.url)

    @property
    def repeatable(self) -> bool:
        """Slack does not recognize a repeated message."""
        return False

    @property
    def undoable(self) -> bool:
        """Messages stay."""
        return False

    def open(self, name: str, link: Link) -> _Slack:
        """Open the destination."""
        return _Slack(name, self, link)


class _Slack:
    def __init__(self, name: str, destination: SlackMessages, link: Link) -> None:
        self._text = destination.text
        self._client, self._path = _client(name, destination.url.resolve(), _SLACK_RATE, link)

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Post a message for each action."""
        receipts = []
        for message in messages:
            text = fill_text(self._text, message)
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            body = json.dumps({"text": escaped}).encode()
            headers = {"Content-Type": "application/json"}
            receipts.append(
                _receipt(self._client, self._path, message, body, headers, repeatable=False)
            )
        return receipts

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"Slack cannot undo {len(messages)} messages")


def fill_text(template: str, message: Message) -> str:
    """Fill ``{name}`` with columns of a message.

    Examples
    --------
    >>> from datetime import datetime
    >>> from churnkit.connect.delivery.messages import Message
    >>> fill_text("{action}: {customer}", Message("k", "c1", "call", datetime(2026, 11, 1)))
    'call: c1'
    """

    class Columns(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return str(message.value(name))

    return template.format_map(Columns())


def _client(name: str, url: str, rate: RatePolicy, link: Link) -> tuple[Client, str]:
    parts = urlsplit(url)
    client = link.client(
        name,
        f"{parts.scheme}://{parts.netloc}",
        auth=NoAuth(),
        secret=lambda _: "",
        rate=rate,
        hides_paths=True,
    )
    return client, f"{parts.path}{'?' + parts.query if parts.query else ''}"


def _receipt(
    client: Client,
    path: str,
    message: Message,
    body: bytes,
    headers: dict[str, str],
    *,
    repeatable: bool = True,
) -> Receipt:
    try:
        client.send("POST", path, body=body, headers=headers, repeatable=repeatable)
    except StatusError as error:
        if error.status in {401, 403, 404, 410}:
            raise
        return Receipt(message.decision, error.code or str(error.status))
    return Receipt(message.decision)

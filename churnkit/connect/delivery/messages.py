"""Messages to destinations and their receipts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from churnkit.connect.http.client import Client
from churnkit.connect.secrets import Secret
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from random import Random

    from churnkit.connect.http.clock import Clock
    from churnkit.connect.http.transport import Transport

__all__ = ["Destination", "Link", "Message", "Receipt", "Sender", "check_secret"]


@dataclass(frozen=True, slots=True)
class Message:
    """An action for a customer.

    Parameters
    ----------
    decision
        Key of the decision, which makes the delivery repeatable.
    customer
        Entity id as text.
    action
        Name of the action.
    decided_at
        Time of the decision.
    fields
        Further columns of the plan.
    kind
        ``"action"``; ``"alert"`` and ``"report"`` are messages that are no decisions.
    """

    decision: str
    customer: str
    action: str
    decided_at: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["action", "alert", "report"] = "action"

    def value(self, name: str) -> Any:
        """Return a column by name: ``customer``, ``action``, ``decision`` or one of the plan.

        Examples
        --------
        >>> from datetime import datetime
        >>> Message("k", "c1", "call", datetime(2026, 11, 1), {"cost": 2.0}).value("cost")
        2.0
        """
        if name in {"customer", "action", "decision"}:
            return getattr(self, name)
        if name == "decided_at":
            return self.decided_at.isoformat()
        if name not in self.fields:
            raise ConnectError(
                f"the plan has no column '{name}', which the destination sends: correct its fields"
            )
        return self.fields[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the message as JSON-able data."""
        return {
            "decision": self.decision,
            "customer": self.customer,
            "action": self.action,
            "decided_at": self.decided_at.isoformat(),
            **self.fields,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """Result of one message.

    Parameters
    ----------
    decision
        Key of the decision.
    reason
        Code of the error; None if the message was accepted.
    """

    decision: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Connection, clock and random numbers of a delivery.

    Parameters
    ----------
    transport, clock, jitter
        As in `churnkit.connect.pull`.
    """

    transport: Transport
    clock: Clock
    jitter: Random

    def client(self, name: str, base_url: str, **options: Any) -> Client:
        """Return a client on this connection; options as of `churnkit.connect.http.client.Client`."""
        return Client(
            name,
            base_url,
            transport=self.transport,
            clock=self.clock,
            jitter=self.jitter,
            **options,
        )


class Sender(Protocol):
    """An open destination."""

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Send messages; return a receipt for each."""
        ...

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Undo earlier messages; return a receipt for each."""
        ...


class Destination(Protocol):
    """A declared destination."""

    @property
    def batch(self) -> int:
        """Most messages in one call."""
        ...

    @property
    def repeatable(self) -> bool:
        """True if a message that is sent twice has the effect of one."""
        ...

    @property
    def undoable(self) -> bool:
        """True if messages can be undone."""
        ...

    def open(self, name: str, link: Link) -> Sender:
        """Open the destination."""
        ...


def check_secret(destination: str, name: str, value: Any) -> None:
    """Refuse a secret that is given as text.

    Raises
    ------
    ConnectError
        If the value is not a reference to a secret.
    """
    if not isinstance(value, Secret):
        raise ConnectError(
            f"{destination}: {name} is a secret and must not be written into the file: pass "
            "Env('NAME'), SecretFile('PATH') or Command('...')"
        )

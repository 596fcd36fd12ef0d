"""Webhooks of providers as outcomes in the journal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from churnkit.connect.delivery.webhook_signatures import verify_stripe, verify_webhook
from churnkit.connect.description.columns import KINDS, split_column
from churnkit.connect.description.row_paths import value_at
from churnkit.connect.secrets import Secret
from churnkit.core.time import from_microseconds
from churnkit.errors import ConnectError, JournalError
from churnkit.journal import OutcomeRecord, decision_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

__all__ = ["Hook", "Hooks", "StripeHook", "read_outcome"]


@dataclass(frozen=True, slots=True)
class Hook:
    """Signed webhooks that report outcomes of customers.

    Parameters
    ----------
    secret
        Secret of the signature.
    outcomes
        Kind of outcome by the type of the event; other events are accepted and left out.
    earlier
        Earlier secrets that are still accepted.
    type, id, at
        Paths of the event's type, id and time (``"path:kind"``, as columns of a stream).
    customer, decision
        Paths of the customer's id and of the key of a decision; at least one must have a value.
    value
        Path of the outcome's value, such as an amount; 1 if empty.
    signature
        ``"standard"`` for the Standard Webhooks specification, ``"stripe"`` for Stripe's header.

    Raises
    ------
    ConnectError
        If a secret is given as text.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> Hook(Env("HOOK_SECRET"), {"account.closed": "churned"}).signature
    'standard'
    """

    secret: Secret
    outcomes: Mapping[str, str]
    earlier: tuple[Secret, ...] = ()
    type: str = "type"
    id: str = "id"
    at: str = "time:time"
    customer: str = "data.customer"
    decision: str = "data.decision"
    value: str = ""
    signature: Literal["standard", "stripe"] = field(default="standard")

    def __post_init__(self) -> None:
        if not all(isinstance(secret, Secret) for secret in (self.secret, *self.earlier)):
            raise ConnectError(
                "hook: pass the secret as Env('NAME'), SecretFile('PATH') or Command"
            )

    def resolve(self) -> tuple[str, ...]:
        """Return the values of the current and the earlier secrets."""
        return tuple(secret.resolve() for secret in (self.secret, *self.earlier))


def StripeHook(  # noqa: N802 - one of the kinds
    secret: Secret,
    outcomes: Mapping[str, str] | None = None,
    *,
    customer: str = "data.object.customer",
) -> Hook:
    """Return the hook of a Stripe endpoint.

    Parameters
    ----------
    secret
        Signing secret of the endpoint.
    outcomes
        Kind of outcome by the type of the event; default: a deleted subscription is
        ``"churned"``.
    customer
        Path of the customer's id in the event.

    Returns
    -------
    Hook
        A hook for Stripe's events.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> StripeHook(Env("STRIPE_HOOK")).outcomes
    {'customer.subscription.deleted': 'churned'}
    """
    kinds = {"customer.subscription.deleted": "churned"} if outcomes is None else outcomes
    return Hook(secret, kinds, at="created:seconds", customer=customer, signature="stripe")


class Hooks:
    """Declared hooks by name, which is the end of the URL ``/v1/hooks/NAME``.

    Parameters
    ----------
    **hooks
        Hooks, such as ``billing=StripeHook(Env("STRIPE_HOOK"))``.

    Raises
    ------
    ConnectError
        If a value is not a hook.

    Examples
    --------
    >>> from churnkit.connect import Env
    >>> list(Hooks(billing=StripeHook(Env("STRIPE_HOOK"))))
    ['billing']
    """

    def __init__(self, **hooks: Hook) -> None:
        for name, hook in hooks.items():
            if not isinstance(hook, Hook):
                raise ConnectError(f"hook '{name}' is not a Hook: declare {name}=StripeHook(...)")
        self._hooks = hooks

    def __iter__(self) -> Iterator[str]:
        return iter(self._hooks)

    def __getitem__(self, name: str) -> Hook:
        return self._hooks[name]


def read_outcome(
    name: str,
    hook: Hook,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    secrets: tuple[str, ...] | None = None,
) -> OutcomeRecord | None:
    """Check a webhook and return its outcome.

    A webhook that arrives again has the same key, so that the journal keeps one outcome.

    Parameters
    ----------
    name, hook
        Name of the hook, and the hook.
    headers
        Headers by lower-case name.
    body
        The body as it was received.
    now
        Time of the arrival.
    secrets
        Resolved secrets; those of the hook if None.

    Returns
    -------
    OutcomeRecord or None
        The outcome; None for a type that is not listed.

    Raises
    ------
    SignatureError
        If the signature does not match, or its time is more than five minutes away.
    ConnectError
        If the body lacks the id, the time, or the customer.
    """
    secrets = hook.resolve() if secrets is None else secrets
    if hook.signature == "stripe":
        verify_stripe(secrets, headers, body, now=now)
    else:
        verify_webhook(secrets, headers, body, now=now)
    try:
        event = json.loads(body)
    except ValueError:
        raise ConnectError(f"hook '{name}': the body is not JSON") from None
    kind = hook.outcomes.get(str(value_at(event, hook.type)))
    if kind is None:
        return None
    identifier = value_at(event, hook.id)
    if not isinstance(identifier, str) or not identifier:
        raise ConnectError(f"hook '{name}': the event has no id at '{hook.id}'")
    try:
        return OutcomeRecord(
            decision_key("hook", name, identifier),
            kind,
            float(value_at(event, hook.value)) if hook.value else 1.0,
            _time(hook, event),
            _text(value_at(event, hook.customer)),
            _text(value_at(event, hook.decision)),
            {"hook": name},
        )
    except (JournalError, TypeError, ValueError, OverflowError):
        raise ConnectError(
            f"hook '{name}': the event lacks the time, the customer or the value: correct the "
            "paths of the hook"
        ) from None


def _time(hook: Hook, event: Any) -> datetime:
    path, kind = split_column(hook.at)
    return from_microseconds(KINDS[kind](value_at(event, path)))


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and value != "" else None

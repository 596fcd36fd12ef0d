"""Signatures of webhooks by the Standard Webhooks specification, and Stripe's kind."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["SignatureError", "sign_webhook", "verify_stripe", "verify_webhook"]

_PREFIX = "whsec_"
_TOLERANCE_SECONDS = 300


class SignatureError(ConnectError):
    """A webhook is not signed with the secret, or its time is too far away."""


def sign_webhook(secret: str, identifier: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of a signed webhook.

    Parameters
    ----------
    secret
        ``whsec_`` and 24 to 64 bytes in base64.
    identifier
        Id of the message; the same for each attempt.
    at
        Time of the attempt.
    body
        The body.

    Returns
    -------
    dict
        ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``.

    References
    ----------
    Standard Webhooks specification, https://www.standardwebhooks.com.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> at = datetime.fromtimestamp(1614265330, timezone.utc)
    >>> secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    >>> sign_webhook(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')[
    ...     "webhook-signature"
    ... ]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{_signature(secret, identifier, timestamp, body)}",
    }


def verify_webhook(
    secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
) -> str:
    """Check the signature of a webhook and return its id.

    Parameters
    ----------
    secrets
        Current secrets; several while one replaces another.
    headers
        Headers by lower-case name.
    body
        The body as it was received.
    now
        Time of the arrival; webhooks of more than five minutes before or after are rejected.

    Returns
    -------
    str
        Id of the message.

    Raises
    ------
    SignatureError
        If no secret matches, or the time is too far away.
    """
    identifier = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    _check_time(timestamp, now)
    received = [
        part.partition(",")[2]
        for part in headers.get("webhook-signature", "").split(" ")
        if part.startswith("v1,")
    ]
    for secret in secrets:
        expected = _signature(secret, identifier, timestamp, body)
        if any(_equal(expected, part) for part in received):
            return identifier
    raise SignatureError("the webhook is not signed with the secret")


def verify_stripe(
    secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, *, now: datetime
) -> None:
    """Check the header ``Stripe-Signature`` of a webhook.

    Parameters
    ----------
    secrets, headers, body, now
        As in `verify_webhook`.

    Raises
    ------
    SignatureError
        If no secret matches, or the time is too far away.
    """
    pairs = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    timestamp = next((value for name, _, value in pairs if name == "t"), "")
    received = [value for name, _, value in pairs if name == "v1"]
    _check_time(timestamp, now)
    for secret in secrets:
        signed = timestamp.encode() + b"." + body
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        if any(_equal(expected, part) for part in received):
            return
    raise SignatureError("the webhook is not signed with the secret")


def _check_time(timestamp: str, now: datetime) -> None:
    is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16
    if not is_number or abs(int(timestamp) - now.timestamp()) > _TOLERANCE_SECONDS:
        raise SignatureError("the time of the webhook is more than five minutes away")


def _signature(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ConnectError("the secret of the webhook is not base64: copy it again") from None
    signed = f"{identifier}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _equal(expected: str, received: str) -> bool:
    return hmac.compare_digest(expected.encode(), received.encode("utf-8", "replace"))

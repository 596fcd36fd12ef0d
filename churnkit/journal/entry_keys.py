"""Names of entries that are made from what they are about, and the digest of a body."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from churnkit.errors import JournalError

__all__ = ["MICROSECONDS_A_DAY", "body_digest", "decision_key", "moment", "to_microseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MICROSECONDS_A_DAY = 86_400_000_000


def decision_key(*parts: str | int | None) -> str:
    """Give the key of a decision that happens once: the same parts give the same key.

    Parameters
    ----------
    parts
        What there is one decision of: policy, period, customer.

    Examples
    --------
    >>> decision_key("shop", "2026-11", "c1") == decision_key("shop", "2026-11", "c1")
    True
    >>> len(decision_key("shop", "2026-11", "c1"))
    32

    """
    said = json.dumps([None if part is None else str(part) for part in parts])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def body_digest(body: dict[str, Any]) -> str:
    """Give the digest of an entry's body, whatever the order of its keys."""
    said = json.dumps(body, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def moment(said: str, value: date | datetime) -> datetime:
    """Give a time in UTC; a date is its midnight, a time without a zone is UTC already.

    Examples
    --------
    >>> moment("as_of", date(2026, 11, 1)).isoformat()
    '2026-11-01T00:00:00+00:00'
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise JournalError(f"{said} must be a date or a time, not {type(value).__name__}")


def to_microseconds(value: datetime) -> int:
    """Give whole microseconds since 1970, UTC."""
    return (value - _EPOCH) // _MICROSECOND

"""Keys and digests of journal entries, and times as integers."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any

from churnkit.errors import JournalError

__all__ = ["MICROSECONDS_A_DAY", "body_digest", "decision_key", "moment"]

MICROSECONDS_A_DAY = 86_400_000_000


def decision_key(*parts: str | int | None) -> str:
    """Return a deterministic key: the same parts give the same key.

    Parameters
    ----------
    *parts
        Parts that identify one decision: policy, period, customer.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> decision_key("shop", "2026-11", "c1") == decision_key("shop", "2026-11", "c1")
    True
    >>> len(decision_key("shop", "2026-11", "c1"))
    32

    """
    text = json.dumps([None if part is None else str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def body_digest(body: dict[str, Any]) -> str:
    """Return the SHA-256 of an entry's body; the order of its keys does not matter."""
    text = json.dumps(body, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def moment(field: str, value: date | datetime) -> datetime:
    """Convert a date (midnight) or a time to UTC; a time without a zone is in UTC.

    Examples
    --------
    >>> moment("as_of", date(2026, 11, 1)).isoformat()
    '2026-11-01T00:00:00+00:00'
    """
    if isinstance(value, datetime):
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise JournalError(f"{field} must be within the years 1 to 9999 in UTC") from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise JournalError(f"{field} must be a date or a time, not {type(value).__name__}")

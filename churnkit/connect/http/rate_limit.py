"""Rate limits: token bucket with additive increase and multiplicative decrease, reset headers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from churnkit.errors import QuotaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.connect.http.clock import Clock

__all__ = ["RatePolicy", "TokenBucket", "check_quota", "retry_after", "used_share"]

_LOWEST = 1.0 / 60.0
_YEAR_2001 = 1e9


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """Rate limit of a provider.

    Parameters
    ----------
    per_second
        Highest number of requests per second.
    burst
        Highest number of requests at once.
    remaining, reset
        Headers with the number of requests left, and with the time until more are allowed.
    unit
        Unit of `reset`: seconds or milliseconds from now, or seconds since 1970.
    daily
        Headers with the daily limit and the number of requests left of it; or one header with
        ``used/limit``.
    limited
        Error codes that mean a rate limit where the status is not 429.
    """

    per_second: float
    burst: int = 1
    remaining: str | None = None
    reset: str | None = None
    unit: Literal["seconds", "milliseconds", "unix"] = "seconds"
    daily: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()


class TokenBucket:
    """Token bucket whose rate increases by steps after successes and halves after a rate limit.

    Parameters
    ----------
    policy
        Highest rate and burst.
    clock
        Clock that it waits on.

    Examples
    --------
    >>> from churnkit.connect.http.clock import SystemClock
    >>> bucket = TokenBucket(RatePolicy(per_second=8), SystemClock())
    >>> bucket.decrease()
    >>> bucket.rate
    4.0
    """

    def __init__(self, policy: RatePolicy, clock: Clock) -> None:
        self.policy = policy
        self.rate: float = float(policy.per_second)
        self._clock = clock
        self._tokens = float(policy.burst)
        self._at = clock.now()

    def acquire(self) -> None:
        """Wait for a token and take it."""
        self._refill()
        if self._tokens < 1.0:
            self._clock.sleep((1.0 - self._tokens) / self.rate)
            self._refill()
        self._tokens = max(self._tokens - 1.0, 0.0)

    def increase(self) -> None:
        """Raise the rate by a twentieth of the highest rate."""
        self.rate = min(self.rate + 0.05 * self.policy.per_second, self.policy.per_second)

    def decrease(self) -> None:
        """Halve the rate and empty the bucket."""
        self.rate = max(self.rate / 2.0, min(_LOWEST, self.policy.per_second))
        self._tokens = 0.0

    def _refill(self) -> None:
        now = self._clock.now()
        elapsed = max((now - self._at).total_seconds(), 0.0)
        self._tokens = min(self._tokens + elapsed * self.rate, float(self.policy.burst))
        self._at = now


def retry_after(headers: Mapping[str, str], policy: RatePolicy, now: datetime) -> float | None:
    """Return the seconds that a response asks to wait; None if it does not.

    Parameters
    ----------
    headers
        Headers by lower-case name: ``retry-after`` as seconds or as a date, or the provider's
        reset header.
    policy
        Names and units of the provider's headers.
    now
        Time of the response.

    Returns
    -------
    float or None
        Seconds, at least 0.

    Examples
    --------
    >>> at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    >>> retry_after({"retry-after": "7"}, RatePolicy(1), at)
    7.0
    >>> retry_after({"retry-after": "Mon, 30 Nov 2026 12:00:20 GMT"}, RatePolicy(1), at)
    20.0
    """
    text = headers.get("retry-after", "").strip()
    if text:
        seconds = _number(text)
        return _until_date(text, now) if seconds is None else max(seconds, 0.0)
    value = _number(headers.get(policy.reset.lower(), "")) if policy.reset else None
    if value is None:
        return None
    if policy.unit == "milliseconds":
        return max(value / 1000.0, 0.0)
    # Some proxies send the time since 1970 where the provider documents seconds from now.
    is_moment = policy.unit == "unix" or value > _YEAR_2001
    return max(value - now.timestamp() if is_moment else value, 0.0)


def _until_date(text: str, now: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((date - now) / timedelta(seconds=1), 0.0)


def used_share(headers: Mapping[str, str], policy: RatePolicy) -> float | None:
    """Return the used share of the daily quota; None without such a header.

    Examples
    --------
    >>> policy = RatePolicy(1, daily=("sforce-limit-info",))
    >>> used_share({"sforce-limit-info": "api-usage=450/500"}, policy)
    0.9
    """
    values = [headers.get(name.lower(), "") for name in policy.daily]
    if len(values) == 1 and "/" in values[0]:
        used, _, limit = values[0].rpartition("=")[2].partition("/")
        top, count = _number(limit), _number(used)
        return None if not top or count is None else count / top
    if len(values) != 2:
        return None
    top, left = _number(values[0]), _number(values[1])
    return None if not top or left is None else 1.0 - left / top


def check_quota(
    headers: Mapping[str, str], policy: RatePolicy, share: float, provider: str
) -> None:
    """Refuse further requests once the share of the daily quota is used.

    Raises
    ------
    QuotaError
        If the rest of the quota is left to the provider's other programs.
    """
    used = used_share(headers, policy)
    if used is not None and used >= share:
        raise QuotaError(
            f"{provider}: {used:.0%} of the daily requests are used and quota_share is "
            f"{share:.0%}: run the command again tomorrow; it continues where it stopped"
        )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

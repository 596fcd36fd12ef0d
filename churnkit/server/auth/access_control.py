"""Who may ask what, how often, and how many at once."""

from __future__ import annotations

import ipaddress
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from churnkit.errors import ChurnkitError
from churnkit.server.auth.api_keys import KeyRing
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from churnkit.server.auth.api_keys import Key
    from churnkit.server.http.endpoint import Request
    from churnkit.server.settings import Settings

__all__ = ["AccessControl", "Bucket", "is_loopback", "refuse_open_door"]

_BUSY_SECONDS: Final = 1


class Bucket:
    """A token bucket: so many requests a second, and so many at once.

    Examples
    --------
    >>> bucket = Bucket(rate=2.0, burst=1.0, now=0.0)
    >>> bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)
    (0.0, 0.5, 0.0)
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate


class AccessControl:
    """Lets requests in, or says why not.

    Parameters
    ----------
    settings
        Keys, limits, and whether strangers are answered.

    Raises
    ------
    ChurnkitError
        If the file of keys cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ring = KeyRing(settings.keys) if settings.keys else None
        self._buckets: dict[tuple[str, float, float], Bucket] = {}
        self._busy = 0

    @property
    def asks(self) -> bool:
        """Whether keys are asked for."""
        return self._ring is not None

    def admit(self, request: Request, scope: str | None) -> str:
        """Let a request in.

        Parameters
        ----------
        request
            Whose address or key is looked at.
        scope
            What its key must be allowed; None for any key.

        Returns
        -------
        The id of its key; empty where no keys are asked for.

        Raises
        ------
        Problem
            401 without a valid key, 403 for a key without the scope or a stranger where there
            are no keys, 429 for too many requests.
        """
        if self._ring is None:
            client = request.scope.get("client")
            if client is None or self._settings.open or is_loopback(client[0]):
                return ""
            raise Problem(
                403,
                "address",
                "without keys only this machine is answered: start the service with --keys, or "
                "set CHURNKIT_OPEN=1 behind a gateway that asks for keys itself",
            )
        key = self._ring.find(_presented(request))
        if key is None:
            raise Problem(
                401,
                "key",
                "send a valid key with the header authorization: Bearer KEY",
                headers={"www-authenticate": "Bearer"},
            )
        if scope is not None and scope not in key.scopes:
            raise Problem(403, "scope", f"this key may not do that: it lacks the scope '{scope}'")
        self._limit(key)
        return key.id

    def _limit(self, key: Key) -> None:
        rate = self._settings.rate if key.rate is None else key.rate
        burst = self._settings.burst if key.burst is None else key.burst
        now = time.monotonic()
        bucket = self._buckets.get((key.id, rate, burst))
        if bucket is None:
            bucket = Bucket(rate=rate, burst=burst, now=now)
            self._buckets[key.id, rate, burst] = bucket
        seconds = bucket.take(now)
        if seconds:
            raise Problem(
                429,
                "rate",
                f"this key may send {rate:g} requests a second: wait, or send more customers in "
                "each",
                headers={"retry-after": str(math.ceil(seconds))},
            )

    def enter(self) -> None:
        """Take one of the places for questions that are under way; `leave` gives it back.

        Raises
        ------
        Problem
            503 if there is none.
        """
        if self._busy >= self._settings.max_concurrent:
            raise Problem(
                503,
                "busy",
                f"{self._busy} requests are under way: try again soon",
                headers={"retry-after": str(_BUSY_SECONDS)},
            )
        self._busy += 1

    def leave(self) -> None:
        """Give a place back."""
        self._busy -= 1


def _presented(request: Request) -> str:
    said = request.headers.get(b"authorization", b"")
    kind, _, key = said.partition(b" ")
    return key.strip().decode("latin-1") if kind.lower() == b"bearer" else ""


@lru_cache(maxsize=1_024)
def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def refuse_open_door(host: str, *, keys: str | None, unlocked: bool) -> None:
    """Refuse to listen where other machines reach, unless keys are asked for.

    Raises
    ------
    ChurnkitError
        With what to do instead.
    """
    if not (is_loopback(host) or keys or unlocked):
        raise ChurnkitError(
            f"{host} can be reached by other machines and there are no keys: make one with "
            "churnkit keys add, and start with --keys FILE; or listen on 127.0.0.1"
        )

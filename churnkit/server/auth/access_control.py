"""Access control: keys and scopes, rate limits, and concurrency."""

from __future__ import annotations

import ipaddress
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from churnkit.errors import ChurnkitError
from churnkit.server.auth.api_keys import KeyRing
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.server.auth.api_keys import Key
    from churnkit.server.settings import Settings

__all__ = ["AccessControl", "TokenBucket", "is_loopback", "refuse_public_host"]

_BUSY_SECONDS: Final = 1
_FORWARDED: Final = frozenset(
    {
        *(b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"),
        *(b"x-real-ip", b"x-original-forwarded-for", b"true-client-ip", b"cf-connecting-ip"),
    }
)


class TokenBucket:
    """A token bucket: a rate per second with bursts.

    Parameters
    ----------
    rate
        Requests per second.
    burst
        Requests at once; at least 1.
    now
        The current time in seconds.

    Examples
    --------
    >>> bucket = TokenBucket(rate=2.0, burst=1.0, now=0.0)
    >>> bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)
    (0.0, 0.5, 0.0)
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._tokens = self._burst
        self._updated = now

    def take(self, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate


class AccessControl:
    """Admits requests by key, scope, rate and number.

    Parameters
    ----------
    settings
        Keys, limits, and whether other machines are answered without keys.

    Raises
    ------
    ChurnkitError
        If the key file cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = KeyRing(settings.keys) if settings.keys else None
        self._buckets: dict[tuple[str, float, float], TokenBucket] = {}
        self._running = 0

    def admit(
        self, asgi_scope: Mapping[str, Any], headers: Mapping[bytes, bytes], scope: str | None
    ) -> str:
        """Admit a request.

        Parameters
        ----------
        asgi_scope, headers
            Of the request.
        scope
            The scope that its key needs; None for any key.

        Returns
        -------
        str
            The id of its key; empty where no keys are configured.

        Raises
        ------
        Problem
            401 without a valid key; 403 for a key without the scope, or another machine where
            no keys are configured; 429 above the rate.
        """
        if self._keys is None:
            if not self._settings.open:
                _refuse_other_machines(asgi_scope, headers)
            return ""
        key = self._keys.find(_bearer_token(headers))
        if key is None:
            raise Problem(
                401,
                "key",
                "send a valid key with the header authorization: Bearer KEY",
                headers={"www-authenticate": "Bearer"},
            )
        if scope is not None and scope not in key.scopes:
            raise Problem(403, "scope", f"this key lacks the scope '{scope}'")
        self._limit(key)
        return key.id

    def _limit(self, key: Key) -> None:
        rate = self._settings.rate if key.rate is None else key.rate
        burst = self._settings.burst if key.burst is None else key.burst
        now = time.monotonic()
        bucket = self._buckets.get((key.id, rate, burst))
        if bucket is None:
            bucket = TokenBucket(rate=rate, burst=burst, now=now)
            self._buckets[key.id, rate, burst] = bucket
        seconds = bucket.take(now)
        if seconds:
            raise Problem(
                429,
                "rate",
                f"this key may send {rate:g} requests per second: wait, or send more customers "
                "per request",
                headers={"retry-after": str(math.ceil(seconds))},
            )

    def enter(self) -> None:
        """Take one of the slots for running requests; `leave` returns it.

        Raises
        ------
        Problem
            503 if there is none.
        """
        if self._running >= self._settings.max_concurrent:
            raise Problem(
                503,
                "busy",
                f"{self._running} requests are running: try again soon",
                headers={"retry-after": str(_BUSY_SECONDS)},
            )
        self._running += 1

    def leave(self) -> None:
        """Return a slot."""
        self._running -= 1


def _refuse_other_machines(asgi_scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
    """Refuse clients on other machines, also behind a proxy or a browser on this one."""
    client = asgi_scope.get("client")
    if client is not None and not is_loopback(client[0]):
        raise _address_problem("the client is another machine")
    if not _FORWARDED.isdisjoint(headers):
        raise _address_problem("a proxy forwards requests of other clients")
    # A web page whose name was pointed at this machine sends its own name.
    if not _is_local_name(headers.get(b"host", b"localhost")):
        raise _address_problem("the header host is not of this machine")


def _address_problem(reason: str) -> Problem:
    return Problem(
        403,
        "address",
        f"without API keys the service answers only its own machine, and {reason}: start it with "
        "--keys, or set CHURNKIT_OPEN=1 behind a gateway that authenticates",
    )


@lru_cache(maxsize=64)
def _is_local_name(host: bytes) -> bool:
    """Return whether a Host header names this machine."""
    name = host.decode("latin-1").lower()
    if not name.startswith("["):
        name = name.partition(":")[0]
    return is_loopback(name.partition("]")[0].lstrip("["))


def _bearer_token(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


@lru_cache(maxsize=1_024)
def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's own.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def refuse_public_host(host: str, *, keys: str | None, is_open: bool) -> None:
    """Refuse to listen on an address that other machines reach, unless keys are required.

    Parameters
    ----------
    host
        The address to listen on.
    keys
        The key file, if any.
    is_open
        Whether other machines are answered without keys.

    Raises
    ------
    ChurnkitError
        With what to do instead.
    """
    if not (is_loopback(host) or keys or is_open):
        raise ChurnkitError(
            f"{host} can be reached by other machines and no API keys are configured: create one "
            "with churnkit keys add and start with --keys FILE, or listen on 127.0.0.1"
        )

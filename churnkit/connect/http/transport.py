"""Requests and responses, and the connection that carries them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode, urlsplit

from churnkit.errors import ConnectError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Request",
    "Response",
    "Transport",
    "TransportError",
    "Urllib3Transport",
    "check_url",
    "is_encrypted",
]

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 120.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class TransportError(Exception):
    """No complete response arrived: no connection, a time-out, or a truncated body."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Parameters
    ----------
    method, url
        Method and absolute URL without a query.
    params
        Query parameters, in order.
    headers
        Headers by name.
    body
        Body; None for none.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """URL with its query."""
        if not self.params:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.params)}"

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the request with further headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response.

    Parameters
    ----------
    status
        Status code.
    headers
        Headers by lower-case name.
    body
        Complete, decompressed body.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Transport(Protocol):
    """A connection that sends requests."""

    def send(self, request: Request) -> Response:
        """Send a request; raise `TransportError` without a complete response."""
        ...


class Urllib3Transport:
    """Connections kept alive by urllib3; redirects are not followed.

    Raises
    ------
    MissingExtraError
        If urllib3 is not installed.
    """

    def __init__(self) -> None:
        try:
            import urllib3
        except ImportError:
            raise MissingExtraError("connect", "urllib3") from None
        self._errors = urllib3.exceptions.HTTPError
        self._pool: Any = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        )

    def send(self, request: Request) -> Response:
        """Send a request; raise `TransportError` without a complete response."""
        try:
            answer = self._pool.request(
                request.method,
                request.target,
                headers={"User-Agent": "churnkit", "Accept-Encoding": "gzip", **request.headers},
                body=request.body,
                redirect=False,
            )
        except (self._errors, OSError, ValueError) as error:
            # The text of the error may hold the URL, and with it a secret.
            raise TransportError(type(error).__name__) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(int(answer.status), headers, answer.data)


def is_encrypted(url: str) -> bool:
    """Return whether a URL is https, or of this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def check_url(url: str) -> str:
    """Return a base URL without a final slash.

    Raises
    ------
    ConnectError
        If it is not https, and not on this machine.

    Examples
    --------
    >>> check_url("https://api.hubapi.com/")
    'https://api.hubapi.com'
    >>> check_url("http://example.com")
    Traceback (most recent call last):
    churnkit.errors.ConnectError: base_url is not https: secrets would be sent unencrypted
    """
    if is_encrypted(url):
        return url.rstrip("/")
    raise ConnectError("base_url is not https: secrets would be sent unencrypted")

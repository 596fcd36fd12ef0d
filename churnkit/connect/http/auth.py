"""Authentication of requests; tokens are refreshed once when they expire."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from churnkit.connect.http.transport import Request, TransportError
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from churnkit.connect.http.transport import Response

__all__ = ["Auth", "Basic", "Bearer", "ClientCredentials", "HeaderKey", "NoAuth", "Session"]

_OK, _LIMITED, _SERVER_ERRORS = 200, 429, 500


@dataclass(slots=True)
class Session:
    """State of the authentication of one run.

    Parameters
    ----------
    secret
        Function that resolves a secret by its name.
    base_url
        URL that requests start with; a token may change it.
    token
        Current token.
    settings
        Settings that are not secret.
    """

    secret: Callable[[str], str] = field(repr=False)
    base_url: str = ""
    token: str | None = field(default=None, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)


class Auth(Protocol):
    """Kind of authentication."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets."""
        ...

    def headers(self, session: Session, send: Callable[[Request], Response]) -> Mapping[str, str]:
        """Return the headers of a request."""
        ...

    def refresh(self, session: Session) -> bool:
        """Forget an expired token; return False if there is no other."""
        ...


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Requests without authentication."""

    secrets: tuple[str, ...] = ()

    def headers(self, session: Session, send: Callable[[Request], Response]) -> Mapping[str, str]:
        """Return the headers of a request."""
        del session, send
        return {}

    def refresh(self, session: Session) -> bool:
        """Return False."""
        del session
        return False


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A secret in a header.

    Parameters
    ----------
    header, prefix
        Name of the header, and text before the secret.
    secrets
        Name of the secret.
    """

    header: str = "Authorization"
    prefix: str = "Bearer "
    secrets: tuple[str, ...] = ("key",)

    def headers(self, session: Session, send: Callable[[Request], Response]) -> Mapping[str, str]:
        """Return the header."""
        del send
        if session.token is None:
            session.token = session.secret(self.secrets[0])
        return {self.header: f"{self.prefix}{session.token}"}

    def refresh(self, session: Session) -> bool:
        """Resolve the secret again; return False if it has not changed."""
        before, session.token = session.token, None
        return session.secret(self.secrets[0]) != before


def Bearer() -> HeaderKey:  # noqa: N802 - one of the kinds
    """Return the authentication by a bearer token, the secret ``key``.

    Returns
    -------
    HeaderKey
        The header ``Authorization: Bearer KEY``.

    Examples
    --------
    >>> Bearer().header
    'Authorization'
    """
    return HeaderKey()


@dataclass(frozen=True, slots=True)
class Basic:
    """User and password of HTTP Basic authentication.

    Parameters
    ----------
    user, password
        Texts in which ``{name}`` is a secret or a setting.
    secrets
        Names of the secrets.
    """

    user: str = "{key}"
    password: str = ""
    secrets: tuple[str, ...] = ("key",)

    def headers(self, session: Session, send: Callable[[Request], Response]) -> Mapping[str, str]:
        """Return the header."""
        del send
        secrets = {name: session.secret(name) for name in self.secrets}
        values = {**session.settings, **secrets}
        pair = f"{self.user.format(**values)}:{self.password.format(**values)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def refresh(self, session: Session) -> bool:
        """Return False."""
        del session
        return False


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, section 4.4).

    Parameters
    ----------
    path
        Path of the token endpoint.
    secrets
        Names of the client's id and secret.
    """

    path: str
    secrets: tuple[str, ...] = ("client_id", "client_secret")

    def headers(self, session: Session, send: Callable[[Request], Response]) -> Mapping[str, str]:
        """Return the header; request a token first if there is none."""
        if session.token is None:
            session.token = self._token(session, send)
        return {"Authorization": f"Bearer {session.token}"}

    def refresh(self, session: Session) -> bool:
        """Forget the token, so that the next request asks for another."""
        session.token = None
        return True

    def _token(self, session: Session, send: Callable[[Request], Response]) -> str:
        client, secret = (session.secret(name) for name in self.secrets)
        body = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": secret,
        }
        answer = send(
            Request(
                "POST",
                f"{session.base_url}{self.path}",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(body).encode(),
            )
        )
        if answer.status == _LIMITED or answer.status >= _SERVER_ERRORS:
            raise TransportError("token")
        try:
            token = json.loads(answer.body)["access_token"] if answer.status == _OK else None
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str):
            raise ConnectError(
                f"the token request was rejected ({answer.status}): check the client's id and secret"
            )
        return token

"""Sessions by API key, and protection of forms against cross-site requests."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from churnkit.server.auth.access_control import is_loopback
from churnkit.server.auth.api_keys import KeyRing

if TYPE_CHECKING:
    import os

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["FORM_COOKIE", "NAME_COOKIE", "ROLES", "SESSION_COOKIE", "SessionAuth", "Visitor"]

ROLES: Final = ("viewer", "agent", "manager", "admin")
"""Roles, each with the rights of those before it."""

FORM_COOKIE: Final = "churnkit_form"
NAME_COOKIE: Final = "churnkit_name"
SESSION_COOKIE: Final = "churnkit_session"
_MOST_SESSIONS: Final = 1_000
_LONGEST_NAME: Final = 60
# The scope of a key that gives each role, the highest first.
_ROLE_SCOPES: Final = (("admin", "admin"), ("manager", "manage"), ("agent", "outcomes"))


@dataclass(frozen=True, slots=True)
class Visitor:
    """An authenticated user.

    Parameters
    ----------
    name
        Name of the key; without keys the name that the person has entered, or empty.
    role
        ``"viewer"`` reads without personal data, ``"agent"`` works on customers, ``"manager"``
        works on many at once, ``"admin"`` also reads the change log.
    has_key
        Whether the name comes from a key.
    """

    name: str
    role: str
    has_key: bool = True

    def may(self, role: str) -> bool:
        """Return whether the user has the rights of a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class SessionAuth:
    """Authenticate requests by session cookies, and forms by tokens.

    Parameters
    ----------
    keys
        File of API keys, as for the service; None allows requests from this machine only.
    """

    def __init__(self, keys: str | os.PathLike[str] | None) -> None:
        self._ring = None if keys is None else KeyRing(keys)
        # API key by the digest of the cookie, so that a leak of this table opens no session.
        self._sessions: dict[str, str] = {}

    @property
    def requires_key(self) -> bool:
        """Whether visitors sign in with a key."""
        return self._ring is not None

    def visitor(self, request: Request) -> Visitor | None:
        """Return the user of a request; None if not authenticated."""
        if self._ring is None:
            # The host name is checked too, against DNS rebinding.
            host = request.url.hostname or ""
            is_local = request.client is None or is_loopback(request.client.host)
            if not (is_local and is_loopback(host)):
                return None
            name = unquote(request.cookies.get(NAME_COOKIE, ""))[:_LONGEST_NAME]
            return Visitor(name, "admin", has_key=False)
        cookie = request.cookies.get(SESSION_COOKIE, "")
        return self._key_holder(self._sessions.get(_digest(cookie), ""))

    def sign_in(self, key: str) -> str | None:
        """Begin a session and return its cookie; None for an invalid key."""
        if self._key_holder(key) is None:
            return None
        cookie = secrets.token_urlsafe(32)
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(cookie)] = key
        return cookie

    def _key_holder(self, key: str) -> Visitor | None:
        # Checked on each request, so that revoking a key ends its sessions.
        entry = self._ring.find(key) if self._ring else None
        if entry is None or "recommend" not in entry.scopes:
            return None
        roles = (role for role, scope in _ROLE_SCOPES if scope in entry.scopes)
        return Visitor(entry.name, next(roles, "viewer"))

    @staticmethod
    def form_token(request: Request) -> str:
        """Return the token that forms and the form cookie carry."""
        return request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)

    @staticmethod
    def is_valid_form(request: Request, token: str) -> bool:
        """Return whether a form was created by this console for this browser."""
        cookie = request.cookies.get(FORM_COOKIE, "")
        origin = request.headers.get("origin")
        same_origin = origin in {None, f"{request.url.scheme}://{request.url.netloc}"}
        return bool(cookie) and same_origin and hmac.compare_digest(cookie.encode(), token.encode())

    @staticmethod
    def set_cookie(response: Response, name: str, value: str, *, secure: bool) -> None:
        """Set a cookie that scripts cannot read and other sites do not send."""
        response.set_cookie(name, value, httponly=True, samesite="strict", secure=secure)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()

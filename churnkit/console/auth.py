"""Sessions by API key, and protection of forms against cross-site requests."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from churnkit.console.roles import ROLES
from churnkit.server.auth.access_control import is_loopback
from churnkit.server.auth.api_keys import KeyRing

if TYPE_CHECKING:
    import os
    from typing import Literal

    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.openid.identity import Identity
    from churnkit.console.openid.login import SignIns

__all__ = [
    "FORM_COOKIE", "NAME_COOKIE", "OPENID_COOKIE", "SESSION_COOKIE", "SessionAuth",
    "Visitor",
]  # fmt: skip

FORM_COOKIE: Final = "churnkit_form"
OPENID_COOKIE: Final = "churnkit_openid"
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
        Whether the name comes from a key or an OpenID provider.
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
        File of API keys, as for the service.
    sign_ins
        Sign-in by OpenID Connect; None for none. Without keys and OpenID Connect only requests
        from this machine are allowed.
    """

    def __init__(
        self, keys: str | os.PathLike[str] | None, *, sign_ins: SignIns | None = None
    ) -> None:
        self._ring = None if keys is None else KeyRing(keys)
        self.sign_ins = sign_ins
        # API key or identity by the digest of the cookie, so that a leak of this table opens no
        # session.
        self._sessions: dict[str, str | Identity] = {}

    @property
    def requires_sign_in(self) -> bool:
        """Whether visitors sign in, with a key or at an OpenID provider."""
        return self._ring is not None or self.sign_ins is not None

    @property
    def takes_keys(self) -> bool:
        """Whether visitors can sign in with a key."""
        return self._ring is not None

    def visitor(self, request: Request) -> Visitor | None:
        """Return the user of a request; None if not authenticated."""
        if not self.requires_sign_in:
            # The host name is checked too, against DNS rebinding.
            host = request.url.hostname or ""
            is_local = request.client is None or is_loopback(request.client.host)
            if not (is_local and is_loopback(host)):
                return None
            name = unquote(request.cookies.get(NAME_COOKIE, ""))[:_LONGEST_NAME]
            return Visitor(name, "admin", has_key=False)
        cookie = request.cookies.get(SESSION_COOKIE, "")
        session = self._sessions.get(_digest(cookie), "")
        if isinstance(session, str):
            return self._key_holder(session)
        is_current = self.sign_ins is not None and session.until > self.sign_ins.now()
        return Visitor(session.name, session.role) if is_current else None

    def sign_in(self, key: str) -> str | None:
        """Begin a session and return its cookie; None for an invalid key."""
        return None if self._key_holder(key) is None else self.begin_session(key)

    def begin_session(self, holder: str | Identity) -> str:
        """Begin a session of a valid key or of an identity, and return its cookie."""
        cookie = secrets.token_urlsafe(32)
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(cookie)] = holder
        return cookie

    def end_session(self, request: Request) -> str | Identity | None:
        """End the session of a request, and return its key or identity; None without one."""
        return self._sessions.pop(_digest(request.cookies.get(SESSION_COOKIE, "")), None)

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

    def is_valid_form(self, request: Request, token: str) -> bool:
        """Return whether a form was created by this console for this browser."""
        cookie = request.cookies.get(FORM_COOKIE, "")
        origin = request.headers.get("origin")
        same_origin = origin is None or origin in self._origins(request)
        return bool(cookie) and same_origin and hmac.compare_digest(cookie.encode(), token.encode())

    def _origins(self, request: Request) -> set[str]:
        """Return the origin of a request, and that of the OpenID settings.

        A gateway with TLS on another machine passes visitors' requests on without encryption.
        """
        origins = {f"{request.url.scheme}://{request.url.netloc}"}
        return origins if self.sign_ins is None else origins | {self.sign_ins.origin}

    def set_cookie(
        self,
        response: Response,
        request: Request,
        name: str,
        value: str,
        *,
        seconds: int | None = None,
    ) -> None:
        """Set a cookie that scripts cannot read and other sites do not send.

        It lasts until the browser is closed, or the given seconds.

        It is for encrypted connections only if the visitors come by such. That of a sign-in in progress also comes along when the provider sends the browser back.
        """
        site: Literal["lax", "strict"] = "lax" if name == OPENID_COOKIE else "strict"
        secure = any(origin.startswith("https:") for origin in self._origins(request))
        response.set_cookie(
            name, value, max_age=seconds, httponly=True, samesite=site, secure=secure
        )


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()

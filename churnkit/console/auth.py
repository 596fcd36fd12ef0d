"""Who comes in, and whether a form is ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from churnkit.server.auth.access_control import is_loopback
from churnkit.server.auth.api_keys import KeyRing

if TYPE_CHECKING:
    import os

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["FORM_COOKIE", "SESSION_COOKIE", "SessionAuth", "Visitor"]

FORM_COOKIE: Final = "churnkit_form"
SESSION_COOKIE: Final = "churnkit_session"
_SESSIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may look; `name` is empty where there are no keys."""

    name: str
    may_decide: bool


class SessionAuth:
    """Lets people in by a key, and tells our own forms from others'.

    Parameters
    ----------
    keys
        The file of keys, as the service takes it; None answers this machine alone.
    """

    def __init__(self, keys: str | os.PathLike[str] | None) -> None:
        self._ring = None if keys is None else KeyRing(keys)
        # By the digest of the cookie, so that what is kept here opens nothing.
        self._sessions: dict[str, str] = {}

    @property
    def asks(self) -> bool:
        """Whether keys are asked for."""
        return self._ring is not None

    def visitor(self, request: Request) -> Visitor | None:
        """Return who asks; None for a stranger."""
        if self._ring is None:
            # Another site's name that was made to point here is not this machine's.
            host = request.url.hostname or ""
            near = request.client is None or is_loopback(request.client.host)
            return Visitor("", may_decide=True) if near and is_loopback(host) else None
        cookie = request.cookies.get(SESSION_COOKIE, "")
        return self._holder(self._sessions.get(_digest(cookie), ""))

    def enter(self, presented: str) -> str | None:
        """Begin a session for a key; return its cookie, or None for no key of ours."""
        if self._holder(presented) is None:
            return None
        cookie = secrets.token_urlsafe(32)
        while len(self._sessions) >= _SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(cookie)] = presented
        return cookie

    def _holder(self, presented: str) -> Visitor | None:
        # Asked anew each time: a key that was taken away ends its sessions.
        key = self._ring.find(presented) if self._ring else None
        if key is None or "recommend" not in key.scopes:
            return None
        return Visitor(key.name, may_decide="outcomes" in key.scopes)

    @staticmethod
    def form_token(request: Request) -> str:
        """Return the mark that our forms carry and the cookie repeats."""
        return request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)

    @staticmethod
    def is_ours(request: Request, sent: str) -> bool:
        """Tell whether a form was made by this console for this browser."""
        cookie = request.cookies.get(FORM_COOKIE, "")
        origin = request.headers.get("origin")
        same = origin in {None, f"{request.url.scheme}://{request.url.netloc}"}
        return bool(cookie) and same and hmac.compare_digest(cookie.encode(), sent.encode())

    @staticmethod
    def give(response: Response, name: str, value: str, *, secure: bool) -> None:
        """Set a cookie that no script reads and no other site sends."""
        response.set_cookie(name, value, httponly=True, samesite="strict", secure=secure)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()

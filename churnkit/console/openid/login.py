"""Sign-ins in progress at the provider, and the visitors that they end with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from typing import TYPE_CHECKING, Final

from churnkit.console.openid.identity import Identity
from churnkit.core.translation import _, mark_text
from churnkit.errors import ChurnkitError
from churnkit.journal.worklist.records import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.console.openid.provider import OpenIDProvider

__all__ = ["SignIns"]

_PENDING_SECONDS: Final = 600
_MOST_FINISHED: Final = 10_000
_LONGEST_NAME: Final = 60


class SignIns:
    """Authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0; RFC 7636).

    The state has its end and a signature, and nonce and verifier are derived from it, so that
    nothing is kept for sign-ins that are begun: anyone can begin any number.

    Parameters
    ----------
    provider
        The provider.
    clock
        Function that returns the current time in seconds since 1970.
    """

    def __init__(self, provider: OpenIDProvider, *, clock: Callable[[], float]) -> None:
        self._provider, self._clock = provider, clock
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(32)
        # End of each state that was answered, the earliest first.
        self._finished: dict[str, float] = {}

    @property
    def origin(self) -> str:
        """Origin of the console for its visitors."""
        return self._provider.settings.origin

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._clock()

    def begin(self) -> tuple[str, str]:
        """Return the provider's address for a new sign-in, and the state for its cookie.

        Raises
        ------
        ChurnkitError
            If the provider does not answer.
        """
        part = f"{secrets.token_urlsafe(32)}.{int(self._clock()) + _PENDING_SECONDS}"
        state = f"{part}.{self._derive('state', part)}"
        challenge = _base64(hashlib.sha256(self._derive("verifier", state).encode()).digest())
        address = self._provider.authorization_url(
            state=state, nonce=self._derive("nonce", state), challenge=challenge
        )
        return address, state

    def finish(self, *, code: str, state: str, cookie: str) -> Identity:
        """Return the visitor of an answer by the provider; each state is accepted once.

        Parameters
        ----------
        code, state
            Parameters of the answer; an empty code if the provider has refused the sign-in.
        cookie
            State in the cookie of the browser that began the sign-in.

        Raises
        ------
        ChurnkitError
            If the answer belongs to no sign-in of this browser, the token is not valid, or the
            claims give no role.
        """
        is_same = bool(state) and hmac.compare_digest(state.encode(), cookie.encode())
        now = self._clock()
        if not is_same or not self._take(state, now):
            raise ChurnkitError(_("The sign-in has expired or was begun elsewhere. Sign in again."))
        if not code:
            raise ChurnkitError(_("The sign-in provider has refused the sign-in."))
        claims, token = self._provider.claims(
            code, verifier=self._derive("verifier", state), nonce=self._derive("nonce", state)
        )
        settings = self._provider.settings
        role, name = settings.role(claims), claims.get(settings.name_claim)
        if role is None:
            raise ChurnkitError(
                _(
                    "Your account has no role for this console in the claim {claim}.",
                    claim=settings.roles_claim,
                )
            )
        # Some providers send the flag as text.
        verified = claims.get("email_verified", True)
        if settings.name_claim == "email" and not (verified is True or verified == "true"):
            raise ChurnkitError(_("The e-mail address of your account is not verified."))
        shown = (
            clean_text(name, name=mark_text("Name"), most=1_000) if isinstance(name, str) else ""
        )
        if not shown:
            raise ChurnkitError(
                _(
                    "Your account has no name in the claim {claim}.",
                    claim=settings.name_claim,
                )
            )
        # Cut names could be those of two people.
        if len(shown) > _LONGEST_NAME:
            raise ChurnkitError(
                _(
                    "The name of your account in the claim {claim} has more than {most} "
                    "characters.",
                    claim=settings.name_claim,
                    most=_LONGEST_NAME,
                )
            )
        return Identity(shown, role, now + 3_600.0 * settings.session_hours, token)

    def end(self, identity: Identity) -> str:
        """Return the provider's address for a sign-out; empty if it has none.

        Raises
        ------
        ChurnkitError
            If the provider does not answer.
        """
        return self._provider.end_session_url(identity.id_token)

    def _take(self, state: str, now: float) -> bool:
        """Return whether a state is of this console, current, and answered for the first time."""
        part, _dot, signature = state.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._derive("state", part).encode()):
            return False
        until = int(part.rpartition(".")[2])
        with self._lock:
            while self._finished and next(iter(self._finished.values())) <= now:
                del self._finished[next(iter(self._finished))]
            if until <= now or state in self._finished:
                return False
            # The provider accepts a code once, so forgetting the earliest ones is safe.
            if len(self._finished) >= _MOST_FINISHED:
                del self._finished[next(iter(self._finished))]
            self._finished[state] = until
        return True

    def _derive(self, use: str, text: str) -> str:
        """Return a secret text of a use, which only this process can compute."""
        return _base64(hmac.digest(self._secret, f"{use} {text}".encode(), "sha256"))


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

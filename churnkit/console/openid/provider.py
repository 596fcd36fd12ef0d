"""An OpenID provider: its endpoints, its keys, and the tokens that it issues."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from churnkit.connect.http.transport import Request, TransportError, Urllib3Transport, check_url
from churnkit.core.translation import _
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from churnkit.connect.http.transport import Transport
    from churnkit.console.openid.settings import OpenIDSettings

__all__ = ["OpenIDProvider"]

# Signatures by the provider's private key only: a shared secret or none would let others sign.
_ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
_LEEWAY_SECONDS: Final = 60
_KEYS_SECONDS: Final = 3_600
_RETRY_SECONDS: Final = 60
_MOST_BYTES: Final = 1_000_000
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class OpenIDProvider:
    """Requests to a provider, and checks of what it answers.

    Parameters
    ----------
    settings
        The client.
    clock
        Function that returns the current time in seconds since 1970.
    transport
        Connection to the provider; one of urllib3 if None.

    Raises
    ------
    MissingExtraError
        If joserfc is not installed.
    """

    def __init__(
        self,
        settings: OpenIDSettings,
        *,
        clock: Callable[[], float],
        transport: Transport | None = None,
    ) -> None:
        try:
            import joserfc  # noqa: F401
        except ImportError:
            raise MissingExtraError("oidc", "joserfc") from None
        self.settings: OpenIDSettings = settings
        self._clock = clock
        self._transport = transport or Urllib3Transport()
        self._lock = threading.Lock()
        self._document: Mapping[str, Any] | None = None
        self._keys: tuple[float, Any] | None = None

    def authorization_url(self, *, state: str, nonce: str, challenge: str) -> str:
        """Return the address at which a visitor signs in at the provider."""
        settings = self.settings
        query = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": settings.redirect_uri,
            "scope": settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoints()["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def end_session_url(self, id_token: str) -> str:
        """Return the address at which a visitor signs out at the provider; empty without one.

        See OpenID Connect RP-Initiated Logout 1.0.

        Parameters
        ----------
        id_token
            Token of the visitor's sign-in.
        """
        endpoint = self._endpoints().get("end_session_endpoint")
        if not isinstance(endpoint, str):
            return ""
        check_url(endpoint)
        query = {
            "id_token_hint": id_token,
            "client_id": self.settings.client_id,
            "post_logout_redirect_uri": f"{self.settings.url}/",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def claims(self, code: str, *, verifier: str, nonce: str) -> tuple[dict[str, Any], str]:
        """Exchange a code for an ID token, check it, and return its claims and the token.

        Parameters
        ----------
        code
            Code of the provider's answer.
        verifier
            Secret whose hash was the challenge (RFC 7636).
        nonce
            Nonce of the request.

        Raises
        ------
        ChurnkitError
            If the provider refuses the code, or the token is not valid for this request.
        """
        settings = self.settings
        form = {
            "grant_type": "authorization_code", "code": code, "code_verifier": verifier,
            "redirect_uri": settings.redirect_uri, "client_id": settings.client_id,
        }  # fmt: skip
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if settings.client_secret is not None:
            pair = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = self._fetch(
            Request(
                "POST",
                self._endpoints()["token_endpoint"],
                headers=headers,
                body=urlencode(form).encode(),
            )
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ChurnkitError(_("the sign-in provider has sent no ID token"))
        return self._check(token, nonce), token

    def _check(self, token: str, nonce: str) -> dict[str, Any]:
        """Check signature, issuer, audience, times and nonce (OpenID Connect Core 1.0, 3.1.3.7)."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            claims = self._decode(token)
            jwt.JWTClaimsRegistry(
                now=int(self._clock()),
                leeway=_LEEWAY_SECONDS,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # The text of the error may hold parts of the token.
            raise ChurnkitError(
                _(
                    "the ID token of the sign-in provider is not valid ({error})",
                    error=type(error).__name__,
                )
            ) from None
        party = claims.get("azp", self.settings.client_id)
        if party != self.settings.client_id:
            raise ChurnkitError(_("the ID token of the sign-in provider is for another client"))
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        """Verify the signature, with new keys if the provider has replaced them."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            return dict(jwt.decode(token, self._key_set(), algorithms=_ALGORITHMS).claims)
        except (JoseError, ValueError):
            keys = self._key_set(newer=True)
            return dict(jwt.decode(token, keys, algorithms=_ALGORITHMS).claims)

    def _key_set(self, *, newer: bool = False) -> Any:
        from joserfc.jwk import KeySet

        with self._lock:
            now, most = self._clock(), _RETRY_SECONDS if newer else _KEYS_SECONDS
            if self._keys is None or now - self._keys[0] >= most:
                answer = self._fetch(Request("GET", self._endpoints()["jwks_uri"]))
                parts = [
                    key
                    for key in answer.get("keys") or []
                    if isinstance(key, dict)
                    and key.get("kty") in {"RSA", "EC"}
                    and key.get("use", "sig") == "sig"
                ]
                self._keys = now, KeySet.import_key_set({"keys": parts})
            return self._keys[1]

    def _endpoints(self) -> Mapping[str, Any]:
        """Return the discovery document, fetched once."""
        if self._document is None:
            address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            document = self._fetch(Request("GET", address))
            if document.get("issuer") != self.settings.issuer:
                raise ChurnkitError(
                    _("the discovery document of the sign-in provider has another issuer")
                )
            for name in _ENDPOINTS:
                endpoint = document.get(name)
                if not isinstance(endpoint, str):
                    raise ChurnkitError(
                        _(
                            "the discovery document of the sign-in provider has no {name}",
                            name=name,
                        )
                    )
                check_url(endpoint)
            self._document = document
        return self._document

    def _fetch(self, request: Request) -> dict[str, Any]:
        try:
            answer = self._transport.send(request.with_headers({"Accept": "application/json"}))
        except TransportError as error:
            raise ChurnkitError(
                _("the sign-in provider does not answer ({error})", error=error)
            ) from None
        if answer.status != 200 or len(answer.body) > _MOST_BYTES:
            raise ChurnkitError(
                _("the sign-in provider has answered with status {status}", status=answer.status)
            )
        try:
            data = json.loads(answer.body)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise ChurnkitError(_("the sign-in provider has answered without JSON"))
        return data

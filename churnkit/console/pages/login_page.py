"""Sign-in with an API key or at an OpenID provider, and sign-out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from churnkit.console.auth import FORM_COOKIE, OPENID_COOKIE, SESSION_COOKIE
from churnkit.console.openid.identity import Identity
from churnkit.console.pages.context import own_address
from churnkit.core.translation import _
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import SessionAuth
    from churnkit.console.templates import Pages

__all__ = ["SignInPages"]


class SignInPages:
    """Pages that begin and end sessions.

    Parameters
    ----------
    auth, pages
        Authentication, and templates.
    """

    def __init__(self, auth: SessionAuth, pages: Pages) -> None:
        self._auth, self._pages = auth, pages

    def ask(self, request: Request) -> Response:
        """Ask for a sign-in, or refuse the request where there is none."""
        auth = self._auth
        if not auth.requires_sign_in:
            return self._pages.error(
                403, _("Without API keys the console accepts requests from this machine only.")
            )
        token = auth.form_token(request)
        response = self._pages.page(
            "sign_in.html",
            401,
            token=token,
            title=_("Sign in"),
            here=own_address(request),
            takes_keys=auth.takes_keys,
            has_openid=auth.sign_ins is not None,
        )
        self._auth.set_cookie(response, request, FORM_COOKIE, token)
        return response

    def with_key(self, request: Request, key: str) -> Response:
        """Begin a session of an API key."""
        from starlette.responses import RedirectResponse

        cookie = self._auth.sign_in(key)
        if cookie is None:
            return self._pages.error(
                403, _("Unknown API key, or a key without the scope 'recommend'.")
            )
        response = RedirectResponse("/", 303)
        self._auth.set_cookie(response, request, SESSION_COOKIE, cookie)
        return response

    def begin_openid(self, request: Request) -> Response:
        """Send the visitor to the OpenID provider."""
        from starlette.responses import RedirectResponse

        if self._auth.sign_ins is None:
            return self._pages.error(404, _("Page not found."))
        try:
            address, state = self._auth.sign_ins.begin()
        except ChurnkitError as error:
            return self._pages.error(502, _sentence(error))
        response = RedirectResponse(address, 303, headers=self._pages.headers())
        self._auth.set_cookie(response, request, OPENID_COOKIE, state)
        return response

    def finish_openid(self, request: Request) -> Response:
        """Begin the session of a visitor whom the provider has sent back."""
        if self._auth.sign_ins is None:
            return self._pages.error(404, _("Page not found."))
        params = request.query_params
        try:
            identity = self._auth.sign_ins.finish(
                code="" if "error" in params else params.get("code", ""),
                state=params.get("state", ""),
                cookie=request.cookies.get(OPENID_COOKIE, ""),
            )
        except ChurnkitError as error:
            response = self._pages.error(403, _sentence(error))
            response.delete_cookie(OPENID_COOKIE)
            return response
        # A redirect would still belong to the provider's navigation, on which browsers do not send
        # strict cookies; the page begins a navigation of this site.
        response = self._pages.page("signed_in.html", title=_("Signed in"), name=identity.name)
        response.delete_cookie(OPENID_COOKIE)
        self._auth.set_cookie(response, request, SESSION_COOKIE, self._auth.begin_session(identity))
        return response

    def sign_out(self, request: Request) -> Response:
        """End the session of the visitor, here and at the OpenID provider."""
        from starlette.responses import RedirectResponse

        holder, address = self._auth.end_session(request), ""
        if self._auth.sign_ins is not None and isinstance(holder, Identity):
            with suppress(ChurnkitError):  # signed out here all the same
                address = self._auth.sign_ins.end(holder)
        response: Response = RedirectResponse("/", 303)
        if address:
            # A redirect after a form to another site is refused by the content security policy.
            response = self._pages.page("signed_out.html", title=_("Signed out"), address=address)
        response.delete_cookie(SESSION_COOKIE)
        return response


def _sentence(error: ChurnkitError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."

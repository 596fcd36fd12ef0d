"""Locale of a visitor: the chosen language, that of the browser, or that of the console."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from churnkit.core.translation import (
    Locale,
    active_locale,
    capitalize_first,
    find_locale,
    languages,
    use_locale,
)

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "LANGUAGE_COOKIE", "LocaleMiddleware", "language_choices", "offered_languages",
    "visitor_locale",
]  # fmt: skip

LANGUAGE_COOKIE: Final = "churnkit_language"
# Language and weight of a language range (RFC 9110, section 12.5.4).
_RANGE: Final = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[\w-]+)?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*"
)


class LocaleMiddleware:
    """Answer each request in its visitor's locale, in whichever thread or task it runs.

    Parameters
    ----------
    app
        The application.
    default
        Locale of visitors whose languages have no catalog.
    """

    def __init__(self, app: ASGIApp, default: Locale) -> None:
        self._app, self._default = app, default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from starlette.requests import Request

        with use_locale(visitor_locale(Request(scope), self._default)):
            await self._app(scope, receive, send)


def visitor_locale(request: Request, default: Locale) -> Locale:
    """Return the locale of a request.

    Parameters
    ----------
    request
        With the cookie of the chosen language, or the header ``Accept-Language``.
    default
        Locale of visitors whose languages have no catalog, and of those with its language.
    """
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    accepted = _accepted_languages(request.headers.get("accept-language", ""))
    for language in (chosen, *accepted):
        if language == default.language:
            return default
        if language in offered_languages():
            return find_locale(language)
    return default


def _accepted_languages(header: str) -> list[str]:
    """Return the languages of a header, the preferred one first; malformed parts are left out.

    Examples
    --------
    >>> _accepted_languages("en;q=0.5, de-CH, fr;q=0, *;q=0.1")
    ['de', 'en']
    """
    weights: dict[str, float] = {}
    for part in header.split(","):
        match = _RANGE.fullmatch(part)
        if match is not None:
            weights.setdefault(match[1].lower(), float(match[2] or 1.0))
    ranked = sorted(weights, key=lambda language: -weights[language])
    return [language for language in ranked if weights[language] > 0.0]


def offered_languages() -> tuple[str, ...]:
    """Return the languages that a visitor can choose; English alone if Babel is not installed."""
    return languages() if find_spec("babel") else languages()[:1]


def language_choices() -> list[tuple[str, str]]:
    """Return code and own name of the offered languages that are not in use.

    Examples
    --------
    >>> language_choices()
    [('de', 'Deutsch')]
    """
    return [
        (language, _own_name(language))
        for language in offered_languages()
        if language != active_locale().language
    ]


def _own_name(language: str) -> str:
    cldr = find_locale(language).cldr
    return "English" if cldr is None else capitalize_first(cldr.get_language_name(language))

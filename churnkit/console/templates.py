"""Render the console's pages with the report's style and a strict content security policy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.console.query.request_locale import language_choices
from churnkit.core.number_format import format_money, format_percent
from churnkit.core.translation import (
    _,
    capitalize_first,
    format_moment,
    localize_number,
    lower_first,
    mark_text,
)
from churnkit.journal.worklist.playbooks import describe_note

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["Pages"]

_FOLDER = Path(__file__).parent / "_page"
# Titles of error pages by status; another status has the title of the first of its class, as RFC
# 9110 (section 15) has clients treat it.
_PHRASES = {
    400: mark_text("Bad Request"),
    401: mark_text("Unauthorized"),
    403: mark_text("Forbidden"),
    404: mark_text("Not Found"),
    405: mark_text("Method Not Allowed"),
    409: mark_text("Conflict"),
    413: mark_text("Content Too Large"),
    422: mark_text("Unprocessable Content"),
    429: mark_text("Too Many Requests"),
    500: mark_text("Internal Server Error"),
    502: mark_text("Bad Gateway"),
    503: mark_text("Service Unavailable"),
}


class Pages:
    """Templates of the console.

    Parameters
    ----------
    currency
        ISO 4217 code of amounts of money.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """

    def __init__(self, *, currency: str = "") -> None:
        from churnkit.report.html import content_security_policy, jinja_environment, read_style

        self._currency = currency
        self._environment = jinja_environment(_FOLDER, extra="console")
        from markupsafe import Markup

        style = f"{read_style()}\n{(_FOLDER / 'console.css').read_text(encoding='utf-8')}"
        self._policy = content_security_policy(style, forms="'self'", frames="'none'")
        self._environment.globals |= {
            "money": self.money,
            "percent": format_percent,
            "effect": partial(_format_effect, currency=currency),
            "digits": _format_spec,
            "capital": capitalize_first,
            "lower": lower_first,
            "language_choices": language_choices,
            "moment": format_moment,
            "note": describe_note,
            "style": Markup(style),  # noqa: S704  (this package's own style sheet)
        }

    def money(self, amount: float) -> str:
        """Format an amount without cents."""
        return format_money(round(amount), self._currency)

    def headers(self, *, strict: bool = True) -> dict[str, str]:
        """Return the security headers; a report page contains its own content security policy."""
        return {
            "content-security-policy": self._policy if strict else "frame-ancestors 'none'",
            "cache-control": "no-store",
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
        }

    def fragment(self, name: str, /, **values: Any) -> str:
        """Render a template to escaped markup."""
        from markupsafe import Markup

        markup = self._environment.get_template(name).render(**values)
        return Markup(markup)  # noqa: S704  (escaped by its template)

    def page(self, name: str, http_status: int = 200, /, **values: Any) -> Response:
        """Render a template as a response."""
        from starlette.responses import HTMLResponse

        return HTMLResponse(self.fragment(name, **values), http_status, headers=self.headers())

    def error(self, status: int, message: str) -> Response:
        """Render an error page, titled by its HTTP status."""
        return self.page("error.html", status, title=self.error_title(status), message=message)

    @staticmethod
    def error_title(status: int) -> str:
        """Return the title of the error page of an HTTP status."""
        phrase = _PHRASES.get(status) or _PHRASES[status // 100 * 100]
        return f"{_(phrase)} ({status})"


def _format_spec(value: float, spec: str) -> str:
    """Format a number by a specification of Python, with the separators of the locale."""
    return localize_number(format(value, spec))


def _format_effect(effect: float | None, unit: str, *, currency: str) -> str:
    """Format the effect of an action: change of the churn risk in points, or of revenue."""
    if effect is None:
        return "\N{EN DASH}"
    if unit == "money":
        return f"{'+' if effect > 0 else ''}{format_money(effect, currency)}"
    points = round(-100.0 * effect, 1) + 0.0
    spec = "+.1f" if points else ".1f"
    return _("{number} points", number=_format_spec(points, spec))

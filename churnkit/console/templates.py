"""The console's pages: templates with every text escaped, no script, and a strict policy."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_money, format_percent
from churnkit.errors import MissingExtraError

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["Pages"]

_FOLDER = Path(__file__).parent / "_page"


class Pages:
    """The templates of the console, with the report's style.

    Parameters
    ----------
    currency
        ISO 4217 code of amounts of money: ``USD``.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """

    def __init__(self, *, currency: str = "") -> None:
        try:
            from jinja2 import Environment, FileSystemLoader, StrictUndefined
            from markupsafe import Markup
        except ImportError:
            raise MissingExtraError("console", "jinja2") from None
        from churnkit.report import html

        report = Path(html.__file__).parent / "_page" / "style.css"
        style = "\n".join(
            one.read_text(encoding="utf-8") for one in (report, _FOLDER / "console.css")
        )
        self._policy = _policy(style)
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "money": lambda amount: format_money(round(amount), currency),
            "percent": format_percent,
        }
        # A style sheet is no text of a page: there is nothing in it to escape.
        self._environment.globals["style"] = Markup(style)  # noqa: S704  (this package's own)

    def headers(self, *, strict: bool = True) -> dict[str, str]:
        """Return what goes with each answer; the report's page brings its own policy."""
        return {
            "content-security-policy": self._policy if strict else "frame-ancestors 'none'",
            "cache-control": "no-store",
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
        }

    def part(self, name: str, **known: Any) -> str:
        """Fill a part of a page; what it returns is escaped already."""
        from markupsafe import Markup

        filled = self._environment.get_template(name).render(**known)
        return Markup(filled)  # noqa: S704  (escaped by its template)

    def show(self, name: str, code: int = 200, **known: Any) -> Response:
        """Fill a page."""
        from starlette.responses import HTMLResponse

        return HTMLResponse(self.part(name, **known), code, headers=self.headers())

    def error(self, code: int, says: str) -> Response:
        """Make a small page that says what is wrong."""
        return self.show("error.html", code, title="This did not work", says=says)


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )

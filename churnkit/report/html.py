"""The report as one HTML page without scripts, with every text escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_interval, format_quantity
from churnkit.core.translation import _, active_locale, fill_text, format_day, plural_form
from churnkit.errors import MissingExtraError
from churnkit.report.brand import Brand
from churnkit.report.charts.draw import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment
    from markupsafe import Markup

    from churnkit.report.blocks import Chart, Section, Table

__all__ = [
    "content_security_policy",
    "jinja_environment",
    "plural_markup",
    "read_style",
    "render",
    "translate_markup",
]  # fmt: skip

_FOLDER = Path(__file__).parent / "_page"
_SHADES = 9


def content_security_policy(
    style: str, *, forms: str = "'none'", frames: str = "", images: str = ""
) -> str:
    """Return a content security policy that allows one inline style sheet and nothing else.

    Parameters
    ----------
    style
        The style sheet.
    forms, frames, images
        Sources of ``form-action``, ``frame-ancestors`` and ``img-src``; the last two are left out
        if empty. A policy in the page itself cannot set ``frame-ancestors``.

    Returns
    -------
    str
        The policy.

    Examples
    --------
    >>> content_security_policy("").split("; ")[0]
    "default-src 'none'"
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = ["default-src 'none'", f"style-src 'sha256-{digest}'", "base-uri 'none'"]
    rules += [f"form-action {forms}"] + ([f"frame-ancestors {frames}"] if frames else [])
    rules += [f"img-src {images}"] if images else []
    return "; ".join(rules)


def read_style() -> str:
    """Return the report's style sheet."""
    return (_FOLDER / "style.css").read_text(encoding="utf-8")


def jinja_environment(folder: Path, *, extra: str) -> Environment:
    """Return an environment that escapes every text and refuses undefined names.

    Parameters
    ----------
    folder
        Folder of the templates.
    extra
        The extra to install if jinja2 is missing.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtraError(extra, "jinja2") from None
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "_": translate_markup,
        "day": format_day,
        "language": _language,
        "code": _code,
        "plural": plural_markup,
    }
    return environment


def translate_markup(message: str, /, **values: Any) -> Markup:
    """Translate a text of a template; values that are no markup are escaped.

    Parameters
    ----------
    message
        English text with fields, as for `churnkit.core.translation._`.
    **values
        Values of the fields.

    Examples
    --------
    >>> translate_markup("{count:,} sections of {name}", count=1200, name="<b>")
    Markup('1,200 sections of &lt;b&gt;')
    """
    from markupsafe import Markup, escape

    escaped = {
        name: value if isinstance(value, (int, float)) else escape(value)
        for name, value in values.items()
    }
    markup = fill_text(escape(_(message)), escaped)
    return Markup(markup)  # noqa: S704  (text and values are escaped)


def plural_markup(one: str, many: str, count: int, /, **values: Any) -> Markup:
    """Translate a text of a template whose form depends on a number; as `translate_markup`.

    Examples
    --------
    >>> plural_markup("{count:,} task of {name}", "{count:,} tasks of {name}", 2, name="<b>")
    Markup('2 tasks of &lt;b&gt;')
    """
    from markupsafe import Markup, escape

    escaped = {name: escape(value) for name, value in values.items()}
    markup = fill_text(escape(plural_form(one, many, count)), {"count": count, **escaped})
    return Markup(markup)  # noqa: S704  (text and values are escaped)


def _code(text: str) -> Markup:
    from markupsafe import Markup

    return Markup("<code>{}</code>").format(text)


def _language() -> str:
    return active_locale().language


def render(
    sections: Sequence[Section],
    *,
    currency: str,
    toolbar: str = "",
    brand: Brand | None = None,
    **head: Any,
) -> str:
    """Write sections as one HTML page.

    Parameters
    ----------
    sections
        Sections in order.
    currency
        ISO 4217 code of the amounts.
    toolbar
        Escaped markup above the sections, such as the console's filters.
    brand
        Name, logo and accent color; churnkit's own if None.
    head
        ``title``, ``as_of`` and ``model`` of the page's head.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    environment = jinja_environment(_FOLDER, extra="report")
    from markupsafe import Markup

    def drawing(chart: Chart) -> Markup:
        return Markup(draw(chart, currency=currency))  # noqa: S704  (escaped where it is drawn)

    brand = brand or Brand()
    style, logo = read_style() + brand.style(), brand.logo_url()
    return environment.get_template("page.html").render(
        sections=sections,
        missing=[section for section in sections if section.is_missing],
        currency=currency,
        style=Markup(style),  # noqa: S704  (this package's own style sheet)
        policy=content_security_policy(
            style, forms="'self'" if toolbar else "'none'", images="data:" if logo else ""
        ),
        brand=brand.name,
        logo=logo,
        toolbar=toolbar,
        quantity=partial(format_quantity, currency=currency),
        interval=partial(format_interval, currency=currency),
        drawing=drawing,
        shades=_shades,
        formatted=partial(_format_cells, currency=currency),
        **head,
    )


def _format_cells(block: Table, *, currency: str) -> list[list[str]]:
    """Format the cells of a table; columns with an amount of 100 or more have no cents."""
    cents = [
        all(not isinstance(cell, (int, float)) or abs(cell) < 100 for cell in cells)
        for cells in zip(*block.rows, strict=True)
    ]
    return [
        [
            format_quantity(cell, column.unit, currency=currency, cents=cents[at])
            for at, (cell, column) in enumerate(zip(row, block.columns, strict=True))
        ]
        for row in block.rows
    ]


def _shades(table: Table) -> list[list[int | None]]:
    """Shade cells from 0 to 9 between the lowest and highest value of all shaded columns."""
    values = [row[at] for row in table.rows for at in table.heat if row[at] is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = (high - low) or 1.0
    return [
        [
            round(_SHADES * (cell - low) / span) if at in table.heat and cell is not None else None
            for at, cell in enumerate(row)
        ]
        for row in table.rows
    ]

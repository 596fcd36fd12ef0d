"""The page: sections through a template, with every text escaped and no script at all."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.number_format import format_interval, format_quantity
from churnkit.errors import MissingExtraError
from churnkit.report.charts.draw import draw

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart, Table
    from churnkit.report.report import Report

__all__ = ["policy", "render"]

_FOLDER = Path(__file__).parent / "_page"
_SHADES = 9


def policy(style: str, *, forms: str = "'none'") -> str:
    """Return the page's content security policy: this style sheet, and nothing else.

    Examples
    --------
    >>> policy("").split("; ")[0]
    "default-src 'none'"
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {forms}"
    )  # fmt: skip


def render(report: Report, *, bar: str = "") -> str:
    """Write a report as one HTML page.

    Parameters
    ----------
    report
        The report.
    bar
        What stands above it where it is served: markup, escaped already.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError("report", "jinja2") from None
    style = (_FOLDER / "style.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    currency = report.currency

    def drawing(chart: Chart) -> Markup:
        return Markup(draw(chart, currency=currency))  # noqa: S704  (escaped where it is drawn)

    return environment.get_template("page.html").render(
        report=report,
        # A style sheet is no text of a page: there is nothing in it to escape.
        style=Markup(style),  # noqa: S704  (this package's own file)
        policy=policy(style, forms="'self'") if bar else policy(style),
        bar=bar,
        quantity=partial(format_quantity, currency=currency),
        interval=partial(format_interval, currency=currency),
        drawing=drawing,
        shades=_shades,
        is_number=_is_number,
    )


def _is_number(unit: str) -> bool:
    return unit != "text"


def _shades(table: Table) -> list[list[int | None]]:
    """Shade cells from 0 to 9 between the least and the greatest of all shaded columns."""
    values = [row[at] for row in table.rows for at in table.heat if row[at] is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = (high - low) or 1.0
    return [
        [
            round(_SHADES * (cell - low) / span) if place in table.heat and cell is not None else None
            for place, cell in enumerate(row)
        ]
        for row in table.rows
    ]  # fmt: skip

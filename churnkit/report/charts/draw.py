"""Draw charts as SVG, once for wide and once for narrow screens."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from churnkit.core.translation import _
from churnkit.report.charts.axes import SIZES, legend, picture
from churnkit.report.charts.bars import bars, stack
from churnkit.report.charts.lines import line, points
from churnkit.report.charts.svg import element

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["draw"]

_KINDS = {"line": line, "points": points, "bars": bars, "stack": stack}


def draw(chart: Chart, *, currency: str = "") -> str:
    """Draw a chart as markup with every text from the data escaped.

    Parameters
    ----------
    chart
        The chart.
    currency
        ISO 4217 code of the amounts.

    Returns
    -------
    str
        Legend and SVG elements; a sentence for a chart without rows.

    Examples
    --------
    >>> from churnkit.report.blocks import Chart, Column
    >>> rows = (("<b>", 0.5),)
    >>> columns = (Column("plan", role="x"), Column("share", "share", "y"))
    >>> "&lt;b&gt;" in draw(Chart("a", "A", columns, rows, chart_type="bars"))
    True
    """
    if not chart.rows:
        return element("p", _("There are no data for this chart yet."), class_="need")
    label = escape(
        _(
            "{title}. {caption} The data are in the table below.",
            title=chart.title,
            caption=chart.caption,
        )
    )
    kind = _KINDS[chart.chart_type]
    drawn = []
    for name, width in SIZES.items():
        inner, height = kind(chart, width, currency)
        drawn.append(picture(name, width, height, label, inner))
    return element("div", legend(chart) + "".join(drawn), class_=f"plot type-{chart.chart_type}")

"""Charts as SVG, each once for wide and once for narrow screens, readable without colours."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from churnkit.report.charts.axes import SIZES, legend, picture
from churnkit.report.charts.bars import bars
from churnkit.report.charts.lines import line, points
from churnkit.report.charts.stacked_bars import stack
from churnkit.report.charts.svg import element

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["draw"]

_KINDS = {"line": line, "points": points, "bars": bars, "stack": stack}


def draw(chart: Chart, *, currency: str = "") -> str:
    """Draw a chart; finished markup, in which every text from the data is escaped.

    Parameters
    ----------
    chart
        The numbers, and how they are to be drawn.
    currency
        Before amounts of money.

    Examples
    --------
    >>> from churnkit.report.blocks import Chart, Column
    >>> rows = (("<b>", 0.5),)
    >>> columns = (Column("who", role="x"), Column("share", "share", "y"))
    >>> "&lt;b&gt;" in draw(Chart("a", "Who?", columns, rows, draws="bars"))
    True
    """
    label = escape(f"{chart.question} {chart.answer} The numbers are in the table below.")
    kind = _KINDS[chart.draws]
    drawn = []
    for name, width in SIZES.items():
        inner, height = kind(chart, width, currency)
        drawn.append(picture(name, width, height, label, inner))
    return element("div", legend(chart) + "".join(drawn), class_=f"plot draws-{chart.draws}")

"""What came upwards and what went downwards, month by month."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from churnkit.core.number_format import format_quantity
from churnkit.report.charts.axes import axis_y, baseline, column_of, plane_of, series, ticks_below
from churnkit.report.charts.svg import element

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["stack"]


def stack(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw a column of parts for each row: those above zero up, those below down."""
    height = 290.0 if width > 500 else 250.0
    x_place, drawn = column_of(chart, "x") or 0, series(chart)
    tops = [sum(max(row[place] or 0.0, 0.0) for place in drawn) for row in chart.rows]
    bottoms = [sum(min(row[place] or 0.0, 0.0) for place in drawn) for row in chart.rows]
    ticks, labels = axis_y(chart, [*tops, *bottoms], currency)
    plane = plane_of(
        width, height, ticks, labels, x_low=-0.5, x_high=max(len(chart.rows) - 0.5, 0.5)
    )  # fmt: skip
    names = [str(row[x_place]) for row in chart.rows]
    inner = baseline(plane, ticks, labels)
    inner += ticks_below(plane, [float(n) for n in range(len(names))], names)
    thick = 0.72 * (plane.x(1) - plane.x(0))
    for number, row in enumerate(chart.rows):
        up = down = 0.0
        for shade, place in enumerate(drawn):
            value = row[place] or 0.0
            begin = up if value >= 0 else down
            if value >= 0:
                up += value
            else:
                down += value
            top = plane.y(max(begin, begin + value))
            title = f"{names[number]}: {chart.columns[place].title} " + format_quantity(
                value, chart.columns[place].unit, currency=currency
            )
            inner += element(
                "rect", element("title", escape(title)), x=plane.x(number) - thick / 2, y=top,
                width=thick, height=max(plane.y(min(begin, begin + value)) - top, 0.0),
                class_=f"s{shade + 1}",
            )  # fmt: skip
    return inner, height

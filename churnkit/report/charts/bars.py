"""Bars to the right, longest names and all, with whiskers for intervals."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.charts.axes import column_of, numbers, series, text
from churnkit.report.charts.svg import element, width_of

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["bars"]

_MOST_LABEL = 0.42
_BAR = 16.0


def bars(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw one bar a row: its name beside it, or above it where there is little room."""
    x_place, y_place = column_of(chart, "x") or 0, series(chart)[0]
    names = [str(row[x_place]) for row in chart.rows]
    unit = chart.columns[y_place].unit
    compact = unit.startswith("money")
    values = [
        format_quantity(row[y_place], unit, currency=currency, compact=compact)
        for row in chart.rows
    ]
    widest = max(map(width_of, names), default=0.0) + 10.0
    beside = widest <= _MOST_LABEL * width
    left = widest if beside else 0.0
    right = 1.1 * max(map(width_of, values), default=0.0) + 12.0
    low, high = column_of(chart, "low"), column_of(chart, "high")
    places = [place for place in (y_place, low, high) if place is not None]
    span = numbers(chart, places)
    least, most = min([0.0, *span]), max([0.0, *span])
    scale = (width - left - right) / ((most - least) or 1.0)
    step = _BAR + 14.0 if beside else _BAR + 30.0
    inner = ""
    for number, row in enumerate(chart.rows):
        top = number * step + (6.0 if beside else 22.0)
        if beside:
            inner += text(names[number], left - 10, top + 12.5, text_anchor="end", class_="name")
        else:
            inner += text(_cut(names[number], width), 0, top - 6, class_="name")
        inner += _bar(row, (y_place, low, high), (left - least * scale, scale, top), names[number])
        ends = [row[place] for place in places if row[place] is not None]
        x = left + (max([0.0, *ends]) - least) * scale
        inner += text(values[number], x + 7, top + 12.5, class_="value")
    return inner, max(len(chart.rows) * step + 8.0, 20.0)


def _bar(
    row: tuple[Any, ...],
    places: tuple[int, int | None, int | None],
    placed: tuple[float, float, float],
    name: str,
) -> str:
    value_at, low, high = places
    zero, scale, top = placed
    value = row[value_at]
    if value is None:
        return ""
    begin, length = min(zero, zero + value * scale), abs(value) * scale
    kind = "s1" if value >= 0 else "s3"
    drawn = element(
        "rect", element("title", escape(name)), x=begin, y=top, width=max(length, 1.0),
        height=_BAR, rx=3, class_=kind,
    )  # fmt: skip
    if low is not None and high is not None and row[low] is not None and row[high] is not None:
        y = top + _BAR / 2
        ends = (zero + row[low] * scale, zero + row[high] * scale)
        drawn += element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="whisker")
        for x in ends:
            drawn += element("line", x1=x, x2=x, y1=y - 4, y2=y + 4, class_="whisker")
    return drawn


def _cut(name: str, width: float) -> str:
    cut = name
    while width_of(cut) > width and len(cut) > 1:
        cut = cut[:-2].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    return cut

"""Horizontal bars with interval whiskers, and stacked columns by month."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.charts.axes import (
    axis_y,
    column_of,
    fit_plane,
    gridlines,
    numbers,
    series,
    text,
    ticks_below,
)
from churnkit.report.charts.svg import element, width_of

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["bars", "stack"]

_LABEL_SHARE = 0.42
_BAR = 16.0


def bars(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw one bar per row, its name at the left, or above it where space is short."""
    x_column, y_column = column_of(chart, "x") or 0, series(chart)[0]
    names = [str(row[x_column]) for row in chart.rows]
    unit = chart.columns[y_column].unit
    compact = unit.startswith("money")
    values = [
        format_quantity(row[y_column], unit, currency=currency, compact=compact)
        for row in chart.rows
    ]
    widest = max(map(width_of, names), default=0.0) + 10.0
    at_left = widest <= _LABEL_SHARE * width
    left = widest if at_left else 0.0
    right = 1.1 * max(map(width_of, values), default=0.0) + 12.0
    low, high = column_of(chart, "low"), column_of(chart, "high")
    columns = [column for column in (y_column, low, high) if column is not None]
    span = numbers(chart, columns)
    least, most = min([0.0, *span]), max([0.0, *span])
    scale = (width - left - right) / ((most - least) or 1.0)
    step = _BAR + 14.0 if at_left else _BAR + 30.0
    inner = ""
    for number, row in enumerate(chart.rows):
        top = number * step + (6.0 if at_left else 22.0)
        if at_left:
            inner += text(names[number], left - 10, top + 12.5, text_anchor="end", class_="name")
        else:
            inner += text(_shorten(names[number], width), 0, top - 6, class_="name")
        inner += _bar(row, (y_column, low, high), (left - least * scale, scale, top), names[number])
        ends = [row[column] for column in columns if row[column] is not None]
        x = left + (max([0.0, *ends]) - least) * scale
        inner += text(values[number], x + 7, top + 12.5, class_="value")
    return inner, max(len(chart.rows) * step + 8.0, 20.0)


def _bar(
    row: tuple[Any, ...],
    columns: tuple[int, int | None, int | None],
    position: tuple[float, float, float],
    name: str,
) -> str:
    y_column, low, high = columns
    zero, scale, top = position
    value = row[y_column]
    if value is None:
        return ""
    begin, length = min(zero, zero + value * scale), abs(value) * scale
    drawn = element(
        "rect", element("title", escape(name)), x=begin, y=top, width=max(length, 1.0),
        height=_BAR, rx=3, class_="s1" if value >= 0 else "s3",
    )  # fmt: skip
    if low is not None and high is not None and row[low] is not None and row[high] is not None:
        y = top + _BAR / 2
        ends = (zero + row[low] * scale, zero + row[high] * scale)
        drawn += element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="whisker")
        for x in ends:
            drawn += element("line", x1=x, x2=x, y1=y - 4, y2=y + 4, class_="whisker")
    return drawn


def _shorten(name: str, width: float) -> str:
    short = name
    while width_of(short) > width and len(short) > 1:
        short = short[:-2].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    return short


def stack(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw one column per row, positive parts stacked above zero and negative ones below."""
    height = 290.0 if width > 500 else 250.0
    x_column, drawn = column_of(chart, "x") or 0, series(chart)
    tops = [sum(max(row[column] or 0.0, 0.0) for column in drawn) for row in chart.rows]
    bottoms = [sum(min(row[column] or 0.0, 0.0) for column in drawn) for row in chart.rows]
    ticks, labels = axis_y(chart, [*tops, *bottoms], currency)
    plane = fit_plane(
        width, height, ticks, labels, x_low=-0.5, x_high=max(len(chart.rows) - 0.5, 0.5)
    )
    names = [str(row[x_column]) for row in chart.rows]
    inner = gridlines(plane, ticks, labels)
    inner += ticks_below(plane, [float(n) for n in range(len(names))], names)
    thick = 0.72 * (plane.x(1) - plane.x(0))
    for number, row in enumerate(chart.rows):
        up = down = 0.0
        for shade, column in enumerate(drawn):
            value = row[column] or 0.0
            begin = up if value >= 0 else down
            up, down = up + max(value, 0.0), down + min(value, 0.0)
            top = plane.y(max(begin, begin + value))
            quantity = format_quantity(value, chart.columns[column].unit, currency=currency)
            title = f"{names[number]}: {chart.columns[column].title} {quantity}"
            inner += element(
                "rect", element("title", escape(title)), x=plane.x(number) - thick / 2, y=top,
                width=thick, height=max(plane.y(min(begin, begin + value)) - top, 0.0),
                class_=f"s{shade + 1}",
            )  # fmt: skip
    return inner, height

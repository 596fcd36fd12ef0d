"""Horizontal bars with interval whiskers, and stacked columns by month."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.charts.axes import (
    axis_titles,
    axis_y,
    column_of,
    fit_plane,
    gridlines,
    numbers,
    series,
    shorten,
    text,
    ticks_below,
    tone_class,
    value_title,
)
from churnkit.report.charts.svg import element, width_of

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["bars", "stack"]

_LABEL_SHARE = 0.42
_BAR = 16.0
_TITLE = 20.0
# Units whose bars begin at one, where there is no difference.
_RATIOS = frozenset({"times"})
# Units of churn compared with others: above the base is worse.
_COMPARED = frozenset({"times", "points"})


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
    base = 1.0 if unit in _RATIOS else 0.0
    least, most = min([base, *span]), max([base, *span])
    scale = (width - left - right) / ((most - least) or 1.0)
    step = _BAR + 14.0 if at_left else _BAR + 30.0
    inner = text(value_title(chart, width, currency), 0, 12)
    for number, row in enumerate(chart.rows):
        top = _TITLE + number * step + (6.0 if at_left else 22.0)
        if at_left:
            inner += text(names[number], left - 10, top + 12.5, text_anchor="end", class_="name")
        else:
            inner += text(shorten(names[number], width), 0, top - 6, class_="name")
        tone = tone_class(chart, y_column)
        if not tone and unit in _COMPARED and row[y_column] is not None:
            tone = " tone-churn" if row[y_column] > base else " tone-saved"
        position = (left - least * scale, scale, top, base)
        inner += _bar(row, (y_column, low, high), position, names[number], tone)
        ends = [row[column] for column in columns if row[column] is not None]
        x = left + (max([base, *ends]) - least) * scale
        inner += text(values[number], x + 7, top + 12.5, class_="value")
    if base:
        x, bottom = left + (base - least) * scale, _TITLE + len(chart.rows) * step
        # Names above the bars are not crossed.
        begins = [_TITLE] if at_left else [_TITLE + n * step + 19.0 for n in range(len(chart.rows))]
        for begin in begins:
            end = bottom if at_left else begin + _BAR + 6.0
            inner += element("line", x1=x, x2=x, y1=begin, y2=end, class_="zero")
    return inner, max(_TITLE + len(chart.rows) * step + 8.0, 20.0)


def _bar(
    row: tuple[Any, ...],
    columns: tuple[int, int | None, int | None],
    position: tuple[float, float, float, float],
    name: str,
    tone: str,
) -> str:
    y_column, low, high = columns
    zero, scale, top, base = position
    value = row[y_column]
    if value is None:
        return ""
    begin, length = zero + min(base, value) * scale, abs(value - base) * scale
    drawn = element(
        "rect", element("title", escape(name)), x=begin, y=top, width=max(length, 1.0),
        height=_BAR, rx=3, class_=f"{'s1' if value >= 0 else 's3'}{tone}",
    )  # fmt: skip
    if low is not None and high is not None and row[low] is not None and row[high] is not None:
        y = top + _BAR / 2
        ends = (zero + row[low] * scale, zero + row[high] * scale)
        drawn += element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="whisker")
        for x in ends:
            drawn += element("line", x1=x, x2=x, y1=y - 4, y2=y + 4, class_="whisker")
    return drawn


def stack(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw one column per row, positive parts stacked above zero and negative ones below."""
    height = 320.0 if width > 500 else 280.0
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
    inner += axis_titles(chart, plane, currency)
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
                class_=f"s{shade + 1}{tone_class(chart, column)}",
            )  # fmt: skip
    return inner, height

"""Lines over time or along a number, with bands for intervals; and points against a diagonal."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.charts.axes import (
    axis_y,
    baseline,
    column_of,
    numbers,
    plane_of,
    series,
    text,
    tick_label,
    ticks_below,
)
from churnkit.report.charts.svg import Plane, element, nice_ticks, path

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["line", "points"]

_ZOOM = 0.5


def line(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw one line for each column ``y``, with a band where ``low`` and ``high`` are given."""
    height = 270.0 if width > 500 else 220.0
    x_place = column_of(chart, "x") or 0
    drawn = series(chart)
    band = (column_of(chart, "low"), column_of(chart, "high"))
    values = numbers(chart, [*drawn, *(place for place in band if place is not None)])
    # Numbers that lie close together far from nothing are shown from near their lowest on.
    far = bool(values) and min(values) > _ZOOM * max(values)
    ticks, labels = axis_y(chart, values, currency, from_zero=not far)
    at, x_labels, x_ticks = _across(chart, x_place)
    plane = plane_of(
        width, height, ticks, labels, x_low=min(at, default=0.0), x_high=max(at, default=1.0)
    )
    inner = baseline(plane, ticks, labels) + ticks_below(plane, x_ticks, x_labels)
    if chart.diagonal:
        ends = [(plane.x(plane.x_low), plane.y(0)), (plane.x(plane.x_high), plane.y(ticks[-1]))]
        inner += element("path", d=path(ends), class_="diagonal")
    if band[0] is not None and band[1] is not None:
        inner += _band(chart, plane, at, band[0], band[1])
    for number, place in enumerate(drawn):
        inner += _one_line(chart, plane, at, place, number + 1)
    inner += _targets(chart, plane, at, places=(x_place, drawn), currency=currency)
    return inner, height


def _across(chart: Chart, place: int) -> tuple[list[float], list[str], list[float]]:
    """Place the rows: by their number, or one after the other where they have names."""
    column = chart.columns[place]
    if column.unit == "text":
        at = [float(number) for number in range(len(chart.rows))]
        return at, [str(row[place]) for row in chart.rows], at
    at = [float(row[place]) for row in chart.rows]
    if column.unit == "months":
        step = 3 if max(at) <= 18 else 6
        ticks = [tick for tick in at if tick % step == 0]
    else:
        steps = nice_ticks(min(at, default=0.0), max(at, default=1.0), 6)
        ticks = [tick for tick in steps if min(at) <= tick <= max(at)]
    return at, [tick_label(tick, column.unit) for tick in ticks], ticks


def _runs(chart: Chart, at: list[float], place: int) -> list[list[tuple[float, float]]]:
    """Split a column at its gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, row in zip(at, chart.rows, strict=True):
        if row[place] is None:
            runs.append([])
        else:
            runs[-1].append((x, float(row[place])))
    return [run for run in runs if run]


def _one_line(chart: Chart, plane: Plane, at: list[float], place: int, number: int) -> str:
    drawn = ""
    for run in _runs(chart, at, place):
        spots = [(plane.x(x), plane.y(y)) for x, y in run]
        if len(spots) == 1:
            drawn += element("circle", cx=spots[0][0], cy=spots[0][1], r=3.5, class_=f"s{number}")
        else:
            drawn += element("path", d=path(spots), class_=f"line l{number}")
    return drawn


def _band(chart: Chart, plane: Plane, at: list[float], low: int, high: int) -> str:
    above = [(plane.x(x), plane.y(y)) for run in _runs(chart, at, high) for x, y in run]
    below = [(plane.x(x), plane.y(y)) for run in _runs(chart, at, low) for x, y in run]
    if not above:
        return ""
    return element("path", d=path([*above, *reversed(below)]) + "Z", class_="band")


def _targets(
    chart: Chart, plane: Plane, at: list[float], *, places: tuple[int, list[int]], currency: str
) -> str:
    """Lay an unseen strip over each row, which says its numbers under the pointer."""
    x_place, drawn = places
    spots = [plane.x(x) for x in at]
    edges = [
        plane.left,
        *((one + two) / 2 for one, two in pairwise(spots)),
        plane.width - plane.right,
    ]
    if len(spots) > 60:
        return ""
    found = ""
    for row, left, right in zip(chart.rows, edges[:-1], edges[1:], strict=True):
        says = ", ".join(
            f"{chart.columns[place].title} {format_quantity(row[place], chart.columns[place].unit, currency=currency)}"
            for place in drawn
        )
        x_says = format_quantity(row[x_place], chart.columns[x_place].unit)
        title = element("title", escape(f"{x_says}: {says}"))
        found += element(
            "rect", title, x=left, y=plane.top, width=max(right - left, 0.0),
            height=plane.height - plane.top - plane.bottom, class_="target",
        )  # fmt: skip
    return found


def points(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw points with their intervals against the line on which both axes are equal."""
    del currency
    height = 320.0 if width > 500 else 280.0
    x_place, y_place = column_of(chart, "x") or 0, series(chart)[0]
    low, high = column_of(chart, "low"), column_of(chart, "high")
    places = [place for place in (x_place, y_place, low, high) if place is not None]
    ticks = nice_ticks(0.0, max(numbers(chart, places), default=1.0))
    labels = [tick_label(tick, "share") for tick in ticks]
    plane = plane_of(
        width, height, ticks, labels, x_low=ticks[0], x_high=ticks[-1], bottom=44.0
    )  # fmt: skip
    inner = baseline(plane, ticks, labels)
    for tick, label in zip(ticks, labels, strict=True):
        if tick:
            x = min(plane.x(tick), width - 18)
            inner += text(label, x, height - 26, text_anchor="middle")
    inner += text(
        chart.columns[x_place].title, (plane.left + width) / 2, height - 6, text_anchor="middle"
    )
    ends = [(plane.x(0), plane.y(0)), (plane.x(ticks[-1]), plane.y(ticks[-1]))]
    inner += element("path", d=path(ends), class_="diagonal")
    for row in chart.rows:
        inner += _point(chart, plane, row, (x_place, y_place, low, high))
    return inner, height


def _point(
    chart: Chart,
    plane: Plane,
    row: tuple[Any, ...],
    places: tuple[int, int, int | None, int | None],
) -> str:
    x_place, y_place, low, high = places
    x, y = plane.x(row[x_place]), plane.y(row[y_place])
    drawn = ""
    if low is not None and high is not None:
        drawn = element(
            "line", x1=x, x2=x, y1=plane.y(row[low]), y2=plane.y(row[high]), class_="whisker"
        )
    says = f"{format_quantity(row[x_place], 'share')}: {chart.columns[y_place].title} {format_quantity(row[y_place], 'share')}"
    return drawn + element("circle", element("title", escape(says)), cx=x, cy=y, r=5, class_="s1")

"""Lines with interval bands, and points against a diagonal."""

from __future__ import annotations

from html import escape
from itertools import pairwise
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
    text,
    tick_label,
    ticks_below,
    tone_class,
)
from churnkit.report.charts.svg import Plane, element, nice_ticks, path

if TYPE_CHECKING:
    from churnkit.report.blocks import Chart

__all__ = ["line", "points"]

_ZOOM = 0.5
_MOST_TOOLTIPS = 60


def line(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw one line per ``y`` column, with a band between the columns ``low`` and ``high``."""
    height = 300.0 if width > 500 else 250.0
    x_column, drawn = column_of(chart, "x") or 0, series(chart)
    low, high = column_of(chart, "low"), column_of(chart, "high")
    bounds = [column for column in (low, high) if column is not None]
    values = numbers(chart, [*drawn, *bounds])
    # Values that are close together and far from zero are drawn on an axis without zero.
    is_far = bool(values) and min(values) > _ZOOM * max(values)
    ticks, labels = axis_y(chart, values, currency, from_zero=not is_far)
    at, x_labels, x_ticks = _axis_x(chart, x_column, currency)
    plane = fit_plane(
        width, height, ticks, labels, x_low=min(at, default=0.0), x_high=max(at, default=1.0)
    )
    inner = gridlines(plane, ticks, labels) + ticks_below(plane, x_ticks, x_labels)
    inner += axis_titles(chart, plane, currency)
    if chart.diagonal:
        ends = [(plane.x(plane.x_low), plane.y(0)), (plane.x(plane.x_high), plane.y(ticks[-1]))]
        inner += element("path", d=path(ends), class_="diagonal")
    if low is not None and high is not None:
        inner += _band(chart, plane, at, low, high)
    for number, column in enumerate(drawn, start=1):
        inner += _series_line(chart, plane, at, column, number)
    inner += _tooltips(chart, plane, at, x_column, currency)
    return inner, height


def _axis_x(chart: Chart, column: int, currency: str) -> tuple[list[float], list[str], list[float]]:
    """Return the rows' positions, tick labels and ticks; named rows are evenly spaced."""
    unit = chart.columns[column].unit
    if unit == "text":
        at = [float(number) for number in range(len(chart.rows))]
        return at, [str(row[column]) for row in chart.rows], at
    at = [float(row[column]) for row in chart.rows]
    if unit == "months":
        step = 3 if max(at) <= 18 else 6
        ticks = [tick for tick in at if tick % step == 0]
    else:
        steps = nice_ticks(min(at, default=0.0), max(at, default=1.0), 6)
        ticks = [tick for tick in steps if min(at) <= tick <= max(at)]
    return at, [tick_label(tick, unit, currency) for tick in ticks], ticks


def _runs(chart: Chart, at: list[float], column: int) -> list[list[tuple[float, float]]]:
    """Split a column at its missing values."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, row in zip(at, chart.rows, strict=True):
        if row[column] is None:
            runs.append([])
        else:
            runs[-1].append((x, float(row[column])))
    return [run for run in runs if run]


def _series_line(chart: Chart, plane: Plane, at: list[float], column: int, number: int) -> str:
    drawn, tone = "", tone_class(chart, column)
    for run in _runs(chart, at, column):
        spots = [(plane.x(x), plane.y(y)) for x, y in run]
        if len(spots) == 1:
            drawn += element(
                "circle", cx=spots[0][0], cy=spots[0][1], r=3.5, class_=f"s{number}{tone}"
            )
        else:
            drawn += element("path", d=path(spots), class_=f"line l{number}{tone}")
    return drawn


def _band(chart: Chart, plane: Plane, at: list[float], low: int, high: int) -> str:
    above = [(plane.x(x), plane.y(y)) for run in _runs(chart, at, high) for x, y in run]
    below = [(plane.x(x), plane.y(y)) for run in _runs(chart, at, low) for x, y in run]
    if not above:
        return ""
    return element("path", d=path([*above, *reversed(below)]) + "Z", class_="band")


def _tooltips(chart: Chart, plane: Plane, at: list[float], x_column: int, currency: str) -> str:
    """Cover each row with a transparent strip whose title gives the row's numbers."""
    if len(at) > _MOST_TOOLTIPS:
        return ""
    spots = [plane.x(x) for x in at]
    middles = ((left + right) / 2 for left, right in pairwise(spots))
    edges = [plane.left, *middles, plane.width - plane.right]
    drawn = ""
    for row, left, right in zip(chart.rows, edges[:-1], edges[1:], strict=True):
        values = ", ".join(
            f"{chart.columns[y].title} "
            f"{format_quantity(row[y], chart.columns[y].unit, currency=currency)}"
            for y in series(chart)
        )
        label = format_quantity(row[x_column], chart.columns[x_column].unit)
        drawn += element(
            "rect", element("title", escape(f"{label}: {values}")), x=left, y=plane.top,
            width=max(right - left, 0.0), height=plane.height - plane.top - plane.bottom,
            class_="target",
        )  # fmt: skip
    return drawn


def points(chart: Chart, width: float, currency: str) -> tuple[str, float]:
    """Draw points with interval whiskers against the line where both axes are equal."""
    height = 340.0 if width > 500 else 300.0
    x_column, y_column = column_of(chart, "x") or 0, series(chart)[0]
    low, high = column_of(chart, "low"), column_of(chart, "high")
    columns = [column for column in (x_column, y_column, low, high) if column is not None]
    ticks = nice_ticks(0.0, max(numbers(chart, columns), default=1.0))
    labels = [tick_label(tick, "share") for tick in ticks]
    plane = fit_plane(
        width, height, ticks, labels, x_low=ticks[0], x_high=ticks[-1]
    )  # fmt: skip
    inner = gridlines(plane, ticks, labels)
    for tick, label in zip(ticks, labels, strict=True):
        if tick:
            x = min(plane.x(tick), width - 18)
            inner += text(label, x, height - 26, text_anchor="middle")
    inner += axis_titles(chart, plane, currency)
    ends = [(plane.x(0), plane.y(0)), (plane.x(ticks[-1]), plane.y(ticks[-1]))]
    inner += element("path", d=path(ends), class_="diagonal")
    for row in chart.rows:
        inner += _point(chart, plane, row, (x_column, y_column, low, high))
    return inner, height


def _point(
    chart: Chart,
    plane: Plane,
    row: tuple[Any, ...],
    columns: tuple[int, int, int | None, int | None],
) -> str:
    x_column, y_column, low, high = columns
    x, y = plane.x(row[x_column]), plane.y(row[y_column])
    drawn = ""
    if low is not None and high is not None:
        drawn = element(
            "line", x1=x, x2=x, y1=plane.y(row[low]), y2=plane.y(row[high]), class_="whisker"
        )
    title = (
        f"{format_quantity(row[x_column], 'share')}: {chart.columns[y_column].title} "
        f"{format_quantity(row[y_column], 'share')}"
    )
    return drawn + element("circle", element("title", escape(title)), cx=x, cy=y, r=5, class_="s1")

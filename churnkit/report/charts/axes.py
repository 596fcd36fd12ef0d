"""What all charts share: sizes, axes, legends, series."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.report.charts.svg import Plane, element, nice_ticks, thinned, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.report.blocks import Chart

__all__ = [
    "SIZES", "axis_y", "baseline", "column_of", "legend", "numbers", "picture", "plane_of",
    "series", "text", "tick_label", "ticks_below",
]  # fmt: skip

SIZES = {"wide": 720.0, "narrow": 344.0}
_LEGENDS = ("line", "stack")


def picture(name: str, width: float, height: float, label: str, inner: str) -> str:
    """Put a chart's inside into its frame; `label` is escaped already."""
    return (
        f'<svg class="{name}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{label}">{inner}</svg>'
    )


def column_of(chart: Chart, role: str) -> int | None:
    """Find the first column with a role."""
    places = [place for place, one in enumerate(chart.columns) if one.role == role]
    return places[0] if places else None


def series(chart: Chart) -> list[int]:
    """List the columns that are drawn."""
    return [place for place, one in enumerate(chart.columns) if one.role in {"y", "ghost"}]


def numbers(chart: Chart, places: Sequence[int]) -> list[float]:
    """List all known numbers of some columns."""
    return [row[place] for row in chart.rows for place in places if row[place] is not None]


def text(words: str, x: float, y: float, **attributes: Any) -> str:
    """Write words."""
    return element("text", escape(words), x=x, y=y, **attributes)


def plane_of(
    width: float,
    height: float,
    ticks: list[float],
    labels: list[str],
    *,
    x_low: float,
    x_high: float,
    bottom: float = 28.0,
) -> Plane:
    """Make room for the labels of the axis at the left."""
    left = max(map(width_of, labels), default=0.0) + 12.0
    return Plane(
        width, height, left, 24.0, 12.0, bottom, x_low, x_high, ticks[0], ticks[-1]
    )  # fmt: skip


def axis_y(
    chart: Chart, values: list[float], currency: str, *, from_zero: bool = True
) -> tuple[list[float], list[str]]:
    """Choose ticks for the numbers, and their labels."""
    unit = chart.columns[series(chart)[0]].unit
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    ticks = nice_ticks(low, high)
    if unit == "share" and ticks[-1] > 1.0 >= high:
        ticks = [tick for tick in ticks if tick <= 1.0]
    return ticks, [tick_label(tick, unit, currency) for tick in ticks]


def tick_label(value: float, unit: str, currency: str = "") -> str:
    """Format the number at a tick of an axis."""
    if unit == "share":
        return f"{100 * value:.4g}%"
    kind = "money" if unit.startswith("money") else "count"
    return format_quantity(value, kind, currency=currency, compact=True)


def baseline(plane: Plane, ticks: list[float], labels: list[str]) -> str:
    """Draw the lines across, with their labels."""
    drawn = []
    for tick, label in zip(ticks, labels, strict=True):
        y = plane.y(tick)
        kind = "zero" if tick == 0 else "grid"
        drawn.append(
            element("line", x1=plane.left, x2=plane.width - plane.right, y1=y, y2=y, class_=kind)
        )
        drawn.append(text(label, plane.left - 8, y + 4, text_anchor="end"))
    return "".join(drawn)


def ticks_below(plane: Plane, at: list[float], labels: list[str]) -> str:
    """Write labels under the plane, thinned so that none touches another."""
    drawn = []
    for place in thinned(labels, plane.width - plane.left - plane.right):
        x = plane.x(at[place])
        half = width_of(labels[place]) / 2
        x = min(max(x, half), plane.width - half)
        drawn.append(text(labels[place], x, plane.height - 8, text_anchor="middle"))
    return "".join(drawn)


def legend(chart: Chart) -> str:
    """Name the series above the chart, where there are several."""
    places = series(chart)
    if len(places) < 2 or chart.draws not in _LEGENDS:
        return ""
    items = "".join(
        element(
            "li",
            element(
                "svg",
                element("rect", width=12, height=12, rx=3, class_=f"s{number + 1}"),
                viewBox="0 0 12 12",
                width=12,
                height=12,
                aria_hidden="true",
            )
            + escape(chart.columns[place].title),
        )
        for number, place in enumerate(places)
    )
    return element("ul", items, class_="legend")

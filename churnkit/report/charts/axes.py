"""Sizes, axes, legends and data series shared by all charts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_quantity
from churnkit.core.translation import _, capitalize_first, localize_number
from churnkit.report.charts.svg import Plane, element, nice_ticks, thin_labels, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.report.blocks import Chart

__all__ = [
    "SIZES",
    "axis_titles",
    "axis_y",
    "column_of",
    "fit_plane",
    "gridlines",
    "legend",
    "numbers",
    "picture",
    "series",
    "shorten",
    "text",
    "tick_label",
    "ticks_below",
    "tone_class",
    "value_title",
]  # fmt: skip

SIZES = {"wide": 720.0, "narrow": 344.0}
_LEGENDS = ("line", "stack")


def picture(name: str, width: float, height: float, label: str, inner: str) -> str:
    """Return the SVG element of a chart; `label` is escaped already."""
    return (
        f'<svg class="{name}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{label}">{inner}</svg>'
    )


def column_of(chart: Chart, role: str) -> int | None:
    """Return the position of the first column with a role, or None."""
    columns = [number for number, column in enumerate(chart.columns) if column.role == role]
    return columns[0] if columns else None


def series(chart: Chart) -> list[int]:
    """Return the positions of the columns that are drawn."""
    return [number for number, column in enumerate(chart.columns) if column.role == "y"]


def numbers(chart: Chart, columns: Sequence[int]) -> list[float]:
    """Return all non-missing numbers of some columns."""
    return [row[column] for row in chart.rows for column in columns if row[column] is not None]


def text(content: str, x: float, y: float, **attributes: Any) -> str:
    """Return a text element."""
    return element("text", escape(content), x=x, y=y, **attributes)


def fit_plane(
    width: float,
    height: float,
    ticks: list[float],
    labels: list[str],
    *,
    x_low: float,
    x_high: float,
    bottom: float = 46.0,
) -> Plane:
    """Return a plotting area that leaves room for the labels of the y axis."""
    left = max(map(width_of, labels), default=0.0) + 12.0
    return Plane(
        width, height, left, 24.0, 28.0, bottom, x_low, x_high, ticks[0], ticks[-1]
    )  # fmt: skip


def axis_y(
    chart: Chart, values: list[float], currency: str, *, from_zero: bool = True
) -> tuple[list[float], list[str]]:
    """Return ticks for the numbers, and their labels."""
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
        return localize_number(f"{100 * value:.4g}%")
    kind = "money" if unit.startswith("money") else "count"
    return format_quantity(value, kind, currency=currency, compact=True)


def gridlines(plane: Plane, ticks: list[float], labels: list[str]) -> str:
    """Return horizontal grid lines with their labels."""
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
    """Return labels below the plotting area, thinned so that they do not overlap."""
    drawn = []
    for number in thin_labels(labels, plane.width - plane.left - plane.right):
        x = plane.x(at[number])
        half = width_of(labels[number]) / 2
        x = min(max(x, half), plane.width - half)
        drawn.append(text(labels[number], x, plane.height - 26, text_anchor="middle"))
    return "".join(drawn)


def axis_titles(chart: Chart, plane: Plane, currency: str) -> str:
    """Return the title of the y axis above it, and that of the x axis below it."""
    x_title = _fit_title(chart.columns[column_of(chart, "x") or 0].title, plane.width - plane.left)
    middle = (plane.left + plane.width - plane.right) / 2
    middle = max(middle, width_of(x_title) / 2)
    return text(value_title(chart, plane.width, currency), 0, 12) + text(
        x_title, middle, plane.height - 7, text_anchor="middle"
    )


def value_title(chart: Chart, width: float, currency: str) -> str:
    """Return the title of the axis of the numbers, with their unit."""
    columns = [chart.columns[number] for number in series(chart)]
    unit = _unit_label(columns[0].unit, currency)
    if len(columns) > 1:
        return shorten(_("Share, %") if unit == "%" else capitalize_first(unit), width)
    return _fit_title(columns[0].title, width, unit)


def _fit_title(title: str, width: float, unit: str = "") -> str:
    """Return a title with its unit; its part before a comma where space is short."""
    ending = f", {unit}" if unit else ""
    if width_of(title + ending) > width:
        # The table has the whole title.
        title = title.split(", ", maxsplit=1)[0]
    return shorten(title + ending, width)


def _unit_label(unit: str, currency: str) -> str:
    money = currency or _("money")
    names = {
        "money": money,
        "money a month": _("{currency} a month", currency=money),
        "share": "%",
        "points": _("percentage points"),
        "times": _("times"),
        "days": _("days"),
        "months": _("months"),
    }
    return names.get(unit, "")


def tone_class(chart: Chart, column: int) -> str:
    """Return the class of a drawn column with a meaning, after a blank; empty without."""
    tone = chart.columns[column].tone
    return f" tone-{tone}" if tone else ""


def shorten(name: str, width: float) -> str:
    """Cut a text to a width in pixels, with an ellipsis."""
    short = name
    while width_of(short) > width and len(short) > 1:
        short = short[:-2].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    return short


def legend(chart: Chart) -> str:
    """Return a legend, or an empty text for a single series."""
    columns = series(chart)
    if len(columns) < 2 or chart.chart_type not in _LEGENDS:
        return ""
    items = "".join(
        element(
            "li",
            element(
                "svg",
                element(
                    "rect",
                    width=12,
                    height=12,
                    rx=3,
                    class_=f"s{number + 1}{tone_class(chart, column)}",
                ),
                viewBox="0 0 12 12",
                width=12,
                height=12,
                aria_hidden="true",
            )
            + escape(chart.columns[column].title),
        )
        for number, column in enumerate(columns)
    )
    return element("ul", items, class_="legend")

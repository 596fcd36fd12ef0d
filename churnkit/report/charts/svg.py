"""SVG elements, scales, ticks and text widths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Plane", "element", "nice_ticks", "path", "thin_labels", "width_of"]

# Widths at 12 px in DejaVu Sans, one of the widest fallback fonts.
_NARROW, _REGULAR, _WIDE = 4.2, 7.7, 11.6
_NARROW_LETTERS = frozenset("iljIt.,:;!'|()[] -f")
_WIDE_LETTERS = frozenset("mwMW%@\N{MULTIPLICATION SIGN}")


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """Return an element; `content` is markup, attributes are escaped.

    Examples
    --------
    >>> element("rect", x=1.256, class_="s1")
    '<rect x="1.26" class="s1"/>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _attribute(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(str(value))


def path(points: Sequence[tuple[float, float]]) -> str:
    """Return the path data of a line through points.

    Examples
    --------
    >>> path([(0, 1), (2.5, 3)])
    'M0,1L2.5,3'
    """
    return "M" + "L".join(f"{_attribute(float(x))},{_attribute(float(y))}" for x, y in points)


def width_of(text: str) -> float:
    """Return an upper estimate of the width of a text at 12 px.

    Examples
    --------
    >>> width_of("ill") < width_of("sum")
    True
    """
    return sum(
        _NARROW if letter in _NARROW_LETTERS else _WIDE if letter in _WIDE_LETTERS else _REGULAR
        for letter in text
    )


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers from at most `low` to at least `high`.

    Examples
    --------
    >>> nice_ticks(0.0, 0.93), nice_ticks(-3, 18)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [-10.0, 0.0, 10.0, 20.0])
    """
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def thin_labels(labels: Sequence[str], room: float) -> list[int]:
    """Return the positions of labels that fit without overlap; the last one is always kept.

    Examples
    --------
    >>> thin_labels(["Jan", "Feb", "Mar", "Apr"], 80)
    [1, 3]
    """
    if not labels:
        return []
    widest = max(map(width_of, labels)) + 10.0
    most = max(int(room // widest), 1)
    every = math.ceil(len(labels) / most)
    return [at for at in range(len(labels)) if (len(labels) - 1 - at) % every == 0]


@dataclass(frozen=True, slots=True)
class Plane:
    """Mapping from data to the coordinates of a plotting area.

    Parameters
    ----------
    width, height
        Size of the chart.
    left, right, top, bottom
        Margins.
    x_low, x_high, y_low, y_high
        Data values at the inner edges.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Return the x coordinate of a value."""
        inner = self.width - self.left - self.right
        return self.left + inner * (value - self.x_low) / ((self.x_high - self.x_low) or 1.0)

    def y(self, value: float) -> float:
        """Return the y coordinate of a value."""
        inner = self.height - self.top - self.bottom
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1.0)
        return self.height - self.bottom - inner * share

"""Results as JSON-able data and as HTML in notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from importlib import import_module
from pathlib import PurePath
from typing import Any, ClassVar

__all__ = ["PlottableResult", "Result", "to_jsonable"]


class Result:
    """Mixin for dataclasses: `to_dict`, `to_frame` and the frame as HTML in notebooks.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, slots=True)
    ... class Counts(Result):
    ...     rows: int
    ...     columns: tuple[str, ...]
    >>> Counts(2, ("plan", "mrr")).to_dict()
    {'rows': 2, 'columns': ['plan', 'mrr']}
    >>> Counts(2, ("plan", "mrr")).to_frame()
          name        value
    0     rows            2
    1  columns  [plan, mrr]
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able data."""
        return {
            field.name: to_jsonable(getattr(self, field.name))
            for field in fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        }

    def to_frame(self) -> Any:
        """Return the fields as a pandas frame: columns if all have as many values, else rows."""
        import pandas as pd

        columns = getattr(self, "to_columns", self.to_dict)()
        sizes = {len(value) if isinstance(value, _COLUMNS) else -1 for value in columns.values()}
        if (len(sizes) == 1 and -1 not in sizes) or hasattr(self, "to_columns"):
            return pd.DataFrame(columns)
        return pd.DataFrame({"name": list(columns), "value": list(columns.values())})

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        # pandas escapes texts, and cuts long ones. An index without a name only counts rows.
        named = frame.index.name is not None
        return str(frame.to_html(index=named, float_format=_format_float, max_rows=20))


class PlottableResult(Result):
    """Mixin for results that `churnkit.displays` can draw.

    Examples
    --------
    >>> from churnkit.evaluation import lift_curve
    >>> lift_curve([1, 0], [0.8, 0.2]).plot(kind="lift")  # doctest: +SKIP
    GainsDisplay()
    """

    __slots__ = ()
    _display: ClassVar[str]
    """Name of the display in `churnkit.displays`."""
    display_title: ClassVar[str] = ""
    """Title of the axes, where one display draws different numbers."""

    def plot(self, *, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the result with matplotlib (extra ``plot``).

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For the display's `plot`.

        Returns
        -------
        Display
            The display of `churnkit.displays`, with ``ax_`` and ``figure_``.
        """
        # By name, as displays import the packages of the results.
        display = getattr(import_module("churnkit.displays"), self._display)
        return display.from_result(self, ax=ax, **kwargs)


def _format_float(number: float) -> str:
    """Format four digits, and large numbers without a fraction or an exponent."""
    return f"{number:,.0f}" if 1e3 <= abs(number) < 1e15 else f"{number:.4g}"


def to_jsonable(value: Any) -> Any:
    """Convert a value to JSON-able data: results and dataclasses, arrays, times and paths.

    Examples
    --------
    >>> from datetime import date
    >>> to_jsonable({"as_of": date(2026, 1, 1), "shares": (0.25, 0.75)})
    {'as_of': '2026-01-01', 'shares': [0.25, 0.75]}
    """
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_jsonable(item) for item in value]
    for kind, convert in _CONVERSIONS.items():
        if isinstance(value, kind):
            return convert(value)
    # numpy arrays and scalars, without importing numpy
    return value.tolist() if hasattr(value, "tolist") else value


_COLUMNS = (list, tuple)
_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    date: date.isoformat,
    Enum: lambda value: value.value,
    PurePath: str,
}

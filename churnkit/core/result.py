"""Results as JSON-able data and as HTML in notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

__all__ = ["Result", "to_jsonable"]


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
        # pandas escapes texts, and cuts long ones.
        html = self.to_frame().to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        return str(html)


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

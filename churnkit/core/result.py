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
    """Mixin for dataclasses: `to_dict` from the fields, and the frame as HTML in notebooks.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, slots=True)
    ... class Counts(Result):
    ...     rows: int
    ...     columns: tuple[str, ...]
    >>> Counts(2, ("plan", "mrr")).to_dict()
    {'rows': 2, 'columns': ['plan', 'mrr']}
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able data."""
        return {
            field.name: to_jsonable(getattr(self, field.name))
            for field in fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        }

    def _repr_html_(self) -> str | None:
        to_frame = getattr(self, "to_frame", None)
        if to_frame is None:
            return None
        return str(to_frame().to_html(index=False, float_format="{:.4g}".format))


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


_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    date: date.isoformat,
    Enum: lambda value: value.value,
    PurePath: str,
}

"""Checks of stored settings: fields, types and ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

from churnkit.core.result import Result
from churnkit.errors import RecipeError

__all__ = [
    "Settings",
    "check_count",
    "check_fields",
    "check_list",
    "check_name",
    "check_number",
    "check_share",
]


def check_fields(kind: type, data: Any) -> dict[str, Any]:
    """Return a copy of `data` if its keys are exactly the fields of the dataclass `kind`."""
    label = kind.__name__.lower()
    if not isinstance(data, Mapping):
        raise RecipeError(f"{label}: expected an object, not {type(data).__name__}")
    names = [field.name for field in fields(kind)]
    missing = [name for name in names if name not in data]
    unknown = [str(key) for key in data if key not in names]
    if missing:
        raise RecipeError(f"{label}: {', '.join(missing)} is missing")
    if unknown:
        raise RecipeError(
            f"{label}: unknown field {', '.join(unknown)}; the fields are {', '.join(names)}"
        )
    return dict(data)


class Settings(Result):
    """Mixin for dataclasses that are stored as JSON: `from_dict` is the inverse of `to_dict`."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild the object from `to_dict`.

        Raises
        ------
        RecipeError
            If a field is missing, unknown or invalid.
        """
        return cls(**check_fields(cls, data))


def check_list(label: str, value: Any) -> list[Any]:
    """Return a copy of `value` if it is a list or tuple."""
    if not isinstance(value, (list, tuple)):
        raise RecipeError(f"{label} must be a list")
    return list(value)


def check_number(label: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RecipeError(f"{label} must be a finite number")
    return float(value)


def check_share(label: str, value: Any) -> float:
    """Return `value` as a float if it is a number from 0 to 1."""
    share = check_number(label, value)
    if not 0.0 <= share <= 1.0:
        raise RecipeError(f"{label} must be a share from 0 to 1")
    return share


def check_count(label: str, value: Any) -> int | None:
    """Return `value` if it is a non-negative integer or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise RecipeError(f"{label} must be a whole number, zero or more, or None")
    return value


def check_name(label: str, value: Any) -> str | None:
    """Return `value` if it is non-empty text or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise RecipeError(f"{label} must be text or None")
    return value

"""Reading stored catalogues: nothing missing, nothing unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from churnkit.errors import RecipeError

__all__ = ["exactly", "listed", "named", "number", "share", "whole"]


def exactly(kind: type, data: Any) -> dict[str, Any]:
    """Give the data back if its keys are the fields of `kind`, no more and no fewer."""
    said = kind.__name__.lower()
    if not isinstance(data, Mapping):
        raise RecipeError(f"{said}: expected an object, not {type(data).__name__}")
    names = [field.name for field in fields(kind)]
    missing = [name for name in names if name not in data]
    strange = [str(key) for key in data if key not in names]
    if missing:
        raise RecipeError(f"{said}: {', '.join(missing)} is missing")
    if strange:
        raise RecipeError(f"{said}: {', '.join(strange)} is not known; it has: {', '.join(names)}")
    return dict(data)


def listed(said: str, value: Any) -> list[Any]:
    """Give the value back if it is a list."""
    if not isinstance(value, (list, tuple)):
        raise RecipeError(f"{said} must be a list")
    return list(value)


def number(said: str, value: Any) -> float:
    """Give the value back as a float if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RecipeError(f"{said} must be a finite number")
    return float(value)


def share(said: str, value: Any) -> float:
    """Give the value back as a float if it is a number from 0 to 1."""
    part = number(said, value)
    if not 0.0 <= part <= 1.0:
        raise RecipeError(f"{said} is a share, from 0 to 1")
    return part


def whole(said: str, value: Any) -> int | None:
    """Give the value back if it is a whole number, zero or more, or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise RecipeError(f"{said} must be a whole number, zero or more, or None")
    return value


def named(said: str, value: Any) -> str | None:
    """Give the value back if it is a name or None."""
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise RecipeError(f"{said} must be text or None")
    return value

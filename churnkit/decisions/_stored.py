"""Reading stored catalogues: nothing missing, nothing unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from churnkit.errors import RecipeError

__all__ = ["exactly", "listed"]


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

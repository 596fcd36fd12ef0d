"""Migrations of stored catalogues from older formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnkit.errors import RecipeError

__all__ = ["CATALOGUE_FORMAT", "migrate"]

CATALOGUE_FORMAT = 5


def migrate(data: Any) -> dict[str, Any]:
    """Return a stored catalogue's fields in the newest format, without the version.

    Raises
    ------
    RecipeError
        If `data` is not a catalogue, or has a newer format.
    """
    version = data.get("format") if isinstance(data, Mapping) else None
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RecipeError("catalogue: 'format' is missing; store catalogues with to_dict()")
    if version > CATALOGUE_FORMAT:
        raise RecipeError(
            f"catalogue: format {version!r:.40} is newer than {CATALOGUE_FORMAT}, the newest "
            "supported: upgrade churnkit"
        )
    parts = {key: part for key, part in data.items() if key != "format"}
    for step in (_from_1, _from_2, _from_3, _from_4)[version - 1 :]:
        parts = step(parts)
    return parts


def _from_2(parts: dict[str, Any]) -> dict[str, Any]:
    return {"survival": False, "discount": 0.0, **_add_to_actions(parts, {"features": []})}


def _from_3(parts: dict[str, Any]) -> dict[str, Any]:
    return _add_to_actions(parts, {"steps": []})


def _from_4(parts: dict[str, Any]) -> dict[str, Any]:
    return _add_to_actions(parts, {"prevents": []})


def _add_to_actions(parts: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    actions = parts.get("actions")
    if not isinstance(actions, list):
        return parts
    return {
        **parts,
        "actions": [defaults | dict(a) if isinstance(a, Mapping) else a for a in actions],
    }


# Fields added in format 2, with the values that format 1 implied.
_CATALOGUE_2: dict[str, Any] = {
    "capacities": [],
    "floors": [],
    "contact": {"limits": [], "cool_downs": [], "suppression": None},
    "holdout": 0.0,
    "exploration": None,
    "salt": "churnkit",
}
_ACTION_2: dict[str, Any] = {
    "group": None,
    "cost_taken": 0.0,
    "take_rate": 1.0,
    "benefit_periods": None,
    "applicable": [],
    "suitable": [],
    "consent": None,
    "valid_from": None,
    "valid_until": None,
    "levers": [],
    "holdout": 0.0,
}


def _from_1(parts: dict[str, Any]) -> dict[str, Any]:
    unknown = [key for key in parts if key in _CATALOGUE_2]
    if unknown:
        raise RecipeError(f"catalogue: format 1 has no field {', '.join(unknown)}")
    return _add_to_actions(parts, _ACTION_2) | _CATALOGUE_2

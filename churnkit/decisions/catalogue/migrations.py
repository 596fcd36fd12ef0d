"""The formats that catalogues were stored in, and their way to the newest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnkit.errors import RecipeError

__all__ = ["CATALOGUE_FORMAT", "forward"]

CATALOGUE_FORMAT = 3


def forward(data: Any) -> dict[str, Any]:
    """Give a stored catalogue's parts in the newest format, without the format's number.

    Raises
    ------
    RecipeError
        If it is no catalogue, or of a newer format.
    """
    said = data.get("format") if isinstance(data, Mapping) else None
    if isinstance(said, bool) or not isinstance(said, int) or said < 1:
        raise RecipeError("catalogue: no 'format' is given; write it with to_dict()")
    if said > CATALOGUE_FORMAT:
        raise RecipeError(
            f"catalogue: format {said} is newer than {CATALOGUE_FORMAT}, the newest that "
            "this churnkit reads; upgrade churnkit"
        )
    parts = {key: part for key, part in data.items() if key != "format"}
    for step in (_from_1, _from_2)[said - 1 :]:
        parts = step(parts)
    return parts


def _from_2(parts: dict[str, Any]) -> dict[str, Any]:
    return {"survival": False, "discount": 0.0, **_with(parts, {"features": []})}


def _with(parts: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    actions = parts.get("actions")
    if not isinstance(actions, list):
        return parts
    return {
        **parts,
        "actions": [further | dict(a) if isinstance(a, Mapping) else a for a in actions],
    }


# What catalogues and actions have had since format 2, as it was in effect before.
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
    strange = [key for key in parts if key in _CATALOGUE_2]
    if strange:
        raise RecipeError(f"catalogue: {', '.join(strange)} is not known in format 1")
    return _with(parts, _ACTION_2) | _CATALOGUE_2

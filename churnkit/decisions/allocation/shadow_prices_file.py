"""A plan's shadow prices as a small JSON file, which a service reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.core.io.atomic_write import write_atomic
from churnkit.decisions.allocation.shadow_prices import ShadowPrices
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["read_prices", "write_prices"]

_FORMAT = 1


def write_prices(path: str | Path, prices: ShadowPrices, catalogue: Catalogue) -> None:
    """Write prices with the names of what they are prices of.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> catalogue = Catalogue((Action("call", "A call", 5, Effect(0, 0.1, 0.2)),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_prices(f"{folder}/prices.json", ShadowPrices(0.5, np.zeros(1)), catalogue)
    ...     read_prices(f"{folder}/prices.json", catalogue).budget
    0.5
    """
    stored = {"format": _FORMAT, **_named(catalogue), **prices.to_dict()}
    try:
        write_atomic(path, json.dumps(stored, indent=1, allow_nan=False))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: prices cannot be written ({type(error).__name__})") from None


def read_prices(path: str | Path, catalogue: Catalogue) -> ShadowPrices:
    """Read prices, and refuse those of another catalogue.

    Raises
    ------
    RecipeError
        If the file is missing, damaged, newer, or of other actions or limits.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: prices cannot be read ({type(error).__name__})") from None
    if not isinstance(stored, dict) or stored.get("format") != _FORMAT:
        raise RecipeError(f"{path} holds no prices of format {_FORMAT}: plan again")
    if any(stored.get(name) != there for name, there in _named(catalogue).items()):
        raise RecipeError(f"{path}: the prices are of another catalogue: plan again")
    prices = ShadowPrices.from_dict(stored)
    counted = (len(prices.capacity), len(prices.shared), len(prices.floors))
    if counted != (len(catalogue.names), len(catalogue.capacities), len(catalogue.floors)):
        raise RecipeError(f"{path}: the prices do not fit the actions and limits: plan again")
    return prices


def _named(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "actions": list(catalogue.names),
        "limits": [str(limit) for limit in catalogue.capacities],
        "segments": [floor.name for floor in catalogue.floors],
    }

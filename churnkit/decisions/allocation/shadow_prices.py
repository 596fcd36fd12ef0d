"""What one more unit of each limit would bring: the prices at which a plan decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["ShadowPrices"]

_PARTS = ("capacity", "shared", "floors")


def _none() -> NDArray[np.float64]:
    return np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowPrices:
    """What one more unit of each limit would bring, in money."""

    budget: float
    """Gain for one more unit of money; 0 where the budget does not bind."""
    capacity: NDArray[np.float64]
    """(m,) gain for one more customer of each action; 0 where the capacity does not bind."""
    shared: NDArray[np.float64] = field(default_factory=_none)
    """(s,) the same for each limit that actions share, in the catalogue's order."""
    floors: NDArray[np.float64] = field(default_factory=_none)
    """(f,) what one customer less in each floor would bring."""

    def to_dict(self) -> dict[str, Any]:
        """Give plain numbers; `from_dict` is its inverse.

        Examples
        --------
        >>> ShadowPrices(0.5, np.zeros(1)).to_dict()
        {'budget': 0.5, 'capacity': [0.0], 'shared': [], 'floors': []}
        """
        return {
            "budget": self.budget,
            "capacity": self.capacity.tolist(),
            "shared": self.shared.tolist(),
            "floors": self.floors.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShadowPrices:
        """Rebuild prices from `to_dict`.

        Raises
        ------
        RecipeError
            If a price is missing, negative or no number.
        """
        try:
            budget = float(data["budget"])
            parts = [np.array(data[name], dtype=np.float64) for name in _PARTS]
        except (KeyError, TypeError, ValueError):
            raise RecipeError("shadow prices: cannot be read; write them with to_dict()") from None
        every = np.concatenate([[budget], *(part.ravel() for part in parts)])
        if any(part.ndim != 1 for part in parts) or not bool(
            ((every >= 0.0) & np.isfinite(every)).all()
        ):
            raise RecipeError("shadow prices: each must be a finite number, zero or more")
        return cls(budget, *parts)

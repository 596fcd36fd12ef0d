"""How a catalogue explores: as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from churnkit.core.parsing import exactly, share
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exploration"]

By = Literal["uniform", "thompson"]


@dataclass(frozen=True, slots=True)
class Exploration:
    """How many customers get an action by chance, so that effects can be learned.

    Parameters
    ----------
    epsilon
        The share of customers for whom chance chooses; 1 for all.
    by
        Chance chooses evenly among what is open to the customer (``"uniform"``), or each option
        as often as a draw from the gains' intervals makes it the best (``"thompson"``).
    floor
        The share of Thompson's draws that are even all the same, so that no option's
        probability vanishes.
    reserve
        The share of the budget and of each capacity that is kept for it; None for `epsilon`.

    Raises
    ------
    RecipeError
        If a share is outside 0 to 1.

    Examples
    --------
    >>> Exploration(0.05).reserved
    0.05

    """

    epsilon: float
    by: By = "uniform"
    floor: float = 0.1
    reserve: float | None = None

    def __post_init__(self) -> None:
        for name in ("epsilon", "floor"):
            object.__setattr__(self, name, share(f"exploration: {name}", getattr(self, name)))
        if self.reserve is not None:
            object.__setattr__(self, "reserve", share("exploration: reserve", self.reserve))
        if self.by not in get_args(By):
            raise RecipeError("exploration: by must be 'uniform' or 'thompson'")

    @property
    def reserved(self) -> float:
        """The share of the budget and of each capacity that is kept for exploration."""
        return self.epsilon if self.reserve is None else self.reserve

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able data; `from_dict` is their inverse."""
        return {
            "epsilon": self.epsilon,
            "by": self.by,
            "floor": self.floor,
            "reserve": self.reserve,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Exploration:
        """Rebuild the settings from `to_dict`."""
        return cls(**exactly(cls, data))

"""Exploration settings of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from churnkit.core.parsing import Settings, check_share
from churnkit.errors import RecipeError

__all__ = ["Exploration"]

By = Literal["uniform", "thompson"]


@dataclass(frozen=True, slots=True)
class Exploration(Settings):
    """Randomized actions for a share of customers, so that effects can be measured.

    Parameters
    ----------
    epsilon
        Share of customers whose action is drawn at random; 1 for all.
    by
        Distribution of the draws: uniform over the eligible options (``"uniform"``), or the
        probability that an option is the best under the gains' intervals (``"thompson"``).
    floor
        Share of the uniform distribution in Thompson sampling, so that every option keeps a
        positive probability.
    reserve
        Share of the budget and of each capacity reserved for exploration; None for `epsilon`.

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
            object.__setattr__(self, name, check_share(f"exploration: {name}", getattr(self, name)))
        if self.reserve is not None:
            object.__setattr__(self, "reserve", check_share("exploration: reserve", self.reserve))
        if self.by not in get_args(By):
            raise RecipeError("exploration: by must be 'uniform' or 'thompson'")

    @property
    def reserved(self) -> float:
        """Share of the budget and of each capacity reserved for exploration."""
        return self.epsilon if self.reserve is None else self.reserve

"""Exploration of one table of customers: draw weights and reserve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.decisions.allocation.remaining_capacity import RemainingCapacity, exploration_reserve
from churnkit.decisions.catalogue.exploration import Exploration
from churnkit.decisions.exploration.sampling import Draw, draw, thompson_weights, uniform_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.gain import Gains

__all__ = ["Explorer"]


@dataclass(frozen=True, slots=True, eq=False)
class Explorer:
    """Exploration prepared for one table of customers.

    Parameters
    ----------
    exploration
        Settings of the catalogue.
    weights
        (n, 1 + m) probabilities of drawing none and each action.
    reserve
        (m,) maximum number of customers that exploration may give each action.
    rest
        Capacity that remains for the plan.
    seed
        Salt and day.
    """

    exploration: Exploration
    weights: NDArray[np.float64]
    reserve: NDArray[np.float64]
    rest: RemainingCapacity
    seed: str

    @classmethod
    def for_table(
        cls, gains: Gains, capacity: RemainingCapacity, catalogue: Catalogue, day: str
    ) -> Explorer:
        """Prepare exploration over actions whose upper bound of the gain is above zero."""
        exploration = catalogue.exploration or Exploration(0.0)
        cost = np.broadcast_to(gains.cost, gains.expected.shape)
        candidates = gains.eligible & (gains.high > 0.0)
        reserve, dearest, cells = exploration_reserve(capacity, exploration, candidates, cost)
        weights = _weights(exploration, gains, cells)
        seed = f"{catalogue.salt}:{day}"
        return cls(exploration, weights, reserve, capacity.without(reserve, dearest), seed)

    @classmethod
    def at_prices(
        cls, gains: Gains, capacity: RemainingCapacity, catalogue: Catalogue, day: str
    ) -> Explorer:
        """Prepare exploration at the shadow prices of a plan, without a reserve."""
        exploration = catalogue.exploration or Exploration(0.0)
        fits = (gains.cost <= capacity.budget) & ~capacity.closed()
        weights = _weights(exploration, gains, gains.eligible & (gains.high > 0.0) & fits)
        unlimited = np.full(capacity.capacity.shape[0], np.inf)
        return cls(exploration, weights, unlimited, capacity, f"{catalogue.salt}:{day}")

    def protecting_floors(self, planned: NDArray[np.int64], members: NDArray[np.bool_]) -> Explorer:
        """Remove "none" from the options of floor members who have an action."""
        rows = np.flatnonzero(members & (planned >= 0))
        weights = self.weights.copy()
        weights[rows, 0] = 0.0
        total = weights[rows].sum(axis=1)
        without_option = rows[total <= 0.0]
        weights[without_option, planned[without_option] + 1] = 1.0
        weights[rows] /= weights[rows].sum(axis=1, keepdims=True)
        return replace(self, weights=weights)

    def draw(self, planned: NDArray[np.int64], customers: Sequence[str]) -> Draw:
        """Draw actions for customers of the plan."""
        drawn = draw(
            planned,
            self.weights,
            self.reserve,
            self.exploration,
            seed=self.seed,
            customers=customers,
        )
        # A customer without options is not explored.
        drawn.explored[self.weights[:, 0] >= 1.0] = False
        return drawn


def _weights(
    exploration: Exploration, gains: Gains, cells: NDArray[np.bool_]
) -> NDArray[np.float64]:
    if exploration.by == "thompson":
        return thompson_weights(
            gains.expected, gains.low, gains.high, cells, floor=exploration.floor
        )
    return uniform_weights(cells)

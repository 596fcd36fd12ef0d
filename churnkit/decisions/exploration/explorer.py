"""What chance may do: which options, how likely, and within which reserve."""

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
    """An exploration made ready for one table of customers.

    Parameters
    ----------
    exploration
        The catalogue's.
    weights
        (n, 1 + m) how likely each customer draws none and each action.
    reserve
        (m,) how many customers it may give each action.
    rest
        The room that is left for the plan.
    seed
        The salt and the day.
    """

    exploration: Exploration
    weights: NDArray[np.float64]
    reserve: NDArray[np.float64]
    rest: RemainingCapacity
    seed: str

    @classmethod
    def for_table(
        cls, gains: Gains, room: RemainingCapacity, catalogue: Catalogue, day: str
    ) -> Explorer:
        """Open what might pay to chance: actions whose gain's upper bound is above zero.

        `catalogue` must explore.
        """
        exploration = catalogue.exploration or Exploration(0.0)
        cost = np.broadcast_to(gains.cost, gains.expected.shape)
        might = gains.eligible & (gains.high > 0.0)
        reserve, dearest, cells = exploration_reserve(room, exploration, might, cost)
        weights = _weights(exploration, gains, cells)
        seed = f"{catalogue.salt}:{day}"
        return cls(exploration, weights, reserve, room.without(reserve, dearest), seed)

    @classmethod
    def at_prices(
        cls, gains: Gains, room: RemainingCapacity, catalogue: Catalogue, day: str
    ) -> Explorer:
        """Open the same for customers at a plan's prices, where nothing is kept back for them."""
        exploration = catalogue.exploration or Exploration(0.0)
        fits = (gains.cost <= room.budget) & ~room.closed()
        weights = _weights(exploration, gains, gains.eligible & (gains.high > 0.0) & fits)
        endless = np.full(room.capacity.shape[0], np.inf)
        return cls(exploration, weights, endless, room, f"{catalogue.salt}:{day}")

    def protecting_floors(self, planned: NDArray[np.int64], members: NDArray[np.bool_]) -> Explorer:
        """Take "none" from what chance may choose for members of floors who have an action."""
        rows = np.flatnonzero(members & (planned >= 0))
        weights = self.weights.copy()
        weights[rows, 0] = 0.0
        total = weights[rows].sum(axis=1)
        bare = rows[total <= 0.0]
        weights[bare, planned[bare] + 1] = 1.0
        weights[rows] /= weights[rows].sum(axis=1, keepdims=True)
        return replace(self, weights=weights)

    def draw(self, planned: NDArray[np.int64], customers: Sequence[str]) -> Draw:
        """Let chance choose for some of the plan's customers."""
        drawn = draw(
            planned,
            self.weights,
            self.reserve,
            self.exploration,
            seed=self.seed,
            customers=customers,
        )
        # Where there is nothing to choose from, nothing was explored.
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

"""How much room there is: the budget and all capacities, less what is used or kept back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.catalogue.exploration import Exploration

    Floats = NDArray[np.float64]

__all__ = ["RemainingCapacity", "exploration_reserve"]

# Exploration leaves out customers for whom an action costs more than so many times its median.
_DEAR = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class RemainingCapacity:
    """The limits of one plan.

    Parameters
    ----------
    budget
        In money; ``inf`` for no limit.
    capacity
        (m,) customers of each action; ``inf`` for no limit.
    shared
        Customers, and the places of the actions that share the limit.
    """

    budget: float
    capacity: Floats
    shared: tuple[tuple[float, tuple[int, ...]], ...]

    @classmethod
    def from_catalogue(
        cls,
        catalogue: Catalogue,
        budget: float | None = None,
        used: Mapping[str, tuple[int, float]] | None = None,
    ) -> RemainingCapacity:
        """Give the room that a catalogue and a budget leave.

        Parameters
        ----------
        used
            Customers and cost by action that the period has had already.
        """
        before = {} if used is None else used
        counts = [float(before.get(name, (0, 0.0))[0]) for name in catalogue.names]
        spent = math.fsum(cost for _, cost in before.values())
        capacity = [
            math.inf if most is None else max(0.0, most - count)
            for most, count in zip(catalogue.capacity, counts, strict=True)
        ]
        shared = []
        for limit in catalogue.capacities:
            places = tuple(
                j for j, a in enumerate(catalogue.actions) if limit.counts(a.channel, a.group)
            )
            shared.append((max(0.0, limit.most - sum(counts[j] for j in places)), places))
        # A budget that makes no sense is refused where it is used.
        money = math.inf if budget is None else budget if not spent else max(0.0, budget - spent)
        return cls(money, np.array(capacity), tuple(shared))

    def closed(self) -> NDArray[np.bool_]:
        """Tell which actions have no room at all, (m,)."""
        shut: NDArray[np.bool_] = self.capacity < 1.0
        for most, places in self.shared:
            if most < 1.0:
                shut[list(places)] = True
        return shut

    def full(self, action: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which actions have no room left under a plan, (m,)."""
        return self.filled(np.bincount(action + 1, minlength=self.capacity.shape[0] + 1)[1:])

    def filled(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which actions have no room left when so many customers, (m,), have each."""
        full: NDArray[np.bool_] = counts >= self.capacity
        for most, places in self.shared:
            if counts[list(places)].sum() >= most:
                full[list(places)] = True
        return full

    def without(self, customers: Floats, dearest: Floats) -> RemainingCapacity:
        """Give the room that is left when each action's reserve of customers is kept back."""
        kept = np.where(np.isfinite(customers), customers, 0.0)
        shared = tuple(
            (most - float(kept[list(places)].sum()), places) for most, places in self.shared
        )
        budget = self.budget - math.fsum((kept * dearest).tolist())
        return RemainingCapacity(max(0.0, budget), self.capacity - kept, shared)


def exploration_reserve(
    room: RemainingCapacity, exploration: Exploration, cells: NDArray[np.bool_], cost: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Give what exploration may use, from the limits and the customers alone, not from chance.

    Parameters
    ----------
    cells
        (n, m) which actions are open to whom.
    cost
        (n, m) in money.

    Returns
    -------
    tuple
        (m,) customers of each action, ``inf`` where nothing limits it; (m,) what one of them
        costs at most; (n, m) the cells that stay open: none whose cost is far from typical.
    """
    m = cells.shape[1]
    cells = cells & (cost <= room.budget) & ~room.closed()
    dearest = np.zeros(m)
    for j in range(m):
        typical = cost[cells[:, j], j]
        if typical.size:
            cells[:, j] &= cost[:, j] <= _DEAR * float(np.median(typical))
            dearest[j] = float(cost[cells[:, j], j].max(initial=0.0))
    share = exploration.reserved
    limited = np.isfinite(room.capacity)
    customers = np.where(limited, np.floor(share * np.where(limited, room.capacity, 0.0)), np.inf)
    for most, places in room.shared:
        mine = list(places)
        customers[mine] = np.minimum(customers[mine], math.floor(share * most / len(mine)))
    paid = dearest > 0.0
    if paid.any() and math.isfinite(room.budget):
        slice_ = share * room.budget / int(paid.sum())
        # A cost next to nothing pays for more customers than a number can count: no limit.
        with np.errstate(over="ignore"):
            affordable = np.floor(slice_ / dearest[paid])
        customers[paid] = np.minimum(customers[paid], affordable)
    # More than chance can take at all is not kept back.
    most_taken = np.ceil(exploration.epsilon * cells.sum(axis=0))
    limited = np.isfinite(customers)
    customers[limited] = np.minimum(customers[limited], most_taken[limited])
    return customers, dearest, cells

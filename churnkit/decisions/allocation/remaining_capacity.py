"""Remaining budget and capacities, after use in the period and reserves."""

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

# Exploration skips customers for whom an action costs more than this multiple of its median.
_MAX_COST_RATIO = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class RemainingCapacity:
    """Limits of one plan.

    Parameters
    ----------
    budget
        In money; ``inf`` for no limit.
    capacity
        (m,) customers of each action; ``inf`` for no limit.
    shared
        Customers, and indices of the actions that share the limit.
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
        """Return the limits of a catalogue and a budget, less what the period has used.

        Parameters
        ----------
        catalogue
            Catalogue with the capacities.
        budget
            Budget of the period, in money; None for no limit.
        used
            Customers and cost of each action so far in the period.
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
            indices = tuple(
                j for j, a in enumerate(catalogue.actions) if limit.counts(a.channel, a.group)
            )
            shared.append((max(0.0, limit.most - sum(counts[j] for j in indices)), indices))
        # Invalid budgets are refused by the allocation.
        money = math.inf if budget is None else budget if not spent else max(0.0, budget - spent)
        return cls(money, np.array(capacity), tuple(shared))

    def closed(self) -> NDArray[np.bool_]:
        """Return which actions have no capacity, (m,)."""
        closed: NDArray[np.bool_] = self.capacity < 1.0
        for most, indices in self.shared:
            if most < 1.0:
                closed[list(indices)] = True
        return closed

    def full(self, action: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which actions have no capacity left under a plan, (m,)."""
        return self.filled(np.bincount(action + 1, minlength=self.capacity.shape[0] + 1)[1:])

    def filled(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which actions have no capacity left after these numbers of customers, (m,)."""
        full: NDArray[np.bool_] = counts >= self.capacity
        for most, indices in self.shared:
            if counts[list(indices)].sum() >= most:
                full[list(indices)] = True
        return full

    def without(self, customers: Floats, max_cost: Floats) -> RemainingCapacity:
        """Return the limits less a reserve of customers of each action at their maximum cost."""
        reserve = np.where(np.isfinite(customers), customers, 0.0)
        shared = tuple(
            (most - float(reserve[list(indices)].sum()), indices) for most, indices in self.shared
        )
        budget = self.budget - math.fsum((reserve * max_cost).tolist())
        return RemainingCapacity(max(0.0, budget), self.capacity - reserve, shared)


def exploration_reserve(
    remaining: RemainingCapacity, exploration: Exploration, cells: NDArray[np.bool_], cost: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the reserve for exploration; it depends on limits and customers, not on draws.

    Parameters
    ----------
    remaining
        Limits of the plan.
    exploration
        Exploration settings.
    cells
        (n, m) eligible actions of each customer.
    cost
        (n, m) costs in money.

    Returns
    -------
    tuple
        Customers of each action (m,), ``inf`` for no limit; maximum cost of one of them (m,); and
        the eligible cells (n, m) without those of unusually high cost.
    """
    m = cells.shape[1]
    cells = cells & (cost <= remaining.budget) & ~remaining.closed()
    max_cost = np.zeros(m)
    for j in range(m):
        typical = cost[cells[:, j], j]
        if typical.size:
            cells[:, j] &= cost[:, j] <= _MAX_COST_RATIO * float(np.median(typical))
            max_cost[j] = float(cost[cells[:, j], j].max(initial=0.0))
    share = exploration.reserved
    limited = np.isfinite(remaining.capacity)
    customers = np.where(
        limited, np.floor(share * np.where(limited, remaining.capacity, 0.0)), np.inf
    )
    for most, indices in remaining.shared:
        actions = list(indices)
        customers[actions] = np.minimum(customers[actions], math.floor(share * most / len(actions)))
    paid = max_cost > 0.0
    if paid.any() and math.isfinite(remaining.budget):
        slice_ = share * remaining.budget / int(paid.sum())
        # The quotient of a tiny cost overflows to infinity: no limit.
        with np.errstate(over="ignore"):
            affordable = np.floor(slice_ / max_cost[paid])
        customers[paid] = np.minimum(customers[paid], affordable)
    # The reserve never exceeds the maximum number of explored customers.
    max_explored = np.ceil(exploration.epsilon * cells.sum(axis=0))
    limited = np.isfinite(customers)
    customers[limited] = np.minimum(customers[limited], max_explored[limited])
    return customers, max_cost, cells

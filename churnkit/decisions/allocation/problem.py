"""Allocation problem: customers, actions and limits, and the Lagrangian dual at given prices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["AllocationProblem", "BestActions"]

# Rows evaluated at once: all buffers of a block fit in the processor's cache.
_BLOCK = 8192


@cache
def kernels() -> Any:
    """Return the compiled kernels, or None without numba; results are bit-identical."""
    if find_spec("numba") is None:
        return None
    return import_module("churnkit.decisions.allocation.numba_kernels")


def _array(cost: float | Floats) -> Floats:
    return np.array([cost]) if isinstance(cost, float) else cost


@dataclass(frozen=True, slots=True, eq=False)
class BestActions:
    """Best action of each customer at given prices."""

    action: NDArray[np.int8]
    """(n,) action with the highest reduced gain, -1 for none."""
    reduced_gain: Floats
    """(n,) its reduced gain, 0 for none."""
    margin: Floats
    """(n,) difference to the second-best reduced gain."""


@dataclass(frozen=True, slots=True, eq=False)
class AllocationProblem:
    """Customers, actions and limits, with one contiguous row per action.

    Parameters
    ----------
    gain
        (m, n) gains in money; ``-inf`` where an action is not allowed, above zero elsewhere.
    cost
        A number, or (n,) costs, for each action.
    limits
        (1 + k,) budget and capacities; ``inf`` for no limit.
    uses
        (k, m) 1 where an action counts towards a capacity, else 0.
    base
        Value of settled customers, which are not among the rows.

    """

    gain: Floats
    cost: tuple[float | Floats, ...]
    limits: Floats
    uses: Floats
    base: float = 0.0

    @property
    def rows(self) -> int:
        """Number of customers."""
        return int(self.gain.shape[1])

    def subset(self, rows: Any, limits: Floats, base: float = 0.0) -> AllocationProblem:
        """Return the problem of a subset of the customers, with other limits."""
        cost = tuple(c if isinstance(c, float) else c[rows] for c in self.cost)
        return AllocationProblem(
            np.ascontiguousarray(self.gain[:, rows]), cost, limits, self.uses, base
        )

    def capacity_costs(self, prices: Floats) -> Floats:
        """Return the capacity prices that one customer of each action pays, (m,)."""
        costs: Floats = prices[1:] @ self.uses
        return costs

    def planned_gains(self, action: Any) -> Floats:
        """Return the gain of each row's planned action, (n,); 0 for none."""
        money = np.zeros(action.shape[0])
        for j, gain in enumerate(self.gain):
            np.copyto(money, gain, where=action == j)
        return money

    def value(self, action: Any) -> float:
        """Return the total gain of a plan."""
        return float(self.planned_gains(action).sum())

    def planned_costs(self, action: Any, rows: Any = slice(None)) -> Floats:
        """Return the cost of each row's planned action, (rows,); 0 for none."""
        money = np.zeros(action.shape[0])
        for j, cost in enumerate(self.cost):
            part = cost if isinstance(cost, float) else cost[rows]
            np.copyto(money, part, where=action == j)
        return money

    def evaluate_dual(self, prices: Floats) -> tuple[float, Floats]:
        """Return the dual at `prices` and a subgradient, (1 + k,): the slack of each limit."""
        size = min(_BLOCK, self.rows)
        reduced, best, money = np.empty(size), np.empty(size), np.empty(size)
        choice, improved = np.empty(size, dtype=np.int8), np.empty(size, dtype=np.bool_)
        actions = len(self.cost)
        compiled = kernels()
        total_cost, counts = 0.0, np.zeros(actions)
        capacity_costs = self.capacity_costs(prices)
        total = self.base
        for start in range(0, self.rows, _BLOCK):
            stop = min(start + _BLOCK, self.rows)
            r, b, spent = reduced[: stop - start], best[: stop - start], money[: stop - start]
            k, up = choice[: stop - start], improved[: stop - start]
            b.fill(0.0)
            spent.fill(0.0)
            k.fill(0)
            for j, cost in enumerate(self.cost):
                part = cost if isinstance(cost, float) else cost[start:stop]
                if compiled is not None:
                    row = self.gain[j, start:stop]
                    compiled.update_best(
                        row, _array(part), prices[0], capacity_costs[j], j + 1, b, spent, k
                    )
                    continue
                self._reduce(j, part, (prices[0], capacity_costs[j]), slice(start, stop), r)
                np.greater(r, b, out=up)
                np.copyto(b, r, where=up)
                np.copyto(spent, part, where=up)
                np.copyto(k, np.int8(j + 1), where=up)
            total += float(b.sum())
            total_cost += float(spent.sum())
            counts += np.bincount(k, minlength=1 + actions)[1:]
        used = np.concatenate([[total_cost], self.uses @ counts])
        limited = np.isfinite(self.limits)
        slack = np.where(limited, self.limits - used, 0.0)
        return total + float(np.dot(prices[limited], self.limits[limited])), slack

    def slope_bound(self) -> Floats:
        """Return upper bounds on the absolute slopes of the dual, (1 + k,)."""
        most = [float(np.sum(c)) * (self.rows if isinstance(c, float) else 1) for c in self.cost]
        use = np.array([sum(most), *[float(self.rows)] * self.uses.shape[0]])
        return 2.0 * (use + np.where(np.isfinite(self.limits), np.abs(self.limits), 0.0))

    def best_actions(self, prices: Floats) -> BestActions:
        """Return each customer's best action at `prices` and its margin."""
        action = np.full(self.rows, -1, dtype=np.int8)
        best, margin = np.zeros(self.rows), np.empty(self.rows)
        compiled, capacity_costs = kernels(), self.capacity_costs(prices)
        for start in range(0, self.rows, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.rows))
            first, second = best[rows], np.full(best[rows].shape[0], -np.inf)
            reduced = np.empty_like(first)
            for j, cost in enumerate(self.cost):
                part = cost if isinstance(cost, float) else cost[rows]
                if compiled is not None:
                    row = self.gain[j, rows]
                    args = (prices[0], capacity_costs[j], j, first, second, action[rows])
                    compiled.update_best_two(row, _array(part), *args)
                    continue
                self._reduce(j, part, (prices[0], capacity_costs[j]), rows, reduced)
                up = reduced > first
                np.maximum(second, np.where(up, first, reduced), out=second)
                np.copyto(first, reduced, where=up)
                np.copyto(action[rows], np.int8(j), where=up)
            np.subtract(first, second, out=margin[rows])
        return BestActions(action, best, margin)

    def reduced_gains(self, prices: Floats, rows: Ints) -> Floats:
        """Return reduced gains of some rows, (m, rows): gain minus the price of the used limits."""
        out = np.empty((len(self.cost), rows.shape[0]))
        capacity_costs = self.capacity_costs(prices)
        for j, cost in enumerate(self.cost):
            part = cost if isinstance(cost, float) else cost[rows]
            self._reduce(j, part, (prices[0], capacity_costs[j]), rows, out[j])
        return out

    def _reduce(
        self,
        j: int,
        cost: float | Floats,
        prices: tuple[float, float],
        rows: Any,
        out: Floats,
    ) -> None:
        price, capacity_cost = prices
        # Same order of operations everywhere: the same bits for a customer in every pass.
        np.subtract(self.gain[j, rows], capacity_cost, out=out)
        if price > 0.0:
            out -= price * cost

    def without_settled(self, center: Floats, radius: Floats) -> AllocationProblem:
        """Return the problem without customers whose best action is constant in a box of prices.

        Inside the box the smaller problem has the same dual.
        """
        is_settled, choice = self.settled_actions(center, radius)
        settled = choice[is_settled]
        limits = self.limits.copy()
        limits[0] -= self.planned_costs(choice)[is_settled].sum()
        limits[1:] -= self.uses @ np.bincount(settled + 1, minlength=1 + len(self.cost))[1:]
        base = sum(
            float(self.gain[j][is_settled & (choice == j)].sum()) for j in range(len(self.cost))
        )
        return self.subset(~is_settled, limits, self.base + base)

    def settled_actions(
        self, center: Floats, radius: Floats
    ) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        """Return whether each best action is constant in a box of prices, (n,), and the action, (n,)."""
        is_settled = np.empty(self.rows, dtype=np.bool_)
        choice = np.empty(self.rows, dtype=np.int8)
        for start in range(0, self.rows, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.rows))
            is_settled[rows], choice[rows] = self._settled_block(center, radius, rows)
        return is_settled, choice

    def _settled_block(
        self, center: Floats, radius: Floats, rows: slice
    ) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        size = rows.stop - rows.start
        # No action has reduced gain 0 at all prices.
        low, high = np.zeros(size), np.full(size, -np.inf)
        choice, first = np.full(size, -1, dtype=np.int8), np.zeros(size)
        reduced = np.empty(size)
        compiled, capacity_costs = kernels(), self.capacity_costs(center)
        capacity_radius = self.capacity_costs(radius)
        for j, cost in enumerate(self.cost):
            part = cost if isinstance(cost, float) else cost[rows]
            if compiled is not None:
                row = self.gain[j, rows]
                box = (center[0], capacity_costs[j], radius[0], capacity_radius[j])
                compiled.update_settled(row, _array(part), *box, j, first, low, high, choice)
                continue
            self._reduce(j, part, (center[0], capacity_costs[j]), rows, reduced)
            spread = capacity_radius[j] + radius[0] * part
            up = reduced > first
            np.maximum(high, np.where(up, first + (first - low), reduced + spread), out=high)
            np.copyto(low, reduced - spread, where=up)
            np.copyto(choice, np.int8(j), where=up)
            np.copyto(first, reduced, where=up)
        return low > high, choice

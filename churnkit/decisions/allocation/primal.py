"""Primal plans from shadow prices.

At the optimal prices nearly every customer has one clearly best action. These are assigned by
decreasing margin as long as the limits hold; customers with small margins are then assigned one by
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.allocation.problem import AllocationProblem, Floats, Ints

__all__ = ["improve_plan", "primal_plan"]

# Customers with the smallest margins that are assigned one by one; the number grows by this factor
# until the gap is small.
_SMALL_MARGINS = 2048
_GROWTH = 8
# Rows with the smallest margins that are sorted.
_SORTED_TAIL = 131_072
_SMALL_GAP = 1e-5
# Customers assigned before the limits are checked again.
_CHUNK = 4096
# Customers and steps of a branch and bound.
_CORE = 32
_MAX_STEPS = 10_000
# Improvements smaller than this, or than rounding, are ignored.
_MIN_IMPROVEMENT = 1.0 + 1e-9


def primal_plan(problem: AllocationProblem, prices: Floats, bound: float) -> Ints:
    """Return the action of each row, (n,), -1 for none, within all limits.

    `bound` is the dual at `prices`; the search ends when the plan's value is near it.
    """
    best_actions = problem.best_actions(prices)
    order, unsorted = _by_margin(best_actions.margin)
    kept = _feasible_prefix(problem, best_actions.action, order)
    tail_rows, best, best_value = _SMALL_MARGINS, None, -np.inf
    while True:
        split = min(kept, max(0, problem.rows - tail_rows))
        if split < unsorted:
            # The prefix ends among rows that are not sorted yet.
            order, unsorted = np.argsort(-best_actions.margin, kind="stable"), 0
            kept = _feasible_prefix(problem, best_actions.action, order)
            split = min(kept, max(0, problem.rows - tail_rows))
        action = best_actions.action.astype(np.int64)
        tail = np.sort(order[split:])
        action[tail] = -1
        repair = _GreedyRepair(problem, prices, action)
        repair.assign(tail[np.argsort(-best_actions.reduced_gain[tail], kind="stable")])
        repair.use_remaining()
        value = problem.value(action)
        if best is None or value > best_value:
            best, best_value = repair, value
        # If the limits end the prefix, a longer tail gives the same plan.
        if bound - best_value <= _SMALL_GAP * bound or split in {0, kept}:
            break
        tail_rows *= _GROWTH
    return best.action


def _by_margin(margin: Floats) -> tuple[Ints, int]:
    """Return the rows by decreasing margin, and how many of the first are unsorted.

    The order of large margins matters only if a limit is reached among them.
    """
    if margin.shape[0] <= 4 * _SORTED_TAIL:
        return np.argsort(-margin, kind="stable"), 0
    tail = np.sort(np.argpartition(margin, _SORTED_TAIL)[:_SORTED_TAIL])
    in_front = np.ones(margin.shape[0], dtype=np.bool_)
    in_front[tail] = False
    tail = tail[np.argsort(-margin[tail], kind="stable")]
    return np.concatenate([np.flatnonzero(in_front), tail]), margin.shape[0] - _SORTED_TAIL


def improve_plan(problem: AllocationProblem, prices: Floats, action: Ints) -> Ints:
    """Return a plan at least as good as `action`, by branch and bound over a few customers.

    First those with the smallest margins; then those with the largest gains, which matter where
    the limits suffice for few customers.
    """
    margin = problem.best_actions(prices).margin
    repair = _GreedyRepair(problem, prices, action.copy())
    for order in (margin, -problem.gain.max(axis=0)):
        repair.search(np.argsort(order, kind="stable")[:_CORE])
        repair.use_remaining()
    return repair.action


def _feasible_prefix(problem: AllocationProblem, action: NDArray[np.int8], order: Ints) -> int:
    """Return the length of the longest prefix of `order` within all limits."""
    ranked = action[order]
    kept = problem.rows
    if np.isfinite(problem.limits[0]):
        spent = np.cumsum(problem.planned_costs(action)[order])
        kept = min(kept, int(np.searchsorted(spent, problem.limits[0], side="right")))
    for counted, limit in zip(problem.uses, problem.limits[1:], strict=True):
        if np.isfinite(limit):
            # Action -1 is the last entry.
            taken = np.flatnonzero(np.append(counted > 0.0, False)[ranked])
            if taken.shape[0] > limit:
                kept = min(kept, int(taken[int(limit)]))
    return kept


@dataclass(slots=True, eq=False)
class _GreedyRepair:
    """Assign customers one by one within the remaining budget and capacities."""

    problem: AllocationProblem
    prices: Floats
    action: Ints

    def remaining(self) -> list[float]:
        """Return the remaining budget, then each remaining capacity."""
        problem = self.problem
        limits = problem.limits.copy()
        if np.isfinite(limits[0]):
            limits[0] -= float(problem.planned_costs(self.action).sum())
        counts = np.bincount(self.action + 1, minlength=1 + len(problem.cost))[1:]
        limits[1:] -= problem.uses @ counts
        remaining: list[float] = limits.tolist()
        return remaining

    def _counted(self) -> list[list[int]]:
        """Return for each action the indices, in `remaining`, of its capacities."""
        uses = self.problem.uses
        return [(1 + np.flatnonzero(uses[:, j])).tolist() for j in range(uses.shape[1])]

    def _has_capacity(self, remaining: list[float]) -> NDArray[np.bool_]:
        """Return which actions have capacity for another customer, (m,)."""
        return np.array([all(remaining[k] >= 1.0 for k in indices) for indices in self._counted()])

    def _costs(self, rows: Ints) -> Floats:
        """Return costs, (m, rows)."""
        return np.array(
            [
                np.full(rows.shape[0], c) if isinstance(c, float) else c[rows]
                for c in self.problem.cost
            ]
        )

    def assign(self, rows: Ints) -> None:
        """Assign each of `rows`, in order, its best action within the remaining limits."""
        remaining = self.remaining()
        for start in range(0, rows.shape[0], _CHUNK):
            part = rows[start : start + _CHUNK]
            reduced, costs = self.problem.reduced_gains(self.prices, part), self._costs(part)
            has_capacity = self._has_capacity(remaining)[:, None]
            # Once the limits are used up, most rows can be skipped.
            fits = ((reduced > 0.0) & (costs <= remaining[0]) & has_capacity).any(axis=0)
            columns = np.flatnonzero(fits)
            reduced, part = reduced[:, columns], part[columns]
            self._assign_rows(part, reduced, costs[:, columns].T.tolist(), remaining)

    def _assign_rows(
        self, rows: Ints, reduced: Floats, costs: list[list[float]], remaining: list[float]
    ) -> None:
        ranking = np.argsort(-reduced, axis=0, kind="stable").T.tolist()
        gains = reduced.T.tolist()
        counted = self._counted()
        for i, row in enumerate(rows.tolist()):
            for j in ranking[i]:
                if gains[i][j] <= 0.0:
                    break
                if costs[i][j] <= remaining[0] and all(remaining[k] >= 1.0 for k in counted[j]):
                    remaining[0] -= costs[i][j]
                    for k in counted[j]:
                        remaining[k] -= 1.0
                    self.action[row] = j
                    break

    def use_remaining(self) -> None:
        """Use the remaining limits for additional or better actions, by loss at current prices."""
        remaining = self.remaining()
        rows, actions, loss = self._improvements(remaining)
        order = np.argsort(loss, kind="stable")
        rows, actions = rows[order], actions[order]
        costs = np.zeros(rows.shape[0])
        for j, cost in enumerate(self.problem.cost):
            chosen = actions == j
            costs[chosen] = cost if isinstance(cost, float) else cost[rows[chosen]]
        counted = self._counted()
        for start in range(0, rows.shape[0], _CHUNK):
            part = slice(start, start + _CHUNK)
            more = costs[part] - self.problem.planned_costs(self.action[rows[part]], rows[part])
            fits = (more <= remaining[0]) & self._has_capacity(remaining)[actions[part]]
            for index in (start + np.flatnonzero(fits)).tolist():
                self._change(int(rows[index]), int(actions[index]), remaining, counted)

    def _change(self, row: int, j: int, remaining: list[float], counted: list[list[int]]) -> None:
        """Change a row's action if the new one fits and has a higher gain."""
        now = int(self.action[row])
        more = self._cost(row, j) - (self._cost(row, now) if now >= 0 else 0.0)
        gained = self.problem.gain[j, row] - (self.problem.gain[now, row] if now >= 0 else 0.0)
        if more <= remaining[0] and gained > 0.0 and all(remaining[k] >= 1.0 for k in counted[j]):
            self.action[row] = j
            remaining[0] -= more
            for k in counted[j]:
                remaining[k] -= 1.0
            for k in counted[now] if now >= 0 else ():
                remaining[k] += 1.0

    def _improvements(self, remaining: list[float]) -> tuple[Ints, Ints, Floats]:
        """Return rows, actions and loss at current prices of all changes that fit and gain."""
        problem = self.problem
        now_gain, now_cost = problem.planned_gains(self.action), problem.planned_costs(self.action)
        now_reduced = now_gain - self.prices[0] * now_cost
        now_reduced -= np.concatenate([[0.0], problem.capacity_costs(self.prices)])[self.action + 1]
        changes: list[tuple[Ints, Ints, Floats]] = []
        has_capacity = self._has_capacity(remaining)
        for j, cost in enumerate(problem.cost):
            if not has_capacity[j]:
                continue
            fits = (cost - now_cost <= remaining[0]) & (problem.gain[j] > now_gain)
            rows = np.flatnonzero(fits)
            loss = now_reduced[rows] - problem.reduced_gains(self.prices, rows)[j]
            changes.append((rows, np.full(rows.shape[0], j), loss))
        if not changes:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, np.zeros(0)
        rows_, actions, losses = zip(*changes, strict=True)
        return np.concatenate(rows_), np.concatenate(actions), np.concatenate(losses)

    def _cost(self, row: int, j: int) -> float:
        cost = self.problem.cost[j]
        return cost if isinstance(cost, float) else float(cost[row])

    def search(self, core: Ints) -> None:
        """Find the best joint actions of the rows of `core`."""
        rest = self.action.copy()
        rest[core] = -1
        others = _GreedyRepair(self.problem, self.prices, rest)
        gains = self.problem.gain[:, core].T.tolist()
        reduced = self.problem.reduced_gains(self.prices, core).T.tolist()
        search = _BranchAndBound(
            gains,
            reduced,
            self._costs(core).T.tolist(),
            prices=self.prices.tolist(),
            capacity_costs=self.problem.capacity_costs(self.prices).tolist(),
            counted=self._counted(),
        )
        incumbent = [int(a) for a in self.action[core]]
        self.action[core] = search.best(others.remaining(), incumbent)


class _BranchAndBound:
    """Best joint actions of a few customers, by depth-first branch and bound.

    Parameters
    ----------
    planned_gains, reduced_gains, costs
        One list per customer, with a number per action.
    prices
        Price of the budget, then of each capacity.
    capacity_costs
        Capacity prices of each action.
    counted
        Indices in `prices` of the capacities of each action.

    """

    def __init__(
        self,
        gains: list[list[float]],
        reduced: list[list[float]],
        costs: list[list[float]],
        *,
        prices: list[float],
        capacity_costs: list[float],
        counted: list[list[int]],
    ) -> None:
        self._gains, self._costs, self._prices = gains, costs, prices
        self._counted = counted
        self._options = [
            [j - 1 for j in np.argsort([0.0, *(-r for r in row)], kind="stable").tolist()]
            for row in reduced
        ]
        # Price of the limits that each action uses.
        self._used = [
            [
                prices[0] * cost + capacity_cost
                for cost, capacity_cost in zip(row, capacity_costs, strict=True)
            ]
            for row in costs
        ]
        # Upper bound on the reduced gains of customers i, i+1, ...
        self._ahead = [0.0]
        for row in reversed(reduced):
            self._ahead.append(self._ahead[-1] + max(0.0, *row))
        self._ahead.reverse()

    def best(self, remaining: list[float], incumbent: list[int]) -> list[int]:
        """Return the actions with the highest total gain within `remaining`, at least `incumbent`'s."""
        self._left = remaining
        self._chosen = incumbent.copy()
        self._most = sum(self._gains[i][j] for i, j in enumerate(incumbent) if j >= 0)
        self._steps = _MAX_STEPS
        spare = sum(p * x for p, x in zip(self._prices, remaining, strict=True) if p > 0.0)
        self._branch(0, 0.0, spare, [])
        return self._chosen

    def _branch(self, i: int, value: float, spare: float, path: list[int]) -> None:
        self._steps -= 1
        if value > self._most:
            self._most = value
            self._chosen = path + [-1] * (len(self._gains) - i)
        if i == len(self._gains):
            return
        remaining, ahead = self._left, self._ahead[i + 1]
        for j in self._options[i]:
            if self._steps <= 0:
                return
            if j < 0:
                if value + ahead + spare > self._most * _MIN_IMPROVEMENT:
                    self._branch(i + 1, value, spare, [*path, -1])
                continue
            cost, gain, counted = self._costs[i][j], self._gains[i][j], self._counted[j]
            if gain <= 0.0 or cost > remaining[0] or any(remaining[k] < 1.0 for k in counted):
                continue
            rest = spare - self._used[i][j]
            # The others can add at most their reduced gains and the price of the remaining limits.
            if value + gain + ahead + rest > self._most * _MIN_IMPROVEMENT:
                _take(remaining, cost, counted, 1.0)
                self._branch(i + 1, value + gain, rest, [*path, j])
                _take(remaining, cost, counted, -1.0)


def _take(remaining: list[float], cost: float, counted: list[int], times: float) -> None:
    """Subtract one customer's use from the remaining limits, or add it back."""
    remaining[0] -= times * cost
    for k in counted:
        remaining[k] -= times

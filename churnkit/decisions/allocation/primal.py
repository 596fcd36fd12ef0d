"""From prices to a plan that keeps every limit.

At the best prices nearly every customer has one clearly best action. Those are settled, firmest
first, as long as the limits hold; the few near the fence are then served one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.allocation.dual import Floats, Ints, Problem

__all__ = ["improve", "settle"]

# Customers near the fence that are always served one by one, and how often their number grows
# while the certificate is not yet tight.
_FENCE = 2048
_GROWTH = 8
# The least firm rows that are put in order.
_TAIL = 131_072
_TIGHT = 1e-5
# Customers that are served before the limits are looked at again.
_CHUNK = 4096
# Customers and steps of the exhaustive search among the least firm choices.
_CORE = 32
_STEPS = 10_000
# An improvement that is smaller than this, or than rounding, is not looked for.
_WORTH_IT = 1.0 + 1e-9


def settle(problem: Problem, prices: Floats, bound: float) -> Ints:
    """Give (n,) the action of each row, -1 for none, within all limits.

    `bound` is the dual at `prices`: once the plan's value is near it, the work is done.
    """
    standing = problem.stand(prices)
    order, sure = _firmest_first(standing.margin)
    kept = _prefix(problem, standing.action, order)
    fence, best, best_value = _FENCE, None, -np.inf
    while True:
        split = min(kept, max(0, problem.rows - fence))
        if split < sure:
            # The line is cut among rows that are not in order yet.
            order, sure = np.argsort(-standing.margin, kind="stable"), 0
            kept = _prefix(problem, standing.action, order)
            split = min(kept, max(0, problem.rows - fence))
        action = standing.action.astype(np.int64)
        tail = np.sort(order[split:])
        action[tail] = -1
        desk = _Desk(problem, prices, action)
        desk.serve(tail[np.argsort(-standing.best[tail], kind="stable")])
        desk.top_up()
        value = problem.value(action)
        if best is None or value > best_value:
            best, best_value = desk, value
        # Where the limits cut the line, a longer tail would serve the same customers.
        if bound - best_value <= _TIGHT * bound or split in {0, kept}:
            break
        fence *= _GROWTH
    return best.action


def _firmest_first(margin: Floats) -> tuple[Ints, int]:
    """Give the rows by falling margin, and how many of the first may be in any order.

    Nearly all are firm, and their order matters only where a limit cuts the line among them.
    """
    if margin.shape[0] <= 4 * _TAIL:
        return np.argsort(-margin, kind="stable"), 0
    tail = np.sort(np.argpartition(margin, _TAIL)[:_TAIL])
    firm = np.ones(margin.shape[0], dtype=np.bool_)
    firm[tail] = False
    tail = tail[np.argsort(-margin[tail], kind="stable")]
    return np.concatenate([np.flatnonzero(firm), tail]), margin.shape[0] - _TAIL


def improve(problem: Problem, prices: Floats, action: Ints) -> Ints:
    """Give a plan at least as good as `action`, by trying the least firm choices together."""
    margin = problem.stand(prices).margin
    core = np.argsort(margin, kind="stable")[:_CORE]
    desk = _Desk(problem, prices, action.copy())
    desk.search(core)
    desk.top_up()
    return desk.action


def _prefix(problem: Problem, action: NDArray[np.int8], order: Ints) -> int:
    """Give how many of the firmest choices keep all limits at every step."""
    ranked = action[order]
    kept = problem.rows
    if np.isfinite(problem.limits[0]):
        spent = np.cumsum(problem.spend(action)[order])
        kept = min(kept, int(np.searchsorted(spent, problem.limits[0], side="right")))
    for counted, limit in zip(problem.uses, problem.limits[1:], strict=True):
        if np.isfinite(limit):
            # The last place stands for none.
            taken = np.flatnonzero(np.append(counted > 0.0, False)[ranked])
            if taken.shape[0] > limit:
                kept = min(kept, int(taken[int(limit)]))
    return kept


@dataclass(slots=True, eq=False)
class _Desk:
    """Serves customers one by one, with what is left of the budget and the capacities."""

    problem: Problem
    prices: Floats
    action: Ints

    def left(self) -> list[float]:
        """Give what is left: the budget, then each capacity."""
        problem = self.problem
        limits = problem.limits.copy()
        if np.isfinite(limits[0]):
            limits[0] -= float(problem.spend(self.action).sum())
        counts = np.bincount(self.action + 1, minlength=1 + len(problem.cost))[1:]
        limits[1:] -= problem.uses @ counts
        left: list[float] = limits.tolist()
        return left

    def _counted(self) -> list[list[int]]:
        """Give for each action the places, in `left`, of the capacities that count it."""
        uses = self.problem.uses
        return [(1 + np.flatnonzero(uses[:, j])).tolist() for j in range(uses.shape[1])]

    def _room(self, left: list[float]) -> NDArray[np.bool_]:
        """Tell which actions have room for one more customer, (m,)."""
        return np.array([all(left[k] >= 1.0 for k in places) for places in self._counted()])

    def _costs(self, rows: Ints) -> Floats:
        """Give (m, rows) the costs."""
        return np.array(
            [
                np.full(rows.shape[0], c) if isinstance(c, float) else c[rows]
                for c in self.problem.cost
            ]
        )

    def serve(self, rows: Ints) -> None:
        """Give each of `rows`, in turn, its best action that still fits."""
        left = self.left()
        for start in range(0, rows.shape[0], _CHUNK):
            part = rows[start : start + _CHUNK]
            reduced, costs = self.problem.reduced(self.prices, part), self._costs(part)
            room = self._room(left)[:, None]
            # Once the limits are used up, most rows need no turn of their own.
            open_ = np.flatnonzero(((reduced > 0.0) & (costs <= left[0]) & room).any(axis=0))
            reduced, part = reduced[:, open_], part[open_]
            self._serve(part, reduced, costs[:, open_].T.tolist(), left)

    def _serve(
        self, rows: Ints, reduced: Floats, costs: list[list[float]], left: list[float]
    ) -> None:
        ranking = np.argsort(-reduced, axis=0, kind="stable").T.tolist()
        gains = reduced.T.tolist()
        counted = self._counted()
        for i, row in enumerate(rows.tolist()):
            for j in ranking[i]:
                if gains[i][j] <= 0.0:
                    break
                if costs[i][j] <= left[0] and all(left[k] >= 1.0 for k in counted[j]):
                    left[0] -= costs[i][j]
                    for k in counted[j]:
                        left[k] -= 1.0
                    self.action[row] = j
                    break

    def top_up(self) -> None:
        """Spend what is left on first or better actions, the cheapest at current prices first."""
        left = self.left()
        rows, actions, loss = self._openings(left)
        order = np.argsort(loss, kind="stable")
        rows, actions = rows[order], actions[order]
        costs = np.zeros(rows.shape[0])
        for j, cost in enumerate(self.problem.cost):
            chosen = actions == j
            costs[chosen] = cost if isinstance(cost, float) else cost[rows[chosen]]
        counted = self._counted()
        for start in range(0, rows.shape[0], _CHUNK):
            part = slice(start, start + _CHUNK)
            more = costs[part] - self.problem.spend(self.action[rows[part]], rows[part])
            fits = (more <= left[0]) & self._room(left)[actions[part]]
            for at in (start + np.flatnonzero(fits)).tolist():
                self._change(int(rows[at]), int(actions[at]), left, counted)

    def _change(self, row: int, j: int, left: list[float], counted: list[list[int]]) -> None:
        """Give a row another action if it still fits and gains."""
        now = int(self.action[row])
        more = self._cost(row, j) - (self._cost(row, now) if now >= 0 else 0.0)
        gained = self.problem.gain[j, row] - (self.problem.gain[now, row] if now >= 0 else 0.0)
        if more <= left[0] and gained > 0.0 and all(left[k] >= 1.0 for k in counted[j]):
            self.action[row] = j
            left[0] -= more
            for k in counted[j]:
                left[k] -= 1.0
            for k in counted[now] if now >= 0 else ():
                left[k] += 1.0

    def _openings(self, left: list[float]) -> tuple[Ints, Ints, Floats]:
        """Give rows, actions and loss at current prices of all changes that fit and gain."""
        problem = self.problem
        now_gain, now_cost = problem.gains(self.action), problem.spend(self.action)
        now_reduced = now_gain - self.prices[0] * now_cost
        now_reduced -= np.concatenate([[0.0], problem.tolls(self.prices)])[self.action + 1]
        found: list[tuple[Ints, Ints, Floats]] = []
        room = self._room(left)
        for j, cost in enumerate(problem.cost):
            if not room[j]:
                continue
            fits = (cost - now_cost <= left[0]) & (problem.gain[j] > now_gain)
            rows = np.flatnonzero(fits)
            loss = now_reduced[rows] - problem.reduced(self.prices, rows)[j]
            found.append((rows, np.full(rows.shape[0], j), loss))
        if not found:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, np.zeros(0)
        rows_, actions, losses = zip(*found, strict=True)
        return np.concatenate(rows_), np.concatenate(actions), np.concatenate(losses)

    def _cost(self, row: int, j: int) -> float:
        cost = self.problem.cost[j]
        return cost if isinstance(cost, float) else float(cost[row])

    def search(self, core: Ints) -> None:
        """Try the combinations of actions of the rows of `core`, the least firm choices."""
        rest = self.action.copy()
        rest[core] = -1
        before = _Desk(self.problem, self.prices, rest)
        gains = self.problem.gain[:, core].T.tolist()
        reduced = self.problem.reduced(self.prices, core).T.tolist()
        combination = _Combination(
            gains,
            reduced,
            self._costs(core).T.tolist(),
            prices=self.prices.tolist(),
            tolls=self.problem.tolls(self.prices).tolist(),
            counted=self._counted(),
        )
        had = [int(a) for a in self.action[core]]
        found = combination.best(before.left(), had)
        self.action[core] = found


class _Combination:
    """The best joint choice of a few customers, by depth first search with bounds.

    Parameters
    ----------
    gains, reduced, costs
        One list a customer, one number an action.
    prices
        The budget's, then each capacity's.
    tolls
        Each action's, at these prices.
    counted
        For each action the capacities that count it, as places in `prices`.

    """

    def __init__(
        self,
        gains: list[list[float]],
        reduced: list[list[float]],
        costs: list[list[float]],
        *,
        prices: list[float],
        tolls: list[float],
        counted: list[list[int]],
    ) -> None:
        self._gains, self._costs, self._prices = gains, costs, prices
        self._counted = counted
        self._options = [
            [j - 1 for j in np.argsort([0.0, *(-r for r in row)], kind="stable").tolist()]
            for row in reduced
        ]
        # What each action uses of the limits, at current prices.
        self._used = [
            [prices[0] * cost + toll for cost, toll in zip(row, tolls, strict=True)]
            for row in costs
        ]
        # The most that customers i, i+1, ... can bring at current prices.
        self._ahead = [0.0]
        for row in reversed(reduced):
            self._ahead.append(self._ahead[-1] + max(0.0, *row))
        self._ahead.reverse()

    def best(self, left: list[float], incumbent: list[int]) -> list[int]:
        """Give the actions of the highest total gain within `left`, at least `incumbent`'s."""
        self._left = left
        self._chosen = incumbent.copy()
        self._most = sum(self._gains[i][j] for i, j in enumerate(incumbent) if j >= 0)
        self._steps = _STEPS
        spare = sum(p * x for p, x in zip(self._prices, left, strict=True) if p > 0.0)
        self._walk(0, 0.0, spare, [])
        return self._chosen

    def _walk(self, i: int, value: float, spare: float, path: list[int]) -> None:
        self._steps -= 1
        if value > self._most:
            self._most = value
            self._chosen = path + [-1] * (len(self._gains) - i)
        if i == len(self._gains):
            return
        left, ahead = self._left, self._ahead[i + 1]
        for j in self._options[i]:
            if self._steps <= 0:
                return
            if j < 0:
                if value + ahead + spare > self._most * _WORTH_IT:
                    self._walk(i + 1, value, spare, [*path, -1])
                continue
            cost, gain, counted = self._costs[i][j], self._gains[i][j], self._counted[j]
            if gain <= 0.0 or cost > left[0] or any(left[k] < 1.0 for k in counted):
                continue
            rest = spare - self._used[i][j]
            # No choice of the others can bring more than their gains at current prices and
            # the price of all that is left.
            if value + gain + ahead + rest > self._most * _WORTH_IT:
                _take(left, cost, counted, 1.0)
                self._walk(i + 1, value + gain, rest, [*path, j])
                _take(left, cost, counted, -1.0)


def _take(left: list[float], cost: float, counted: list[int], times: float) -> None:
    """Take one customer's use from what is left, or give it back."""
    left[0] -= times * cost
    for k in counted:
        left[k] -= times

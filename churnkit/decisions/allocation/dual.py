"""The Lagrangian dual of the allocation problem, and a search for its minimum.

With a price ``l`` on the budget ``B`` and a price ``u[k]`` on each capacity ``K[k]``, where an
action's toll ``t[j]`` is the sum of the prices of the capacities that count it, the dual

    D(l, u) = l * B + sum_k u[k] * K[k] + sum_i max(0, max_j gain[i, j] - l * cost[i, j] - t[j])

is convex, bounds the value of every plan from above at any prices, and costs one pass over the
customers. Its minimum equals the optimum of the linear relaxation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Problem", "Standing", "minimise", "scales", "search", "snap", "solve"]

# Rows that are weighed at once: every buffer of a block stays in the processor's cache.
_BLOCK = 8192
# Rows of the first, rough solution. More rows start the exact search closer; fewer are quicker.
_SAMPLE = 16384
_FIRST = 1024
# How far the exact search reaches to either side: four standard errors of such a sample.
_REACH = 4.0 / math.sqrt(_SAMPLE)
# Where in a box the best prices are is found to a thirtieth of its half width; then a box is
# laid around them that is so many times narrower.
_ROUGHLY = 0.03
_NARROW = 6.0


@cache
def compiled() -> Any:
    """Give the compiled loops, or None without numba; the bits are the same."""
    if find_spec("numba") is None:
        return None
    return import_module("churnkit.decisions.allocation.numba_kernels")


def _array(cost: float | Floats) -> Floats:
    return np.array([cost]) if isinstance(cost, float) else cost


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where every customer stands at given prices."""

    action: NDArray[np.int8]
    """(n,) the action of the highest reduced gain, -1 for none."""
    best: Floats
    """(n,) that reduced gain, 0 for none."""
    margin: Floats
    """(n,) its distance from the runner-up."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Customers, actions and limits, one contiguous row an action.

    Parameters
    ----------
    gain
        (m, n) money; ``-inf`` where an action is not allowed, above zero elsewhere.
    cost
        One number, or (n,), for each action.
    limits
        (1 + k,) the budget, then the capacities; ``inf`` where there is no limit.
    uses
        (k, m) 1 where a capacity counts an action, else 0.
    base
        Value of customers that are settled already and no longer among the rows.

    """

    gain: Floats
    cost: tuple[float | Floats, ...]
    limits: Floats
    uses: Floats
    base: float = 0.0

    @property
    def rows(self) -> int:
        """Customers."""
        return int(self.gain.shape[1])

    def take(self, rows: Any, limits: Floats, base: float = 0.0) -> Problem:
        """Give the problem of some of the customers, under other limits."""
        cost = tuple(c if isinstance(c, float) else c[rows] for c in self.cost)
        return Problem(np.ascontiguousarray(self.gain[:, rows]), cost, limits, self.uses, base)

    def tolls(self, prices: Floats) -> Floats:
        """Give (m,) what one customer of each action uses of the capacities, at their prices."""
        tolls: Floats = prices[1:] @ self.uses
        return tolls

    def gains(self, action: Any) -> Floats:
        """Give (n,) the gain of the action that each row has, 0 for none."""
        money = np.zeros(action.shape[0])
        for j, gain in enumerate(self.gain):
            np.copyto(money, gain, where=action == j)
        return money

    def value(self, action: Any) -> float:
        """Give the gain of the whole plan."""
        return float(self.gains(action).sum())

    def spend(self, action: Any, rows: Any = slice(None)) -> Floats:
        """Give (rows,) the cost of the action that each row has, 0 for none."""
        money = np.zeros(action.shape[0])
        for j, cost in enumerate(self.cost):
            part = cost if isinstance(cost, float) else cost[rows]
            np.copyto(money, part, where=action == j)
        return money

    def weigh(self, prices: Floats) -> tuple[float, Floats]:
        """Give the dual at `prices` and a subgradient: (1 + k,) what is left of each limit."""
        size = min(_BLOCK, self.rows)
        reduced, best, money = np.empty(size), np.empty(size), np.empty(size)
        choice, better = np.empty(size, dtype=np.int8), np.empty(size, dtype=np.bool_)
        actions = len(self.cost)
        fast = compiled()
        spent_in_all, given = 0.0, np.zeros(actions)
        tolls = self.tolls(prices)
        total = self.base
        for start in range(0, self.rows, _BLOCK):
            stop = min(start + _BLOCK, self.rows)
            r, b, spent = reduced[: stop - start], best[: stop - start], money[: stop - start]
            k, up = choice[: stop - start], better[: stop - start]
            b.fill(0.0)
            spent.fill(0.0)
            k.fill(0)
            for j, cost in enumerate(self.cost):
                part = cost if isinstance(cost, float) else cost[start:stop]
                if fast is not None:
                    row = self.gain[j, start:stop]
                    fast.better(row, _array(part), prices[0], tolls[j], j + 1, b, spent, k)
                    continue
                self._reduce(j, part, (prices[0], tolls[j]), slice(start, stop), r)
                np.greater(r, b, out=up)
                np.copyto(b, r, where=up)
                np.copyto(spent, part, where=up)
                np.copyto(k, np.int8(j + 1), where=up)
            total += float(b.sum())
            spent_in_all += float(spent.sum())
            given += np.bincount(k, minlength=1 + actions)[1:]
        used = np.concatenate([[spent_in_all], self.uses @ given])
        limited = np.isfinite(self.limits)
        left = np.where(limited, self.limits - used, 0.0)
        return total + float(np.dot(prices[limited], self.limits[limited])), left

    def steepest(self) -> Floats:
        """Give (1 + k,) slopes that the dual cannot exceed in any direction of price."""
        most = [float(np.sum(c)) * (self.rows if isinstance(c, float) else 1) for c in self.cost]
        use = np.array([sum(most), *[float(self.rows)] * self.uses.shape[0]])
        return 2.0 * (use + np.where(np.isfinite(self.limits), np.abs(self.limits), 0.0))

    def stand(self, prices: Floats) -> Standing:
        """Give each customer's best action at `prices`, and how firmly it is the best."""
        action = np.full(self.rows, -1, dtype=np.int8)
        best, margin = np.zeros(self.rows), np.empty(self.rows)
        fast, tolls = compiled(), self.tolls(prices)
        for start in range(0, self.rows, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.rows))
            first, second = best[rows], np.full(best[rows].shape[0], -np.inf)
            reduced = np.empty_like(first)
            for j, cost in enumerate(self.cost):
                part = cost if isinstance(cost, float) else cost[rows]
                if fast is not None:
                    row = self.gain[j, rows]
                    args = (prices[0], tolls[j], j, first, second, action[rows])
                    fast.runner_up(row, _array(part), *args)
                    continue
                self._reduce(j, part, (prices[0], tolls[j]), rows, reduced)
                up = reduced > first
                np.maximum(second, np.where(up, first, reduced), out=second)
                np.copyto(first, reduced, where=up)
                np.copyto(action[rows], np.int8(j), where=up)
            np.subtract(first, second, out=margin[rows])
        return Standing(action, best, margin)

    def reduced(self, prices: Floats, rows: Ints) -> Floats:
        """Give (m, rows) the gains less the price of what they use."""
        out = np.empty((len(self.cost), rows.shape[0]))
        tolls = self.tolls(prices)
        for j, cost in enumerate(self.cost):
            part = cost if isinstance(cost, float) else cost[rows]
            self._reduce(j, part, (prices[0], tolls[j]), rows, out[j])
        return out

    def _reduce(
        self,
        j: int,
        cost: float | Floats,
        prices: tuple[float, float],
        rows: Any,
        out: Floats,
    ) -> None:
        price, toll = prices
        # One order of operations everywhere: the same customer has the same bits in every pass.
        np.subtract(self.gain[j, rows], toll, out=out)
        if price > 0.0:
            out -= price * cost

    def around(self, centre: Floats, radius: Floats) -> Problem:
        """Settle every customer whose best action is the same all over a box of prices.

        Inside the box the smaller problem has the same dual as the whole one.
        """
        firm, choice = self.firm(centre, radius)
        settled = choice[firm]
        limits = self.limits.copy()
        limits[0] -= self.spend(choice)[firm].sum()
        limits[1:] -= self.uses @ np.bincount(settled + 1, minlength=1 + len(self.cost))[1:]
        base = sum(float(self.gain[j][firm & (choice == j)].sum()) for j in range(len(self.cost)))
        return self.take(~firm, limits, self.base + base)

    def firm(self, centre: Floats, radius: Floats) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        """Tell (n,) whose best action is the same all over a box of prices, and (n,) which."""
        firm = np.empty(self.rows, dtype=np.bool_)
        choice = np.empty(self.rows, dtype=np.int8)
        for start in range(0, self.rows, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.rows))
            firm[rows], choice[rows] = self._firm(centre, radius, rows)
        return firm, choice

    def _firm(
        self, centre: Floats, radius: Floats, rows: slice
    ) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
        size = rows.stop - rows.start
        # Doing nothing has reduced gain 0 at all prices.
        low, high = np.zeros(size), np.full(size, -np.inf)
        choice, first = np.full(size, -1, dtype=np.int8), np.zeros(size)
        reduced = np.empty(size)
        fast, tolls, wide = compiled(), self.tolls(centre), self.tolls(radius)
        for j, cost in enumerate(self.cost):
            part = cost if isinstance(cost, float) else cost[rows]
            if fast is not None:
                row = self.gain[j, rows]
                box = (centre[0], tolls[j], radius[0], wide[j])
                fast.firmer(row, _array(part), *box, j, first, low, high, choice)
                continue
            self._reduce(j, part, (centre[0], tolls[j]), rows, reduced)
            reach = wide[j] + radius[0] * part
            up = reduced > first
            np.maximum(high, np.where(up, first + (first - low), reduced + reach), out=high)
            np.copyto(low, reduced - reach, where=up)
            np.copyto(choice, np.int8(j), where=up)
            np.copyto(first, reduced, where=up)
        return low > high, choice


def minimise(
    weigh: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    step: float,
    *,
    tolerance: float,
    rounds: int,
) -> tuple[Floats, float]:
    """Minimise a convex, kinked function of a few variables by Shor's r-algorithm.

    Each round walks against the subgradient in a space that is then stretched along the
    difference of two successive subgradients, so that long valleys become round ones.

    Parameters
    ----------
    weigh
        Gives the function and a subgradient, (d,), at a point.
    start
        (d,) where the search begins.
    step
        The first step's length.
    tolerance
        The search ends when a step is shorter than this.
    rounds
        The most rounds.

    Returns
    -------
    tuple
        The best point seen, (d,), and the function there.

    References
    ----------
    N. Z. Shor, *Minimization Methods for Non-Differentiable Functions*, Springer 1985,
    https://doi.org/10.1007/978-3-642-82118-9

    Examples
    --------
    >>> import numpy as np
    >>> kinked = lambda x: (abs(x[0] - 1) + 9 * abs(x[1]), np.sign(x - [1, 0]) * [1, 9])
    >>> point, least = minimise(kinked, np.ones(2) * 3, 1.0, tolerance=1e-9, rounds=500)
    >>> bool(least < 1e-6)
    True

    """
    point = start.copy()
    least, slope = weigh(point)
    best = point.copy()
    space = np.eye(point.shape[0])
    for _ in range(rounds):
        seen = space.T @ slope
        length = float(np.linalg.norm(seen))
        if length <= 0.0 or not np.isfinite(length):
            break
        way = space @ (seen / length)
        walked, after = 0, slope
        while walked < 50:
            point = point - step * way
            value, after = weigh(point)
            walked += 1
            if value < least:
                least, best = value, point.copy()
            if walked % 2 == 0:
                step *= 1.2
            if float(way @ after) <= 0.0:
                break
        moved = walked * step * float(np.linalg.norm(way))
        if walked == 1:
            step *= 0.9
        turn = space.T @ (after - slope)
        size = float(np.linalg.norm(turn))
        if size > 0.0:
            turn /= size
            space = space + np.outer((space @ turn) * (1.0 / 3.0 - 1.0), turn)
        slope = after
        if moved < tolerance:
            break
    return best, least


def solve(problem: Problem, start: Floats | None = None, reach: float = _REACH) -> Floats:
    """Give prices, (1 + k,), at which the dual is least.

    A sample of the customers gives rough prices; near them most customers' choices are
    settled; the rest decide the exact prices. `problem` must have its rows in random order.

    Parameters
    ----------
    problem
        At least one row and one finite limit.
    start
        (1 + k,) prices known to be near; None to find some.
    reach
        How far around near prices to look, in units of a typical gain.
    """
    live = np.isfinite(problem.limits)
    scale = scales(problem)
    prices = np.where(live, 0.5 * scale, 0.0) if start is None else start
    if problem.rows <= 2 * _SAMPLE:
        return snap(problem, _exact(problem, prices, scale, live), scale)
    if start is None:
        prices = _rough(problem, prices, scale, live)
    # A sample's prices err by about this much; where that was too little, the next box stands
    # around the better prices that were found, and is wider.
    radius = np.where(live, reach * scale, 0.0)
    for _ in range(6):
        found = _within(problem.around(prices, radius), prices, radius, live)
        inside = bool(np.all(np.abs(found - prices) <= radius))
        prices = found
        if inside:
            return snap(problem, prices, scale)
        radius = radius * 1.5
    prices = search(problem, prices, scale, live, step=0.1, tolerance=1e-6)
    return snap(problem, prices, scale)


def _within(near: Problem, centre: Floats, radius: Floats, live: Any) -> Floats:
    """Give the prices of a problem that is whole inside a box: roughly, then in a smaller box.

    Few rows are left in the smaller box, so its many steps cost little.
    """
    fence = (centre, 3.0 * radius)
    rough = search(near, centre, radius, live, fence, step=0.3, tolerance=_ROUGHLY)
    if not np.all(np.abs(rough - centre) <= radius):
        return rough
    small = radius / _NARROW
    nearer = near.around(rough, small)
    found = search(nearer, rough, small, live, (rough, 3.0 * small), step=0.3, tolerance=1e-3)
    if np.all(np.abs(found - rough) <= small):
        return found
    return search(near, found, radius, live, fence, step=0.1, tolerance=1e-4)


def _rough(problem: Problem, prices: Floats, scale: Floats, live: Any) -> Floats:
    """Give the prices of a sample; a smaller one says first where to look."""
    few = problem.take(slice(0, _FIRST), problem.limits * (_FIRST / problem.rows))
    prices = search(few, prices, scale, live, step=0.5, tolerance=1e-3)
    radius = np.where(live, 4.0 / math.sqrt(_FIRST) * scale, 0.0)
    sample = problem.take(slice(0, _SAMPLE), problem.limits * (_SAMPLE / problem.rows))
    near = sample.around(prices, radius)
    fence = (prices, 3.0 * radius)
    return search(near, prices, radius, live, fence, step=0.3, tolerance=1e-3)


def _exact(problem: Problem, prices: Floats, scale: Floats, live: Any) -> Floats:
    # The search can stall in a sharp corner; begun anew from there, it finds the way out.
    bound = math.inf
    for step in (0.5, 0.1, 0.02, 0.1):
        prices = search(problem, prices, scale, live, step=step, tolerance=1e-10)
        before, bound = bound, problem.weigh(prices)[0]
        if before - bound <= 1e-9 * bound:
            break
    return prices


def snap(problem: Problem, prices: Floats, scale: Floats) -> Floats:
    """Set prices that are nearly zero to zero, if that does not loosen the bound."""
    snapped = np.where(prices < 1e-7 * scale, 0.0, prices)
    if np.array_equal(snapped, prices):
        return prices
    bound = problem.weigh(prices)[0]
    return snapped if problem.weigh(snapped)[0] <= bound * (1.0 + 1e-12) else prices


def scales(problem: Problem) -> Floats:
    """Give the order of magnitude of each price: money for one customer, money for money."""
    rows = slice(0, min(problem.rows, _SAMPLE))
    top = problem.gain[:, rows].max(axis=0)
    mean = float(top.mean())
    costs = [float(np.mean(c if isinstance(c, float) else c[rows])) for c in problem.cost]
    scale = np.full(problem.limits.shape[0], mean)
    scale[0] = mean / max(costs) if max(costs) > 0.0 else 1.0
    return scale


def search(
    problem: Problem,
    start: Floats,
    scale: Floats,
    live: Any,
    fence: tuple[Floats, Floats] | None = None,
    *,
    step: float,
    tolerance: float,
) -> Floats:
    """Give prices, (1 + k,), at which the dual is least, by steps in units of `scale`.

    Parameters
    ----------
    live
        (1 + k,) which limits may have a price.
    fence
        The centre and half the width of the box that the search may not leave far behind.
    """
    unit = scale[live]
    steep = problem.steepest()

    def weigh(point: Floats) -> tuple[float, Floats]:
        # Prices are never below zero: the dual is mirrored there, which keeps its minimum.
        prices = np.zeros(live.shape[0])
        prices[live] = np.abs(point) * unit
        value, slope = problem.weigh(prices)
        if fence is not None:
            # Far from the box the settled customers no longer follow the prices: a slope that
            # is steeper than any of the dual's own turns the search back.
            away = prices - fence[0]
            over = np.maximum(np.abs(away) - fence[1], 0.0)
            value += float(steep @ over)
            slope = slope + np.where(over > 0.0, np.sign(away) * steep, 0.0)
        return value, np.where(point < 0.0, -1.0, 1.0) * slope[live] * unit

    size = int(live.sum())
    point, _ = minimise(weigh, start[live] / unit, step, tolerance=tolerance, rounds=40 + 40 * size)
    prices = np.zeros(live.shape[0])
    prices[live] = np.abs(point) * unit
    return prices

"""Allocate actions under a budget and capacities, with an optimality certificate.

Examples
--------
>>> import numpy as np
>>> gain = np.array([[30.0, 50.0], [20.0, 45.0], [-5.0, 10.0]])
>>> plan = allocate(gain, np.array([5.0, 20.0]), budget=25.0)
>>> plan.action
array([ 0,  1, -1])
>>> plan.value, plan.cost, round(plan.gap, 6)
(75.0, 25.0, 0.0)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions.allocation.dual import solve_dual
from churnkit.decisions.allocation.plan import Plan, ShadowPrices
from churnkit.decisions.allocation.primal import improve_plan, primal_plan
from churnkit.decisions.allocation.problem import AllocationProblem
from churnkit.decisions.allocation.segment_floors import reach_floors
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.allocation.problem import Floats, Ints

# A larger gap may be due to ties; the perturbation that breaks them is as small.
_LARGE_GAP = 1e-5
_PERTURBATION = 1e-5
# Rows copied at once.
_BLOCK = 32768
# Two irrational steps, whose multiples are spread evenly over 0 to 1.
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_SILVER = math.sqrt(2.0) - 1.0

__all__ = [
    "Allocator",
    "allocate",
    "check_budget",
    "check_limits",
    "check_shared",
    "check_table",
]


def allocate(
    gain: ArrayLike,
    cost: ArrayLike,
    *,
    budget: float | None = None,
    capacity: Sequence[float | None] | NDArray[Any] | None = None,
    shared: Sequence[tuple[float, Sequence[int]]] = (),
    floors: tuple[NDArray[np.bool_], NDArray[np.int64]] | None = None,
) -> Plan:
    """Choose one action or none for each customer, with the highest total gain.

    Parameters
    ----------
    gain
        (n, m) expected gain net of cost, in money, or (n,) for one action. Actions with NaN,
        ``-inf`` or a gain of zero or less are never assigned.
    cost
        (n, m), or (m,) if an action costs the same for everyone, in money, non-negative; of one
        action (n,) or a number.
        Actions with unknown (NaN) or infinite cost are never assigned.
    budget
        Maximum total cost, in money; None for no limit.
    capacity
        (m,) maximum number of customers of each action; None, or None as an element, for no
        limit.
    shared
        Limits shared by several actions: maximum number of customers, and indices of actions.
    floors
        (n, s) membership in segments, and (s,) minimum number of customers of each segment who
        get an action; None for no floors.

    Returns
    -------
    Plan
        Plan within all limits, with an upper bound on the value of any plan.

    Raises
    ------
    DataError
        If a gain is plus infinity, a cost is negative, or the shapes do not match.
    RecipeError
        If the budget or a capacity is negative or NaN.

    Notes
    -----
    The dual of the linear relaxation has one variable for the budget and one for each limited
    action; its minimum is the certificate, its minimizer the shadow prices. Customers are
    processed in an order that depends on their gains and costs alone, so their order in the table
    does not matter, except among customers with the same numbers: there the earlier row has
    priority. Of two equally good actions for a customer the earlier one is assigned.

    References
    ----------
    M. L. Fisher, "The Lagrangian Relaxation Method for Solving Integer Programming
    Problems", Management Science 27(1), 1981, https://doi.org/10.1287/mnsc.27.1.1

    Examples
    --------
    >>> import numpy as np
    >>> gain = np.array([[30.0, 50.0], [20.0, 45.0], [15.0, 10.0]])
    >>> plan = allocate(gain, np.array([5.0, 20.0]), capacity=[1, 1])
    >>> plan.action, plan.value, round(plan.gap, 6)
    (array([ 0,  1, -1]), 75.0, 0.0)

    """
    gains, costs = _numbers("gain", gain), _numbers("cost", cost)
    if gains.ndim == 1:
        # One action: a column of gains, and one cost or a column of costs.
        gains = gains[:, None]
        if costs.ndim == 1:
            costs = costs[:, None]
    if gains.ndim == 2 and gains.shape[1] == 1 and costs.size == 1:
        costs = costs.reshape(1)

    def allocate_gains(gains: Floats) -> Plan:
        rows = costs if costs.ndim < 2 else costs[: len(gains)]
        allocator = Allocator(gains, rows, capacity=capacity, shared=shared, budget=budget)
        return allocator.plan(budget)

    if floors is None or not floors[1].any():
        return allocate_gains(gains)
    return reach_floors(allocate_gains, gains, *floors)


def _numbers(name: str, values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(name, ["not an array of numbers; pass numbers, (n, m)"]) from None


class Allocator:
    """Table of gains and costs, prepared for plans under several budgets.

    Parameters
    ----------
    gain, cost, capacity, shared
        As for `allocate`.
    budget
        Largest budget of all plans; None for no limit.

    Examples
    --------
    >>> import numpy as np
    >>> allocator = Allocator(np.array([[3.0], [2.0]]), np.ones(1))
    >>> [allocator.plan(budget).value for budget in (0.0, 1.0, 2.0)]
    [0.0, 3.0, 5.0]

    """

    def __init__(
        self,
        gain: Floats,
        cost: Floats,
        *,
        capacity: Sequence[float | None] | NDArray[Any] | None = None,
        shared: Sequence[tuple[float, Sequence[int]]] = (),
        budget: float | None = None,
    ) -> None:
        self._gain, self._cost = check_table(gain, cost)
        self._capacity = check_limits(capacity, self._gain.shape[1])
        self._shared, self._uses = check_shared(shared, self._gain.shape[1])
        self._prepare(math.inf if budget is None else check_budget(budget))
        self._prices: Floats | None = None

    def _prepare(self, budget: float) -> None:
        """Copy the feasible cells, one row per action, in random order."""
        n, m = self._gain.shape
        per_customer = self._cost.ndim == 2
        closed = self._capacity < 1.0
        for most, uses in zip(self._shared, self._uses[m:], strict=True):
            closed |= (uses > 0.0) & (most < 1.0)
        digest = np.empty(n, dtype=np.uint64)
        has_action = np.empty(n, dtype=np.bool_)
        tops, fits = np.zeros(2), np.zeros(m, dtype=np.bool_)
        for start in range(0, n, _BLOCK):
            part = slice(start, min(start + _BLOCK, n))
            gain, cost = self._masked(part, budget, closed)
            feasible = gain > 0.0
            has_action[part], fits = feasible.any(axis=0), fits | feasible.any(axis=1)
            if m:
                digest[part] = _digest([*gain, *(cost if per_customer else ())])
            tops = np.maximum(tops, [gain.max(initial=0.0), cost.max(initial=0.0)])
        self._exponent, self._cost_exponent = _exponent(tops[0]), _exponent(tops[1])
        rows = np.flatnonzero(has_action)
        self._rows: Ints = rows[np.argsort(digest[rows], kind="stable")]
        self._n = n
        gains, costs = np.empty((m, rows.shape[0])), np.empty((m, rows.shape[0] * per_customer))
        for start in range(0, rows.shape[0], _BLOCK):
            # A customer's numbers are contiguous: each row is fetched once, not once per action.
            part = slice(start, start + _BLOCK)
            gain, cost = self._masked(self._rows[part], budget, closed)
            gains[:, part] = np.ldexp(gain, -self._exponent)
            if per_customer:
                costs[:, part] = np.ldexp(cost, -self._cost_exponent)
        flat = np.ldexp(
            np.where(fits, 0.0 if per_customer else self._cost, 0.0), -self._cost_exponent
        )
        self._problem = AllocationProblem(
            gains,
            tuple(costs) if per_customer else tuple(flat.tolist()),
            np.concatenate([[np.inf], self._capacity, self._shared]),
            self._uses,
        )

    def _masked(self, rows: Any, budget: float, closed: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Return gains (m, rows), ``-inf`` where infeasible, and costs, 0 there."""
        gain = self._gain[rows].T
        cost = self._cost[rows].T if self._cost.ndim == 2 else self._cost[:, None]
        feasible = (gain > 0.0) & (cost <= budget) & (cost < np.inf) & ~closed[:, None]
        return np.where(feasible, gain, -np.inf), np.where(feasible, cost, 0.0)

    def plan(self, budget: float | None = None) -> Plan:
        """Return the plan under `budget`; its prices start the search of the next plan."""
        money = math.inf if budget is None else check_budget(budget)
        problem = self._under(money)
        if problem.rows == 0:
            return self._finish(np.full(0, -1), np.zeros(problem.limits.shape[0]), 0.0, money)
        free = np.zeros(problem.limits.shape[0])
        bound, slack = problem.evaluate_dual(free)
        if bool((slack >= 0.0).all()):
            # No limit binds: everyone gets the best action.
            action = problem.best_actions(free).action.astype(np.int64)
            return self._finish(action, free, bound, money)
        prices = solve_dual(problem, self._prices)
        self._prices = prices
        bound = problem.evaluate_dual(prices)[0]
        action = primal_plan(problem, prices, bound)
        if bound - problem.value(action) > _LARGE_GAP * bound:
            action = _break_ties(problem, prices, action)
        if bound - problem.value(action) > _LARGE_GAP * bound:
            action = improve_plan(problem, prices, action)
        return self._finish(action, prices, bound, money)

    def _under(self, budget: float) -> AllocationProblem:
        """Remove limits that cannot bind, and actions that cost more than the budget."""
        full = self._problem
        gain = full.gain
        limits = full.limits.copy()
        with np.errstate(over="ignore"):
            limits[0] = np.ldexp(budget, -self._cost_exponent)
        too_costly = [cost > limits[0] for cost in full.cost]
        if any(np.any(d) for d in too_costly):
            gain = np.array(
                [np.where(d, -np.inf, g) for d, g in zip(too_costly, gain, strict=True)]
            )
        possible = np.isfinite(gain)
        most = np.zeros(full.rows)
        for j, cost in enumerate(full.cost):
            np.maximum(most, np.where(possible[j], cost, 0.0), out=most)
        # A budget this close may bind: sums in another order round differently.
        if float(most.sum()) * (1.0 + 1e-9) <= limits[0]:
            limits[0] = np.inf
        counts = full.uses @ possible.sum(axis=1)
        limits[1:][counts <= limits[1:]] = np.inf
        return AllocationProblem(gain, full.cost, limits, full.uses)

    def _finish(self, chosen: Ints, prices: Floats, bound: float, budget: float) -> Plan:
        action = np.full(self._n, -1, dtype=np.int64)
        action[self._rows[: chosen.shape[0]]] = self._in_row_order(chosen)
        self._keep_budget(action, budget)
        value, cost = self._sums(action)
        with np.errstate(over="ignore", under="ignore"):
            # The margin covers the rounding error of the bound.
            upper = float(np.ldexp(bound * (1.0 + 1e-13), self._exponent))
            price = np.ldexp(prices[0], self._exponent - self._cost_exponent)
            capacity = np.ldexp(prices[1:], self._exponent)
        actions = self._gain.shape[1]
        return Plan(
            action=action,
            value=value,
            cost=cost,
            bound=max(value, upper) if prices.any() else value,
            shadow_prices=ShadowPrices(float(price), capacity[:actions], capacity[actions:]),
        )

    def _in_row_order(self, action: Ints) -> Ints:
        """Assign the better actions to the earlier rows among customers with the same numbers."""
        problem = self._problem
        columns = [*problem.gain, *(c for c in problem.cost if not isinstance(c, float))]
        if action.shape[0] < 2 or not columns:
            return action
        # Rows are in the order of their numbers, then of the table.
        is_equal = np.logical_and.reduce([c[1:] == c[:-1] for c in columns])
        if not is_equal.any():
            return action
        group = np.concatenate([[0], np.cumsum(~is_equal)])
        return action[np.lexsort((-problem.planned_gains(action), group))]

    def _assigned(self, action: Ints) -> tuple[Ints, Floats, Floats]:
        rows = np.flatnonzero(action >= 0)
        chosen = action[rows]
        cost = self._cost[chosen] if self._cost.ndim == 1 else self._cost[rows, chosen]
        return rows, self._gain[rows, chosen], cost

    def _sums(self, action: Ints) -> tuple[float, float]:
        _, gain, cost = self._assigned(action)
        with np.errstate(over="ignore"):
            return float(gain.sum()), float(cost.sum())

    def _keep_budget(self, action: Ints, budget: float) -> None:
        """Remove the smallest gain while rounding puts the total cost above the budget."""
        while math.isfinite(budget):
            rows, gain, cost = self._assigned(action)
            if max(float(cost.sum()), math.fsum(cost.tolist())) <= budget:
                return
            paid = cost > 0.0
            action[rows[paid][np.argmin(gain[paid])]] = -1


def _break_ties(problem: AllocationProblem, prices: Floats, action: Ints) -> Ints:
    """Solve again with slightly perturbed gains, and return the better plan.

    Among identical customers prices alone cannot choose; after the perturbation few customers
    are indifferent between two actions.
    """
    index = np.arange(problem.rows, dtype=np.float64)
    steps = [(index * _GOLDEN + j * _SILVER) % 1.0 for j in range(len(problem.cost))]
    gain = problem.gain * (1.0 + _PERTURBATION * np.array(steps))
    perturbed = AllocationProblem(gain, problem.cost, problem.limits, problem.uses)
    new_prices = solve_dual(perturbed, prices, radius_scale=4.0 * _PERTURBATION)
    other = primal_plan(perturbed, new_prices, perturbed.evaluate_dual(new_prices)[0])
    return other if problem.value(other) > problem.value(action) else action


def check_table(gain: Floats, cost: Floats) -> tuple[Floats, Floats]:
    """Return gain and cost as float arrays; raise if they are invalid."""
    gain = np.asarray(gain, dtype=np.float64)
    cost = np.asarray(cost, dtype=np.float64)
    if gain.ndim != 2:
        raise DataError("gain", [f"{gain.ndim} dimensions; the shape must be (customers, actions)"])
    if cost.shape not in {gain.shape, gain.shape[1:]}:
        rule = f"shape {cost.shape} does not match gain {gain.shape}; use the same or (actions,)"
        raise DataError("cost", [rule])
    for name, bad, rule in (
        ("gain", gain == np.inf, "infinite; a gain must be a number, NaN or -inf"),
        ("cost", cost < 0.0, "negative; add revenue to the gain instead"),
    ):
        if bad.any():
            first = int(np.argwhere(bad)[0][0])
            raise DataError(name, [f"{int(bad.sum())} of {bad.size} are {rule} (first: {first})"])
    return gain, cost


def check_budget(budget: float) -> float:
    """Return the budget as a float; raise if it is invalid."""
    if math.isnan(budget) or budget < 0.0:
        raise RecipeError("budget must be zero or more; omit it for no limit")
    return float(budget)


def check_limits(capacity: Sequence[float | None] | NDArray[Any] | None, actions: int) -> Floats:
    """Return the capacity of each action, (m,), ``inf`` for no limit."""
    if capacity is None:
        return np.full(actions, np.inf)
    limits = np.array([np.inf if c is None else float(c) for c in capacity], dtype=np.float64)
    if limits.shape != (actions,):
        raise RecipeError(
            f"capacity: {limits.shape[0]} numbers for {actions} actions; pass one for each"
        )
    if bool((np.isnan(limits) | (limits < 0.0)).any()):
        raise RecipeError("capacity: each must be zero or more; use None for no limit")
    return np.floor(limits)


def check_shared(
    shared: Sequence[tuple[float, Sequence[int]]], actions: int
) -> tuple[Floats, Floats]:
    """Return the shared limits, (s,), and the actions that count towards each limit, (m + s, m)."""
    uses = np.concatenate([np.eye(actions), np.zeros((len(shared), actions))])
    for index, (most, counted) in enumerate(shared):
        if not most >= 0.0:
            raise RecipeError("capacity: each must be zero or more; use None for no limit")
        uses[actions + index, list(counted)] = 1.0
    return np.floor(np.array([most for most, _ in shared], dtype=np.float64)), uses


def _exponent(top: float) -> int:
    """Return the exponent of two that scales the largest amount to about one, without rounding."""
    return int(math.frexp(top)[1]) if top > 0.0 else 0


def _digest(columns: list[Floats]) -> NDArray[np.uint64]:
    """Hash each row's numbers to 64 bits, for a random order independent of row positions."""
    mixed = np.full(columns[0].shape[0], 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in columns:
        mixed ^= np.ascontiguousarray(column).view(np.uint64)
        # Finalizer of SplitMix64.
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed

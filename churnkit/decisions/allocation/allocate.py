"""Who gets which action, under a budget and capacities, with a certificate.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions.allocation.dual import Problem, solve
from churnkit.decisions.allocation.primal import improve, settle
from churnkit.decisions.allocation.shadow_prices import ShadowPrices
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.dual import Floats, Ints

# A plan further than this below its bound may suffer from ties; what breaks them is as small.
_LOOSE = 1e-5
_SHARE = 1e-5
# Rows that are laid out at once.
_LAID = 32768
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_SILVER = math.sqrt(2.0) - 1.0

__all__ = [
    "Allocator",
    "Plan",
    "ShadowPrices",
    "allocate",
    "check_budget",
    "check_limits",
    "check_shared",
    "check_table",
]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One action or none for each customer."""

    action: Ints
    """(n,) the action's index, -1 for none."""
    value: float
    """The sum of the gains of the actions given, in money."""
    cost: float
    """The sum of their costs, in money."""
    bound: float
    """No plan within the limits is worth more than this, in money."""
    shadow_prices: ShadowPrices
    """What one more unit of each limit would bring."""
    shortfall: tuple[int, ...] = ()
    """How many customers each floor lacks, where other limits leave no room for them."""

    @property
    def gap(self) -> float:
        """The most that a better plan could add, as a share of `bound`; 0 is proven best."""
        if not math.isfinite(self.bound):
            # Money beyond all numbers: nothing is proven.
            return 1.0
        return max(0.0, self.bound - self.value) / self.bound if self.bound > 0.0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Summarise the plan, without customers.

        Examples
        --------
        >>> plan = allocate(np.array([[2.0], [1.0]]), np.zeros(1), capacity=[1])
        >>> plan.to_dict()["customers"]
        1
        """
        return {
            "customers": int(np.count_nonzero(self.action >= 0)),
            "value": self.value,
            "cost": self.cost,
            "bound": self.bound,
            "gap": self.gap,
            "shadow_prices": self.shadow_prices.to_dict(),
            "shortfall": list(self.shortfall),
        }


def allocate(
    gain: Floats,
    cost: Floats,
    *,
    budget: float | None = None,
    capacity: Sequence[float | None] | NDArray[Any] | None = None,
    shared: Sequence[tuple[float, Sequence[int]]] = (),
    floors: tuple[NDArray[np.bool_], NDArray[np.int64]] | None = None,
) -> Plan:
    """Choose one action or none for each customer, for the highest total gain.

    Parameters
    ----------
    gain
        (n, m) expected gain net of cost, in money. NaN, ``-inf`` and gains of zero or less
        are never given.
    cost
        (n, m), or (m,) where an action costs the same for everyone, in money, not negative.
        An action of unknown (NaN) or infinite cost is never given.
    budget
        The most that the plan may cost, in money; None for no limit.
    capacity
        (m,) the most customers of each action; None, or None in a place, for no limit.
    shared
        Limits that several actions share: the most customers, and the actions' places.
    floors
        (n, s) who belongs to which segment, and (s,) the least customers of each who get an
        action; None for no floors.

    Returns
    -------
    Plan
        Within all limits, with an upper bound on the value of any plan.

    Raises
    ------
    DataError
        A gain is plus infinity, a cost is negative, or the shapes do not fit together.
    RecipeError
        The budget or a capacity is negative or NaN.

    Notes
    -----
    The linear relaxation's dual has one variable for the budget and one for each limited
    action; its minimum is the certificate, its minimiser the shadow prices. Customers are
    visited in an order made from their numbers alone, so their order in the table changes
    nothing, except among customers with the same numbers: there the earlier row is served
    first. Of two actions that are equally good for a customer the earlier one is given.

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

    def at(gains: Floats) -> Plan:
        rows = cost if np.ndim(cost) == 1 else cost[: len(gains)]
        allocator = Allocator(gains, rows, capacity=capacity, shared=shared, budget=budget)
        return allocator.plan(budget)

    if floors is None or not floors[1].any():
        return at(gain)
    from churnkit.decisions.allocation.segment_floors import reach_floors

    return reach_floors(at, np.asarray(gain, dtype=np.float64), *floors)


class Allocator:
    """One table of gains and costs, made ready for plans under any number of budgets.

    Parameters
    ----------
    gain, cost, capacity, shared
        As for `allocate`.
    budget
        The largest budget that will be asked for; None for no limit.

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
        """Lay out what can be given at all, one row an action, in an order of its own."""
        n, m = self._gain.shape
        per_customer = self._cost.ndim == 2
        shut = self._capacity < 1.0
        for most, uses in zip(self._shared, self._uses[m:], strict=True):
            shut |= (uses > 0.0) & (most < 1.0)
        digest = np.empty(n, dtype=np.uint64)
        some = np.empty(n, dtype=np.bool_)
        tops, fits = np.zeros(2), np.zeros(m, dtype=np.bool_)
        for start in range(0, n, _LAID):
            part = slice(start, min(start + _LAID, n))
            gain, cost = self._masked(part, budget, shut)
            given = gain > 0.0
            some[part], fits = given.any(axis=0), fits | given.any(axis=1)
            if m:
                digest[part] = _digest([*gain, *(cost if per_customer else ())])
            tops = np.maximum(tops, [gain.max(initial=0.0), cost.max(initial=0.0)])
        self._exponent, self._cost_exponent = _exponent(tops[0]), _exponent(tops[1])
        rows = np.flatnonzero(some)
        self._rows: Ints = rows[np.argsort(digest[rows], kind="stable")]
        self._n = n
        laid, costs = np.empty((m, rows.shape[0])), np.empty((m, rows.shape[0] * per_customer))
        for start in range(0, rows.shape[0], _LAID):
            # One customer's numbers lie side by side: a row is fetched once, not once an action.
            part = slice(start, start + _LAID)
            gain, cost = self._masked(self._rows[part], budget, shut)
            laid[:, part] = np.ldexp(gain, -self._exponent)
            if per_customer:
                costs[:, part] = np.ldexp(cost, -self._cost_exponent)
        flat = np.ldexp(
            np.where(fits, 0.0 if per_customer else self._cost, 0.0), -self._cost_exponent
        )
        self._problem = Problem(
            laid,
            tuple(costs) if per_customer else tuple(flat.tolist()),
            np.concatenate([[np.inf], self._capacity, self._shared]),
            self._uses,
        )

    def _masked(self, rows: Any, budget: float, shut: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Give (m, rows) gains, ``-inf`` where nothing is given, and costs, 0 there."""
        gain = self._gain[rows].T
        cost = self._cost[rows].T if self._cost.ndim == 2 else self._cost[:, None]
        given = (gain > 0.0) & (cost <= budget) & (cost < np.inf) & ~shut[:, None]
        return np.where(given, gain, -np.inf), np.where(given, cost, 0.0)

    def plan(self, budget: float | None = None) -> Plan:
        """Give the plan under `budget`; the last plan's prices start the search for the next."""
        money = math.inf if budget is None else check_budget(budget)
        problem = self._under(money)
        if problem.rows == 0:
            return self._finish(np.full(0, -1), np.zeros(problem.limits.shape[0]), 0.0, money)
        free = np.zeros(problem.limits.shape[0])
        bound, left = problem.weigh(free)
        if bool((left >= 0.0).all()):
            # Nothing binds: everyone gets the best action, and no plan is worth more.
            action = problem.stand(free).action.astype(np.int64)
            return self._finish(action, free, bound, money)
        prices = solve(problem, self._prices)
        self._prices = prices
        bound = problem.weigh(prices)[0]
        action = settle(problem, prices, bound)
        if bound - problem.value(action) > _LOOSE * bound:
            action = _untied(problem, prices, action)
        if bound - problem.value(action) > _LOOSE * bound:
            action = improve(problem, prices, action)
        return self._finish(action, prices, bound, money)

    def _under(self, budget: float) -> Problem:
        """Drop the limits that cannot bind, and what alone costs more than the budget."""
        whole = self._problem
        gain = whole.gain
        limits = whole.limits.copy()
        with np.errstate(over="ignore"):
            limits[0] = np.ldexp(budget, -self._cost_exponent)
        dear = [cost > limits[0] for cost in whole.cost]
        if any(np.any(d) for d in dear):
            gain = np.array([np.where(d, -np.inf, g) for d, g in zip(dear, gain, strict=True)])
        possible = np.isfinite(gain)
        most = np.zeros(whole.rows)
        for j, cost in enumerate(whole.cost):
            np.maximum(most, np.where(possible[j], cost, 0.0), out=most)
        # Room for float sums in another order: a budget this near may bind.
        if float(most.sum()) * (1.0 + 1e-9) <= limits[0]:
            limits[0] = np.inf
        counts = whole.uses @ possible.sum(axis=1)
        limits[1:][counts <= limits[1:]] = np.inf
        return Problem(gain, whole.cost, limits, whole.uses)

    def _finish(self, chosen: Ints, prices: Floats, bound: float, budget: float) -> Plan:
        action = np.full(self._n, -1, dtype=np.int64)
        action[self._rows[: chosen.shape[0]]] = self._in_row_order(chosen)
        self._keep_budget(action, budget)
        value, cost = self._sums(action)
        with np.errstate(over="ignore", under="ignore"):
            # Room for the rounding of the sum that the bound is.
            most = float(np.ldexp(bound * (1.0 + 1e-13), self._exponent))
            price = np.ldexp(prices[0], self._exponent - self._cost_exponent)
            capacity = np.ldexp(prices[1:], self._exponent)
        actions = self._gain.shape[1]
        return Plan(
            action=action,
            value=value,
            cost=cost,
            bound=max(value, most) if prices.any() else value,
            shadow_prices=ShadowPrices(float(price), capacity[:actions], capacity[actions:]),
        )

    def _in_row_order(self, action: Ints) -> Ints:
        """Among customers with the same numbers, give the better actions to the earlier rows."""
        problem = self._problem
        columns = [*problem.gain, *(c for c in problem.cost if not isinstance(c, float))]
        if action.shape[0] < 2 or not columns:
            return action
        # The rows' order is that of their numbers, then of their places in the table.
        twin = np.logical_and.reduce([c[1:] == c[:-1] for c in columns])
        if not twin.any():
            return action
        group = np.concatenate([[0], np.cumsum(~twin)])
        return action[np.lexsort((-problem.gains(action), group))]

    def _given(self, action: Ints) -> tuple[Ints, Floats, Floats]:
        rows = np.flatnonzero(action >= 0)
        chosen = action[rows]
        cost = self._cost[chosen] if self._cost.ndim == 1 else self._cost[rows, chosen]
        return rows, self._gain[rows, chosen], cost

    def _sums(self, action: Ints) -> tuple[float, float]:
        _, gain, cost = self._given(action)
        with np.errstate(over="ignore"):
            return float(gain.sum()), float(cost.sum())

    def _keep_budget(self, action: Ints, budget: float) -> None:
        """Take back the least gain while rounding lifts the sum of costs above the budget."""
        while math.isfinite(budget):
            rows, gain, cost = self._given(action)
            if max(float(cost.sum()), math.fsum(cost.tolist())) <= budget:
                return
            paid = cost > 0.0
            action[rows[paid][np.argmin(gain[paid])]] = -1


def _untied(problem: Problem, prices: Floats, action: Ints) -> Ints:
    """Try again with ties broken: where many customers are alike, prices alone cannot choose.

    Gains are raised by shares so small that they cost next to nothing, and all different, so
    that at the new prices few customers stand between two actions.
    """
    place = np.arange(problem.rows, dtype=np.float64)
    steps = [
        (place * _GOLDEN + j * _SILVER) % 1.0 for j in range(len(problem.cost))
    ]  # two irrational steps spread evenly over 0 to 1
    gain = problem.gain * (1.0 + _SHARE * np.array(steps))
    raised = Problem(gain, problem.cost, problem.limits, problem.uses)
    again = solve(raised, prices, reach=4.0 * _SHARE)
    other = settle(raised, again, raised.weigh(again)[0])
    better = problem.value(other) > problem.value(action)
    return other if better else action


def check_table(gain: Floats, cost: Floats) -> tuple[Floats, Floats]:
    """Give gain and cost as arrays, or refuse them."""
    gain = np.asarray(gain, dtype=np.float64)
    cost = np.asarray(cost, dtype=np.float64)
    if gain.ndim != 2:
        raise DataError("gain", [f"shape: {gain.ndim} dimensions; give (customers, actions)"])
    if cost.shape not in {gain.shape, gain.shape[1:]}:
        rule = f"shape {cost.shape} does not fit gain {gain.shape}; give the same or (actions,)"
        raise DataError("cost", [rule])
    for name, bad, rule in (
        ("gain", gain == np.inf, "infinite; a gain must be a number, NaN or -inf"),
        ("cost", cost < 0.0, "negative; put what an action brings into its gain"),
    ):
        if bad.any():
            first = int(np.argwhere(bad)[0][0])
            raise DataError(name, [f"{int(bad.sum())} of {bad.size} are {rule} (first: {first})"])
    return gain, cost


def check_budget(budget: float) -> float:
    """Give the budget, or refuse it."""
    if math.isnan(budget) or budget < 0.0:
        raise RecipeError("budget: must be zero or more; leave it out for no limit")
    return float(budget)


def check_limits(capacity: Sequence[float | None] | NDArray[Any] | None, actions: int) -> Floats:
    """Give (m,) the most customers of each action, ``inf`` for no limit."""
    if capacity is None:
        return np.full(actions, np.inf)
    limits = np.array([np.inf if c is None else float(c) for c in capacity], dtype=np.float64)
    if limits.shape != (actions,):
        raise RecipeError(
            f"capacity: {limits.shape[0]} numbers for {actions} actions; give one for each"
        )
    if bool((np.isnan(limits) | (limits < 0.0)).any()):
        raise RecipeError("capacity: each must be zero or more; use None for no limit")
    return np.floor(limits)


def check_shared(
    shared: Sequence[tuple[float, Sequence[int]]], actions: int
) -> tuple[Floats, Floats]:
    """Give the shared limits, (s,), and which actions each limit counts, (m + s, m)."""
    uses = np.concatenate([np.eye(actions), np.zeros((len(shared), actions))])
    for place, (most, counted) in enumerate(shared):
        if not most >= 0.0:
            raise RecipeError("capacity: each must be zero or more; use None for no limit")
        uses[actions + place, list(counted)] = 1.0
    return np.floor(np.array([most for most, _ in shared], dtype=np.float64)), uses


def _exponent(top: float) -> int:
    """Give the power of two that brings the largest amount near one, which changes no bits."""
    return int(math.frexp(top)[1]) if top > 0.0 else 0


def _digest(columns: list[Floats]) -> NDArray[np.uint64]:
    """Mix each row's numbers to 64 bits: a random order that the rows' positions do not touch."""
    mixed = np.full(columns[0].shape[0], 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in columns:
        mixed ^= np.ascontiguousarray(column).view(np.uint64)
        # The finaliser of SplitMix64.
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed

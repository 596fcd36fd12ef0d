"""Reach floors of segments by prices, found by bisection, with a certificate.

With a price ``v[s]`` on the floor ``f[s]`` of each segment, a customer's gains increase by the
prices of their segments. For any non-negative prices the bound of the modified problem less
``sum_s v[s] f[s]`` is an upper bound on the value of all plans that reach the floors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.plan import Plan

    Floats = NDArray[np.float64]

__all__ = ["reach_floors"]

_ROUNDS = 3
_HALVINGS = 12
_INFINITE = (1 << 60,)


@dataclass(slots=True, eq=False)
class _Search:
    """Search over prices of the floors; keeps the best plan and the lowest bound."""

    allocate: Callable[[Floats], Plan]
    gain: Floats
    members: NDArray[np.bool_]
    least: NDArray[np.int64]
    best: Plan
    prices: Floats
    bound: float = np.inf

    def plan_at(self, prices: Floats) -> NDArray[np.int64]:
        """Plan at these prices; return the shortfall of each segment, (s,)."""
        lift = self.members @ prices
        plan = self.allocate(np.where(self.gain > 0.0, self.gain + lift[:, None], -np.inf))
        self.bound = min(self.bound, plan.bound - float(prices @ self.least))
        assigned = np.flatnonzero(plan.action >= 0)
        served = self.members[assigned].sum(axis=0)
        missing: NDArray[np.int64] = np.maximum(self.least - served, 0)
        value = float(self.gain[assigned, plan.action[assigned]].sum())
        plan = replace(plan, value=value, shortfall=tuple(missing.tolist()))
        if _rank(plan) > _rank(self.best):
            self.best, self.prices = plan, prices.copy()
        return missing

    def raise_price(self, segment: int, prices: Floats, top: float) -> None:
        """Find the lowest price at which a segment reaches its floor, with other prices fixed."""
        low, high = prices[segment], max(2.0 * prices[segment], top / 64.0)
        while True:
            prices[segment] = high
            if self.plan_at(prices)[segment] == 0 or high >= top:
                break
            low, high = high, 4.0 * high
        for _ in range(_HALVINGS):
            prices[segment] = 0.5 * (low + high)
            if self.plan_at(prices)[segment] == 0:
                high = prices[segment]
            else:
                low = prices[segment]
        prices[segment] = high


def _rank(plan: Plan) -> tuple[float, float]:
    return (-float(sum(plan.shortfall)), plan.value)


def reach_floors(
    allocate: Callable[[Floats], Plan],
    gain: Floats,
    members: NDArray[np.bool_],
    least: NDArray[np.int64],
) -> Plan:
    """Return a plan in which each segment has its minimum number of customers with an action.

    Parameters
    ----------
    allocate
        Function that returns the best plan for (n, m) gains, under all other limits.
    gain
        (n, m) as for `churnkit.decisions.allocation.allocate`; only positive gains count.
    members
        (n, s) membership in the segments.
    least
        (s,) minimum numbers of customers.

    Returns
    -------
    Plan
        `shortfall` is the number of customers that each segment lacks, where the budget or a
        capacity does not suffice; the bound applies to plans that reach all floors.
    """
    prices = np.zeros(least.shape[0])
    empty = replace(allocate(gain[:0]), action=np.full(gain.shape[0], -1), shortfall=_INFINITE)
    search = _Search(allocate, gain, members, least, empty, prices.copy())
    missing = search.plan_at(prices)
    feasible = gain[np.isfinite(gain) & (gain > 0.0)]
    top = 8.0 * float(feasible.max(initial=0.0))
    for _ in range(_ROUNDS):
        for segment in np.flatnonzero(missing).tolist():
            search.raise_price(segment, prices, top)
        missing = search.plan_at(prices)
        if not missing.any():
            break
    plan = search.best
    priced = replace(plan.shadow_prices, floors=search.prices)
    return replace(plan, bound=max(plan.value, search.bound), shadow_prices=priced)

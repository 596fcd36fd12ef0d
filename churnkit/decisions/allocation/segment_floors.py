"""Floors for segments: prices that lift their customers, found by bisection, with a certificate.

With a price ``v[s]`` on the floor ``f[s]`` of each segment, a customer's gains rise by the prices
of their segments. For any prices of zero or more no plan that reaches all floors is worth more
than the bound on the lifted problem, less ``sum_s v[s] f[s]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.allocate import Plan

    Floats = NDArray[np.float64]

__all__ = ["reach_floors"]

_ROUNDS = 3
_HALVINGS = 12
_ENDLESS = (1 << 60,)


@dataclass(slots=True, eq=False)
class _Search:
    """Plans at prices of the floors; keeps the best plan and the lowest bound."""

    allocate: Callable[[Floats], Plan]
    gain: Floats
    members: NDArray[np.bool_]
    least: NDArray[np.int64]
    best: Plan
    prices: Floats
    bound: float = np.inf

    def at(self, prices: Floats) -> NDArray[np.int64]:
        """Plan at these prices; give (s,) how many customers are missing in each segment."""
        lift = self.members @ prices
        plan = self.allocate(np.where(self.gain > 0.0, self.gain + lift[:, None], -np.inf))
        self.bound = min(self.bound, plan.bound - float(prices @ self.least))
        taken = np.flatnonzero(plan.action >= 0)
        served = self.members[taken].sum(axis=0)
        missing: NDArray[np.int64] = np.maximum(self.least - served, 0)
        value = float(self.gain[taken, plan.action[taken]].sum())
        plan = replace(plan, value=value, shortfall=tuple(missing.tolist()))
        if _order(plan) > _order(self.best):
            self.best, self.prices = plan, prices.copy()
        return missing

    def lift(self, segment: int, prices: Floats, top: float) -> None:
        """Find the lowest price at which one segment reaches its floor, the others' as given."""
        low, high = prices[segment], max(2.0 * prices[segment], top / 64.0)
        while True:
            prices[segment] = high
            if self.at(prices)[segment] == 0 or high >= top:
                break
            low, high = high, 4.0 * high
        for _ in range(_HALVINGS):
            prices[segment] = 0.5 * (low + high)
            if self.at(prices)[segment] == 0:
                high = prices[segment]
            else:
                low = prices[segment]
        prices[segment] = high


def _order(plan: Plan) -> tuple[float, float]:
    return (-float(sum(plan.shortfall)), plan.value)


def reach_floors(
    allocate: Callable[[Floats], Plan],
    gain: Floats,
    members: NDArray[np.bool_],
    least: NDArray[np.int64],
) -> Plan:
    """Give a plan in which each segment has at least its number of customers with an action.

    Parameters
    ----------
    allocate
        Makes the best plan for (n, m) gains, under all other limits.
    gain
        (n, m) as for `churnkit.decisions.allocation.allocate`; only gains above zero count for a floor.
    members
        (n, s) who belongs to which segment.
    least
        (s,) the floors.

    Returns
    -------
    Plan
        Its `shortfall` says how many customers each segment lacks, where the budget or a
        capacity leaves no room; its bound holds for plans that reach all floors.
    """
    prices = np.zeros(least.shape[0])
    nobody = replace(allocate(gain[:0]), action=np.full(gain.shape[0], -1), shortfall=_ENDLESS)
    search = _Search(allocate, gain, members, least, nobody, prices.copy())
    missing = search.at(prices)
    offered = gain[np.isfinite(gain) & (gain > 0.0)]
    top = 8.0 * float(offered.max(initial=0.0))
    for _ in range(_ROUNDS):
        for segment in np.flatnonzero(missing).tolist():
            search.lift(segment, prices, top)
        missing = search.at(prices)
        if not missing.any():
            break
    plan = search.best
    priced = replace(plan.shadow_prices, floors=search.prices)
    return replace(plan, bound=max(plan.value, search.bound), shadow_prices=priced)

"""Allocation plan: one action or none for each customer, with an upper bound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.allocation.shadow_prices import ShadowPrices

__all__ = ["Plan", "relative_gap"]


def relative_gap(value: float, bound: float) -> float:
    """Return the gap between a plan and its upper bound as a share of the bound; 0 is optimal.

    Examples
    --------
    >>> relative_gap(99.0, 100.0), relative_gap(0.0, math.inf)
    (0.01, 1.0)
    """
    if not math.isfinite(bound):
        # The amounts overflow: nothing is proven.
        return 1.0
    return max(0.0, bound - value) / bound if bound > 0.0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One action or none for each customer."""

    action: NDArray[np.int64]
    """(n,) index of the action, -1 for none."""
    value: float
    """Total gain of the assigned actions, in money."""
    cost: float
    """Total cost of the assigned actions, in money."""
    bound: float
    """Upper bound on the value of any plan within the limits, in money."""
    shadow_prices: ShadowPrices
    """Marginal gain of one more unit of each limit."""
    shortfall: tuple[int, ...] = ()
    """Number of customers missing in each floor, where other limits leave no capacity."""

    @property
    def gap(self) -> float:
        """Maximum improvement by any other plan, as a share of `bound`; 0 is proven optimal."""
        return relative_gap(self.value, self.bound)

    def to_dict(self) -> dict[str, Any]:
        """Summarize the plan, without customers.

        Examples
        --------
        >>> from churnkit.decisions import allocate
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

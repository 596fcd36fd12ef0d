"""Budget curve: value of the plan for a range of budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.decisions.allocation.allocate import Allocator
from churnkit.decisions.allocation.remaining_capacity import RemainingCapacity
from churnkit.decisions.decide_table import total_gain
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.eligibility.exclusions import table_exclusions
from churnkit.decisions.gain import ActOn, catalogue_gain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.allocation.plan import Plan
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.measured_effects import MeasuredEffects

__all__ = ["WhatIf", "what_if"]


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf(PlottableResult):
    """Value of the plan for a range of budgets.

    Parameters
    ----------
    budget : (b,)
        Budgets, ascending, in money.
    value : (b,)
        Expected gain of the plan.
    low : (b,)
        Lower bound of the 90% interval of the plan's gain.
    high : (b,)
        Upper bound of that interval.
    cost : (b,)
        Cost of the plan.
    bound : (b,)
        Upper bound of the value of any plan within the budget.
    customers : (b,)
        Customers with an action.
    shadow_price : (b,)
        Gain for one more unit of budget.
    """

    _display: ClassVar[str] = "BudgetDisplay"

    budget: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cost: NDArray[np.float64]
    bound: NDArray[np.float64]
    customers: NDArray[np.int64]
    shadow_price: NDArray[np.float64]

    def to_columns(self) -> dict[str, Any]:
        """Return the columns of a table with one row per budget."""
        return {
            "budget": self.budget,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "cost": self.cost,
            "bound": self.bound,
            "customers": self.customers,
            "shadow_price": self.shadow_price,
        }


def what_if(
    churn_probability: ArrayLike,
    matrix: NDArray[np.float64],
    catalogue: CompiledCatalogue,
    budgets: Sequence[float],
    *,
    decision_bound: ActOn = "low",
    treatment_effects: MeasuredEffects | None = None,
    survival_weights: NDArray[np.float64] | None = None,
    preventable_share: NDArray[np.float64] | None = None,
    context: DecisionContext | None = None,
) -> WhatIf:
    """Compute the plan's value for a range of budgets.

    Parameters
    ----------
    churn_probability, matrix, catalogue
        As in `decide`.
    budgets : (b,)
        Budgets in money, in any order.
    decision_bound, treatment_effects, survival_weights, preventable_share, context
        As in `decide`, without exploration.

    Returns
    -------
    WhatIf
        One row per budget, ascending; the value does not decrease with the budget.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect, compile_catalogue
    >>> call = Action("call", "A call", cost=10.0, effect=Effect(0.1, 0.25, 0.5))
    >>> catalogue = compile_catalogue(Catalogue((call,)), [Column("fee", "number", ("value",))])
    >>> what_if([0.5, 0.5], np.array([[20.0], [30.0]]), catalogue, [0, 10, 20]).value
    array([ 0., 35., 55.])
    """
    check_context(catalogue.catalogue, context, matrix.shape[0])
    barred = table_exclusions(catalogue, matrix, context)
    gains = catalogue_gain(
        churn_probability,
        matrix,
        catalogue,
        treatment_effects=treatment_effects,
        barred=barred,
        survival_weights=survival_weights,
        preventable_share=preventable_share,
    )
    ascending = sorted(float(budget) for budget in budgets)
    room = RemainingCapacity.from_catalogue(catalogue.catalogue)
    allocator = Allocator(
        gains.offered(decision_bound), gains.cost, capacity=room.capacity, shared=room.shared
    )
    plans: list[Plan] = []
    bounds: list[float] = []
    for budget in ascending:
        plan = allocator.plan(budget)
        bounds.append(plan.bound)
        # A plan within a smaller budget is within this one too.
        plans.append(plans[-1] if plans and plans[-1].value > plan.value else plan)
    totals = [total_gain(gains, plan.action, treatment_effects) for plan in plans]
    return WhatIf(
        budget=np.array(ascending),
        value=np.array([plan.value for plan in plans]),
        low=np.array([total.low for total in totals]),
        high=np.array([total.high for total in totals]),
        cost=np.array([plan.cost for plan in plans]),
        bound=np.array(bounds),
        customers=np.array([np.count_nonzero(plan.action >= 0) for plan in plans], dtype=np.int64),
        shadow_price=np.array([plan.shadow_prices.budget for plan in plans]),
    )

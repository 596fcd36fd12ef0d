"""The decision for each customer: the best eligible action that pays, or none, and why.

`decide` is for many customers; `churnkit.decisions.single` decides for one, with the same
numbers to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions import reasons
from churnkit.decisions.allocate import Plan, allocate
from churnkit.decisions.gain import ActOn, Gains, catalogue_gain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.eligibility import CompiledCatalogue
    from churnkit.decisions.measured import MeasuredEffects

__all__ = ["Decisions", "decide"]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """One action or none for each customer, with its gain and the reason."""

    names: tuple[str, ...]
    """The actions' names."""
    action: NDArray[np.int64]
    """(n,) place in `names`, -1 for none."""
    expected_gain: NDArray[np.float64]
    """(n,) expected gain net of cost, in money; 0 for none."""
    low: NDArray[np.float64]
    """(n,) its lower bound."""
    high: NDArray[np.float64]
    """(n,) its upper bound."""
    cost: NDArray[np.float64]
    """(n,) in money; 0 for none."""
    reason_code: NDArray[np.int8]
    """(n,) place in `REASONS`."""
    plan: Plan
    """The plan that these are the rows of: value, cost, bound, shadow prices."""

    def __len__(self) -> int:
        return int(self.action.shape[0])

    @property
    def action_name(self) -> list[str | None]:
        """The name of each customer's action, None for none."""
        return [self.names[j] if j >= 0 else None for j in self.action.tolist()]

    @property
    def reason(self) -> list[str]:
        """Why each customer gets the action, or none."""
        return [reasons.REASONS[code] for code in self.reason_code.tolist()]

    def to_columns(self) -> dict[str, Any]:
        """Give the columns of a table: action, expected_gain, gain_low, gain_high, cost, reason."""
        return {
            "action": self.action_name,
            "expected_gain": self.expected_gain,
            "gain_low": self.low,
            "gain_high": self.high,
            "cost": self.cost,
            "reason": self.reason,
        }

    def to_dict(self) -> dict[str, Any]:
        """Summarise: the plan, and customers by action and by reason."""
        actions = np.bincount(self.action + 1, minlength=len(self.names) + 1)[1:].tolist()
        given = np.bincount(self.reason_code, minlength=len(reasons.REASONS)).tolist()
        return {
            "plan": self.plan.to_dict(),
            "actions": dict(zip(self.names, actions, strict=True)),
            "reasons": {r: k for r, k in zip(reasons.REASONS, given, strict=True) if k},
        }


def decide(
    churn_probability: ArrayLike,
    matrix: NDArray[np.float64],
    catalogue: CompiledCatalogue,
    *,
    budget: float | None = None,
    act_on: ActOn = "low",
    measured: MeasuredEffects | None = None,
) -> Decisions:
    """Choose one action or none for each customer, within the budget and all capacities.

    Parameters
    ----------
    churn_probability
        (n,) the probability that the customer leaves if nothing is done; NaN for a customer
        who was not scored and gets no action.
    matrix
        (n, k) the customers, encoded for ``"recommend"``.
    catalogue
        Compiled against the contract that encoded them.
    budget
        The most that all actions may cost together, in money; None for no limit.
    act_on
        An action goes out only when this is above zero: the ``"low"`` bound of its gain, or
        the ``"expected"`` gain. Among those that pay, the plan has the highest expected gain.
    measured
        Each customer's effects of the actions that were tried, in the place of the catalogue's.

    Returns
    -------
    Decisions
        In the customers' order.

    Raises
    ------
    DataError
        If a churn probability is outside 0 to 1, or the shapes do not fit.
    RecipeError
        If the budget is negative or `act_on` is another word.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> call = Action("call", "A call", cost=10.0, effect=Effect(0.1, 0.25, 0.5))
    >>> catalogue = Catalogue((call,)).compile([Column("fee", "number", ("value",))])
    >>> decisions = decide([0.5, 0.1], np.array([[20.0], [20.0]]), catalogue)
    >>> decisions.action_name, decisions.reason
    (['call', None], ['only action that pays', 'no action pays'])

    """
    gains = catalogue_gain(churn_probability, matrix, catalogue, measured=measured)
    offered = gains.offered(act_on)
    capacity = catalogue.catalogue.capacity
    plan = allocate(offered, gains.cost, budget=budget, capacity=capacity)
    taken = np.flatnonzero(plan.action >= 0)
    chosen = plan.action[taken]
    cost = np.broadcast_to(gains.cost, gains.expected.shape)

    def of_chosen(table: NDArray[np.float64]) -> NDArray[np.float64]:
        column = np.zeros(plan.action.shape[0])
        column[taken] = table[taken, chosen]
        return column

    return Decisions(
        names=catalogue.catalogue.names,
        action=plan.action,
        expected_gain=of_chosen(gains.expected),
        low=of_chosen(gains.low),
        high=of_chosen(gains.high),
        cost=of_chosen(cost),
        reason_code=np.where(
            np.isnan(np.asarray(churn_probability, dtype=np.float64)),
            np.int8(reasons.UNSCORED),
            _reasons(gains, offered, plan, capacity),
        ),
        plan=plan,
    )


def _reasons(
    gains: Gains, offered: NDArray[np.float64], plan: Plan, capacity: Sequence[int | None]
) -> NDArray[np.int8]:
    pays = offered > -np.inf
    count = pays.sum(axis=1)
    limits = np.array([np.inf if c is None else c for c in capacity])
    full = np.bincount(plan.action + 1, minlength=limits.shape[0] + 1)[1:] >= limits
    codes = np.full(plan.action.shape[0], reasons.BUDGET, dtype=np.int8)
    codes[~(pays & ~full).any(axis=1)] = reasons.FULL
    codes[count == 0] = reasons.UNPAID
    codes[~gains.eligible.any(axis=1)] = reasons.INELIGIBLE
    taken = np.flatnonzero(plan.action >= 0)
    own = offered[taken, plan.action[taken]]
    best = np.where(
        own >= offered[taken].max(axis=1, initial=-np.inf), reasons.HIGHEST, reasons.SHARED
    )
    codes[taken] = np.where(count[taken] == 1, reasons.ONLY, best)
    return codes

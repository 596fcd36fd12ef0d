"""Decide for each customer: the best eligible action that pays, or none, with the reason.

`decide` is for many customers; `churnkit.decisions.decide_row` decides for one, with the same
numbers to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.interval import Interval
from churnkit.decisions import reason_codes
from churnkit.decisions.allocation.allocate import allocate
from churnkit.decisions.allocation.remaining_capacity import RemainingCapacity
from churnkit.decisions.decide_row import Decision
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, table_exclusions
from churnkit.decisions.exploration.explorer import Explorer
from churnkit.decisions.exploration.sampling import Draw
from churnkit.decisions.gain import ActOn, Gains, catalogue_gain
from churnkit.decisions.response import find_responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.allocation.plan import Plan
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.measured_effects import MeasuredEffects
    from churnkit.decisions.response import CustomerResponses

__all__ = ["Decisions", "assign_reasons", "decide", "taken", "total_gain"]

# Standard errors to each side of a 90% interval.
_REACH = 1.6448536269514722


@dataclass(frozen=True, slots=True, eq=False)
class Decisions(Result):
    """One action or none for each customer, with its gain and the reason.

    Parameters
    ----------
    names
        The actions' names.
    action : (n,)
        Position in `names`, -1 for none.
    expected_gain : (n,)
        Expected gain net of cost, in money; 0 for none.
    low : (n,)
        Lower bound of the gain.
    high : (n,)
        Upper bound of the gain.
    cost : (n,)
        Cost in money; 0 for none.
    reason_code : (n,)
        Position in `REASONS`.
    plan
        Plan before exploration: value, cost, bound and shadow prices.
    propensity : (n,)
        Probability of the customer's action, or of none.
    explored : (n,)
        True where exploration chose.
    barred : (n, m)
        Reason that excludes each action: a position in `REASONS`, 0 for none.
    eligible : (n, m)
        Actions that are not excluded and have a known gain.
    total_gain
        Gain of all customers in money, with its 90% interval.
    action_gains
        The same for the customers of each action.
    responses
        Effect on each customer, and the expected response.
    """

    names: tuple[str, ...]
    action: NDArray[np.int64]
    expected_gain: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cost: NDArray[np.float64]
    reason_code: NDArray[np.int8]
    plan: Plan
    propensity: NDArray[np.float64]
    explored: NDArray[np.bool_]
    barred: NDArray[np.int8]
    eligible: NDArray[np.bool_]
    total_gain: Interval
    action_gains: tuple[Interval, ...]
    responses: CustomerResponses

    def __len__(self) -> int:
        return int(self.action.shape[0])

    @property
    def action_name(self) -> list[str | None]:
        """The name of each customer's action, None for none."""
        return [self.names[j] if j >= 0 else None for j in self.action.tolist()]

    @property
    def reason(self) -> list[str]:
        """Why each customer gets the action, or none."""
        return [reason_codes.REASONS[code] for code in self.reason_code.tolist()]

    def to_columns(self) -> dict[str, Any]:
        """Return the columns of a table: action, expected_gain, gain_low, gain_high, cost, reason."""
        return {
            "action": self.action_name,
            "expected_gain": self.expected_gain,
            "gain_low": self.low,
            "gain_high": self.high,
            "cost": self.cost,
            "reason": self.reason,
        }

    def to_rows(self, rows: slice = slice(None)) -> list[Decision]:
        """Return one `Decision` per customer, or those of some rows."""
        names = np.array(self.names, dtype=object)
        money = (self.expected_gain, self.low, self.high, self.cost, self.propensity)
        return [
            Decision(
                None if j < 0 else self.names[j],
                gain,
                low,
                high,
                cost,
                reason_codes.REASONS[code],
                propensity,
                explored,
                tuple(names[eligible]),
            )
            for j, code, (gain, low, high, cost, propensity), explored, eligible in zip(
                self.action[rows].tolist(),
                self.reason_code[rows].tolist(),
                np.column_stack([values[rows] for values in money]).tolist(),
                self.explored[rows].tolist(),
                self.eligible[rows],
                strict=True,
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Summarize: the plan, and customers by action and by reason."""
        actions = np.bincount(self.action + 1, minlength=len(self.names) + 1)[1:].tolist()
        given = np.bincount(self.reason_code, minlength=len(reason_codes.REASONS)).tolist()
        return {
            "plan": self.plan.to_dict(),
            "total_gain": self.total_gain.to_dict(),
            "actions": dict(zip(self.names, actions, strict=True)),
            "reasons": {r: k for r, k in zip(reason_codes.REASONS, given, strict=True) if k},
        }


def decide(
    churn_probability: ArrayLike,
    matrix: NDArray[np.float64],
    catalogue: CompiledCatalogue,
    *,
    budget: float | None = None,
    decision_bound: ActOn = "low",
    treatment_effects: MeasuredEffects | None = None,
    survival_weights: NDArray[np.float64] | None = None,
    preventable_share: NDArray[np.float64] | None = None,
    context: DecisionContext | None = None,
    used: Mapping[str, tuple[int, float]] | None = None,
) -> Decisions:
    """Choose one action or none for each customer, within the budget and all capacities.

    Parameters
    ----------
    churn_probability
        (n,) churn probabilities without an action; NaN for unscored customers, who get none.
    matrix
        (n, k) customers encoded for ``"recommend"``.
    catalogue
        Compiled against the contract that encoded them.
    budget
        Maximum total cost of all actions, in money; None for no limit.
    decision_bound
        An action goes out only when this is above zero: the ``"low"`` bound of its gain, or
        the ``"expected"`` gain. Among those that pay, the plan has the highest expected gain.
    treatment_effects
        Measured effects of the tried actions; they replace the catalogue's.
    survival_weights
        (n, m) expected periods per action, as in `expected_gain`.
    preventable_share
        (n, m) share of the churn risk that each action can prevent, as in `expected_gain`.
    context
        The customers and the day; needed where the catalogue has holdouts, exploration, dates
        or contact rules.
    used
        Customers and cost by action that count toward the period's budget and capacities
        already, from `Journal.used`.

    Returns
    -------
    Decisions
        In the customers' order.

    Raises
    ------
    DataError
        If a churn probability is outside 0 to 1, or the shapes do not fit.
    RecipeError
        If the budget is negative, `decision_bound` is invalid, or `context` is needed.

    Notes
    -----
    Propensities are conditional on the holdouts: a held-out customer gets no action, or not an
    action with its own holdout, with probability 1. See `churnkit.decisions.exploration.sampling` for how it is exact under all limits.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect, compile_catalogue
    >>> call = Action("call", "A call", cost=10.0, effect=Effect(0.1, 0.25, 0.5))
    >>> catalogue = compile_catalogue(Catalogue((call,)), [Column("fee", "number", ("value",))])
    >>> decisions = decide([0.5, 0.1], np.array([[20.0], [20.0]]), catalogue)
    >>> decisions.action_name, decisions.reason
    (['call', None], ['only action that pays', 'no action pays'])

    """
    declared = catalogue.catalogue
    check_context(declared, context, matrix.shape[0])
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
    offered = gains.offered(decision_bound)
    room = RemainingCapacity.from_catalogue(declared, budget, used)
    chance = None
    if declared.exploration is not None and context is not None:
        chance = Explorer.for_table(gains, room, declared, str(context.as_of))
    open_room = room if chance is None else chance.rest
    floors = _floors(catalogue, matrix)
    plan = allocate(
        offered,
        gains.cost,
        budget=None if np.isinf(open_room.budget) else open_room.budget,
        capacity=open_room.capacity,
        shared=open_room.shared,
        floors=floors,
    )
    if chance is not None and floors is not None:
        chance = chance.protecting_floors(plan.action, np.asarray(floors[0].any(axis=1)))
    codes = assign_reasons(gains, offered, plan.action, open_room.full(plan.action), barred)
    codes[np.isnan(np.asarray(churn_probability, dtype=np.float64))] = reason_codes.UNSCORED
    drawn = (
        _as_planned(plan)
        if chance is None or context is None
        else chance.draw(plan.action, context.customers)
    )
    codes[drawn.explored] = reason_codes.CHANCE
    columns = taken(gains, drawn.action)
    return Decisions(
        names=declared.names,
        action=drawn.action,
        **columns,
        reason_code=codes,
        plan=plan,
        propensity=drawn.propensity,
        explored=drawn.explored,
        barred=barred,
        eligible=gains.eligible,
        total_gain=total_gain(gains, drawn.action, treatment_effects),
        action_gains=tuple(
            total_gain(gains, np.where(drawn.action == place, place, -1), treatment_effects)
            for place in range(len(declared.names))
        ),
        responses=find_responses(
            np.asarray(churn_probability, dtype=np.float64),
            gains if context is None else _by_rules(gains, table_exclusions(catalogue, matrix)),
            declared,
            drawn.action,
        ),
    )


def _by_rules(gains: Gains, barred: NDArray[np.int8]) -> Gains:
    """Return gains that are eligible by the rules alone, whatever the day, contacts and holdouts."""
    return replace(gains, eligible=(barred == NOT_EXCLUDED) & np.isfinite(gains.expected))


def total_gain(
    gains: Gains, action: NDArray[np.int64], effects: MeasuredEffects | None = None
) -> Interval:
    """Return the expected gain of all customers together, with its 90% interval.

    The error of measured effects that customers share is added up before it is squared; bounds of
    assumed effects are taken as they are, as if they were wrong for all customers alike.

    Parameters
    ----------
    gains
        Of every action for every customer.
    action
        (n,) position of each customer's action, -1 for none.
    effects
        Measured effects with their shared error.
    """
    rows = np.flatnonzero(action >= 0)
    chosen = action[rows]
    value = float(gains.expected[rows, chosen].sum())
    places = () if effects is None else effects.places
    assumed = rows[~np.isin(chosen, places)]
    cells = assumed, action[assumed]
    with np.errstate(over="ignore", invalid="ignore"):
        below = float((gains.expected[cells] - gains.low[cells]).sum())
        above = float((gains.high[cells] - gains.expected[cells]).sum())
    error = 0.0
    if effects is not None and gains.stake is not None:
        column = np.full(len(gains.expected), -1)
        for at, place in enumerate(places):
            column[action == place] = at
        tried = np.flatnonzero(column >= 0)
        stake = np.zeros(len(column))
        stake[tried] = gains.stake[tried, action[tried]]
        if effects.shared is not None:
            error = _REACH * effects.shared.error_of_total(stake, column)
        else:
            wide = (effects.high - effects.low) / 2.0
            error = float((wide[tried, column[tried]] * stake[tried]).sum())
    return Interval(value, value - np.hypot(error, below), value + np.hypot(error, above))


def _floors(
    catalogue: CompiledCatalogue, matrix: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]] | None:
    """Return the members of the floors' segments, and how many of them must get an action."""
    if not catalogue.floors:
        return None
    members = catalogue.floor_members(matrix)
    counts = members.sum(axis=0).tolist()
    declared = catalogue.catalogue.floors
    least = [min(f.least(k), k) for f, k in zip(declared, counts, strict=True)]
    return members, np.array(least, dtype=np.int64)


def _as_planned(plan: Plan) -> Draw:
    n = plan.action.shape[0]
    return Draw(plan.action, np.zeros(n, dtype=np.bool_), np.ones(n), np.zeros((n, 0)))


def taken(gains: Gains, action: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the gains and the cost of each customer's action, 0 for none."""
    rows = np.flatnonzero(action >= 0)
    cost = np.broadcast_to(gains.cost, gains.expected.shape)
    tables = (gains.expected, gains.low, gains.high, cost)
    columns = {}
    for name, table in zip(("expected_gain", "low", "high", "cost"), tables, strict=True):
        columns[name] = np.zeros(action.shape[0])
        columns[name][rows] = table[rows, action[rows]]
    return columns


def assign_reasons(
    gains: Gains,
    offered: NDArray[np.float64],
    action: NDArray[np.int64],
    full: NDArray[np.bool_],
    barred: NDArray[np.int8],
) -> NDArray[np.int8]:
    """Return the reason code of each customer's action or none, (n,): positions in `REASONS`.

    Parameters
    ----------
    offered
        (n, m) gains of actions that pay, ``-inf`` elsewhere.
    action
        (n,) assigned actions, -1 for none.
    full
        (m,) True for actions without remaining capacity.
    barred
        (n, m) exclusion codes.
    """
    pays = offered > -np.inf
    count = pays.sum(axis=1)
    codes = np.full(action.shape[0], reason_codes.BUDGET, dtype=np.int8)
    codes[~(pays & ~full).any(axis=1)] = reason_codes.FULL
    codes[count == 0] = reason_codes.UNPAID
    ineligible = ~gains.eligible.any(axis=1)
    codes[ineligible] = reason_codes.nearest(barred[ineligible])
    rows = np.flatnonzero(action >= 0)
    assigned = offered[rows, action[rows]]
    best = np.where(
        assigned >= offered[rows].max(axis=1, initial=-np.inf),
        reason_codes.HIGHEST,
        reason_codes.SHARED,
    )
    codes[rows] = np.where(count[rows] == 1, reason_codes.ONLY, best)
    return codes

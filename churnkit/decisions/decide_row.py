"""Decide for one customer, without arrays.

Plain Python with the operations of `churnkit.decisions.gain` in the same order: bit-equal to
`decide` for a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions import reason_codes
from churnkit.decisions.allocation.remaining_capacity import RemainingCapacity
from churnkit.decisions.competing_risks import check_preventable_row
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, row_exclusions
from churnkit.decisions.exploration.explorer import Explorer
from churnkit.decisions.gain import (
    ActOn,
    Gains,
    check_act_on,
    refuse_without_survival,
    retained_value,
)
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.decisions.allocation.plan import ShadowPrices
    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.measured_effects import MeasuredEffects

__all__ = ["Decision", "decide_one"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One customer's action or none, with the fields of `Decisions`.

    Parameters
    ----------
    action
        The action's name.
    expected_gain
        Gain net of cost, in money; 0 for none.
    gain_low
        Lower bound of the gain.
    gain_high
        Upper bound of the gain.
    cost
        Cost in money; 0 for none.
    reason
        One of `REASONS`.
    propensity
        Probability of this action, or of none.
    explored
        True if exploration chose the action.
    eligible
        Actions that are not excluded and have a known gain.
    """

    action: str | None
    expected_gain: float
    gain_low: float
    gain_high: float
    cost: float
    reason: str
    propensity: float = 1.0
    explored: bool = False
    eligible: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data.

        Examples
        --------
        >>> Decision(None, 0.0, 0.0, 0.0, 0.0, "no action pays").to_dict()["reason"]
        'no action pays'
        """
        return {
            "action": self.action,
            "expected_gain": self.expected_gain,
            "gain_low": self.gain_low,
            "gain_high": self.gain_high,
            "cost": self.cost,
            "reason": self.reason,
        }


def decide_one(
    churn_probability: float,
    row: Sequence[float],
    catalogue: CompiledCatalogue,
    *,
    budget: float | None = None,
    decision_bound: ActOn = "low",
    prices: ShadowPrices | None = None,
    treatment_effects: MeasuredEffects | None = None,
    survival_weights: Sequence[float] | None = None,
    preventable_share: Sequence[float] | None = None,
    context: DecisionContext | None = None,
) -> Decision:
    """Decide for one customer.

    Without `prices` the result equals `decide` for a table of this row. With the shadow prices of
    a plan it is the decision that the plan would make for one more customer.

    Parameters
    ----------
    churn_probability
        Churn probability without an action; NaN if not scored.
    row
        (k,) the customer, encoded for ``"recommend"``.
    catalogue
        Compiled against the contract that encoded the row.
    budget
        The most that the action may cost, in money; None for no limit.
    decision_bound
        As in `decide`.
    prices
        Shadow prices of the limits; None without competing customers.
    treatment_effects
        Measured effects of the tried actions, one row.
    survival_weights
        (m,) expected periods of the customer per action, as in `expected_gain`.
    preventable_share
        (m,) share of the churn risk that each action can prevent, as in `expected_gain`.
    context
        The customer and the day, as in `decide`.

    Returns
    -------
    Decision
        The action or none, its gain, and the reason.

    Raises
    ------
    DataError
        If the churn probability or a share is outside 0 to 1, a share is missing for a scored
        customer, or the row, weights or shares have another length.
    RecipeError
        If the budget is negative or `decision_bound` is invalid.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect, compile_catalogue
    >>> call = Action("call", "A call", cost=10.0, effect=Effect(0.1, 0.25, 0.5))
    >>> catalogue = compile_catalogue(Catalogue((call,)), [Column("fee", "number", ("value",))])
    >>> decide_one(0.5, [20.0], catalogue).expected_gain
    20.0

    """
    _check_one(churn_probability, row, catalogue, budget)
    check_act_on(decision_bound)
    declared = catalogue.catalogue
    check_context(declared, context, 1)
    refuse_without_survival(declared, given=survival_weights is not None)
    if survival_weights is not None and len(survival_weights) != len(declared.actions):
        raise DataError(
            "survival_weights",
            [f"{len(survival_weights)} values: must be {len(declared.actions)}, one per action"],
        )
    check_preventable_row(declared, preventable_share, churn_probability)
    if math.isnan(churn_probability):
        return _none(reason_codes.UNSCORED)
    barred = row_exclusions(catalogue, row, context)
    options = _options(
        float(churn_probability),
        row,
        catalogue,
        barred,
        treatment_effects=treatment_effects,
        survival_weights=survival_weights,
        preventable_share=preventable_share,
    )
    money = math.inf if budget is None else float(budget)
    closed = [_is_closed(declared, j) for j in range(len(declared.actions))]
    chance = None
    if declared.exploration is not None and context is not None:
        chance = _chance(options, declared, money, day=str(context.as_of), alone=prices is None)
        if prices is None:
            # As in a table of one row, the plan does without what exploration keeps back.
            money, closed = chance.rest.budget, chance.rest.closed().tolist()
    best, code = _best(
        options,
        barred,
        closed,
        budget=money,
        decision_bound=decision_bound,
        prices=_prices(catalogue, row, prices),
    )
    decision = _decision(best, code, options, declared.names)
    if chance is None or context is None:
        return decision
    planned = np.array([-1 if best is None else best.position])
    if any(all(rule.holds(row) for rule in rules) for rules in catalogue.floors):
        chance = chance.protecting_floors(planned, np.ones(1, dtype=np.bool_))
    drawn = chance.draw(planned, context.customers)
    position, explored = int(drawn.action[0]), bool(drawn.explored[0])
    if explored:
        option = next((o for o in options if o.position == position), None)
        decision = _decision(option, reason_codes.CHANCE, options, declared.names)
    return replace(decision, propensity=float(drawn.propensity[0]), explored=explored)


def _chance(
    options: list[_Option], catalogue: Catalogue, budget: float, *, day: str, alone: bool
) -> Explorer:
    """Return the explorer for one customer, within the limits or at shadow prices."""
    numbers = np.zeros((4, 1, len(catalogue.actions)))
    eligible = np.zeros((1, len(catalogue.actions)), dtype=np.bool_)
    for option in options:
        numbers[:, 0, option.position] = option.expected, option.low, option.high, option.cost
        eligible[0, option.position] = True
    gains = Gains(numbers[0], numbers[1], numbers[2], numbers[3], eligible)
    room = RemainingCapacity.from_catalogue(catalogue, budget)
    return (
        Explorer.for_table(gains, room, catalogue, day)
        if alone
        else Explorer.at_prices(gains, room, catalogue, day)
    )


def _best(
    options: list[_Option],
    barred: list[int],
    closed: list[bool],
    *,
    budget: float,
    decision_bound: ActOn,
    prices: tuple[float, list[float]],
) -> tuple[_Option | None, int]:
    """Return the option with the highest gain net of shadow prices, and the reason code."""
    # Gains of zero or less are never given, also where their bound was not asked.
    paying = [o for o in options if o.expected > 0.0 and (decision_bound != "low" or o.bound > 0.0)]
    if not paying:
        shut = int(reason_codes.nearest(np.array([barred], dtype=np.int8))[0])
        return None, reason_codes.UNPAID if options else shut
    price, tolls = prices
    open_ = [o for o in paying if not closed[o.position]]
    # The first of equals wins, as in a plan.
    best, best_net_gain = None, 0.0
    for option in open_:
        if option.cost > budget:
            continue
        net_gain = (option.expected - tolls[option.position]) - price * option.cost
        if net_gain > best_net_gain:
            best, best_net_gain = option, net_gain
    if best is None:
        roomy = any(tolls[option.position] <= 0.0 for option in open_)
        return None, reason_codes.BUDGET if roomy else reason_codes.FULL
    if len(paying) == 1:
        return best, reason_codes.ONLY
    most = max(o.expected for o in paying)
    return best, reason_codes.HIGHEST if best.expected >= most else reason_codes.SHARED


def _decision(
    option: _Option | None, code: int, options: list[_Option], names: Sequence[str]
) -> Decision:
    eligible = tuple(names[o.position] for o in options)
    if option is None:
        return replace(_none(code), eligible=eligible)
    return Decision(
        names[option.position],
        option.expected,
        option.low,
        option.high,
        option.cost,
        reason_codes.REASONS[code],
        eligible=eligible,
    )


@dataclass(frozen=True, slots=True)
class _Option:
    position: int
    expected: float
    low: float
    high: float
    cost: float
    bound: float


def _options(
    churn_probability: float,
    row: Sequence[float],
    catalogue: CompiledCatalogue,
    barred: list[int],
    *,
    treatment_effects: MeasuredEffects | None,
    survival_weights: Sequence[float] | None,
    preventable_share: Sequence[float] | None,
) -> list[_Option]:
    """Return the eligible actions of one customer, with the arithmetic of `expected_gain`."""
    declared = catalogue.catalogue
    value = float(row[catalogue.value_index])
    measured = {} if treatment_effects is None else treatment_effects.of_row(0)
    is_money = treatment_effects is not None and treatment_effects.outcome == "money"
    options: list[_Option] = []
    periods = declared.annuity_factors if survival_weights is None else survival_weights
    for j, action in enumerate(declared.actions):
        cost = catalogue.row_cost(row, j)
        if barred[j] != NOT_EXCLUDED or not (math.isfinite(cost) and cost >= 0.0):
            continue
        retained = retained_value(value, periods[j], declared.margin)
        if j in measured:
            low, expected, high, bound = measured[j]
            stake = declared.margin if is_money else retained
        else:
            prior = action.prior
            low, expected, high, bound = prior.low, prior.expected, prior.high, prior.low
            risk = churn_probability
            if preventable_share is not None:
                risk = churn_probability * preventable_share[j]
            stake = risk * retained
        gain = stake * expected - cost
        if math.isfinite(gain):
            lowest, highest = stake * low - cost, stake * high - cost
            options.append(_Option(j, gain, lowest, highest, cost, stake * bound - cost))
    return options


def _check_one(
    churn_probability: float,
    row: Sequence[float],
    catalogue: CompiledCatalogue,
    budget: float | None,
) -> None:
    if churn_probability < 0.0 or churn_probability > 1.0:
        raise DataError("churn_probability", ["outside 0 to 1; give a probability, not a score"])
    if len(row) != catalogue.width:
        raise DataError(
            "row", [f"{len(row)} columns: the catalogue needs {catalogue.width}; encode with it"]
        )
    if budget is not None and not budget >= 0.0:
        raise RecipeError("budget: must be zero or more; leave it out for no limit")


def _prices(
    compiled: CompiledCatalogue, row: Sequence[float], prices: ShadowPrices | None
) -> tuple[float, list[float]]:
    """Return the budget's price, and the capacity prices of each action for the customer.

    For members of a floor's segment, the floor's price is subtracted.
    """
    catalogue = compiled.catalogue
    if prices is None:
        return 0.0, [0.0] * len(catalogue.actions)
    tolls = prices.capacity.tolist()
    shared = prices.shared.tolist()
    if len(tolls) != len(catalogue.actions) or len(shared) != len(catalogue.capacities):
        raise RecipeError(
            f"shadow prices: of {len(tolls)} actions and {len(shared)} shared limits; the "
            f"catalogue has {len(catalogue.actions)} and {len(catalogue.capacities)}; plan again"
        )
    for limit, price in zip(catalogue.capacities, shared, strict=True):
        for j, action in enumerate(catalogue.actions):
            if limit.counts(action.channel, action.group):
                tolls[j] += price
    for rules, price in zip(compiled.floors, prices.floors.tolist(), strict=False):
        if all(rule.holds(row) for rule in rules):
            tolls = [toll - price for toll in tolls]
    return prices.budget, tolls


def _is_closed(catalogue: Catalogue, position: int) -> bool:
    action = catalogue.actions[position]
    return action.capacity == 0 or any(
        limit.most == 0 and limit.counts(action.channel, action.group)
        for limit in catalogue.capacities
    )


def _none(code: int) -> Decision:
    return Decision(None, 0.0, 0.0, 0.0, 0.0, reason_codes.REASONS[code])

"""The decision for one customer, without arrays: what a service does for a request.

Plain Python with the arithmetic of `churnkit.decisions.gain` in the same order: the same numbers
to the last bit as in a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.decisions import reasons
from churnkit.decisions.gain import ActOn, check_act_on, worth_of
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.decisions.allocate import ShadowPrices
    from churnkit.decisions.eligibility import CompiledCatalogue
    from churnkit.decisions.measured import MeasuredEffects

__all__ = ["Decision", "decide_one"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One customer's action or none, in the same words as `Decisions`."""

    action: str | None
    """The action's name."""
    expected_gain: float
    """Net of cost, in money; 0 for none."""
    gain_low: float
    """Its lower bound."""
    gain_high: float
    """Its upper bound."""
    cost: float
    """In money; 0 for none."""
    reason: str
    """One of `REASONS`."""

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain data.

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
    act_on: ActOn = "low",
    prices: ShadowPrices | None = None,
    measured: MeasuredEffects | None = None,
) -> Decision:
    """Decide for one customer, without arrays: what a service does for a request.

    Without `prices` the answer is that of `decide` for a table of this one row. With the shadow
    prices of a plan it is the answer that the plan would give one more customer.

    Parameters
    ----------
    churn_probability
        The probability that the customer leaves if nothing is done; NaN if not scored.
    row
        (k,) the customer, encoded for ``"recommend"``.
    catalogue
        Compiled against the contract that encoded the row.
    budget
        The most that the action may cost, in money; None for no limit.
    act_on
        As in `decide`.
    prices
        What the limits are worth to other customers; None where nobody competes.
    measured
        The customer's effects of the actions that were tried, one row.

    Returns
    -------
    Decision
        The action or none, its gain, and the reason.

    Raises
    ------
    DataError
        If the churn probability is outside 0 to 1, or the row has another length.
    RecipeError
        If the budget is negative or `act_on` is another word.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> call = Action("call", "A call", cost=10.0, effect=Effect(0.1, 0.25, 0.5))
    >>> catalogue = Catalogue((call,)).compile([Column("fee", "number", ("value",))])
    >>> decide_one(0.5, [20.0], catalogue).expected_gain
    20.0

    """
    _check_one(churn_probability, row, catalogue, budget)
    check_act_on(act_on)
    if math.isnan(churn_probability):
        return _none(reasons.UNSCORED)
    options = _options(float(churn_probability), row, catalogue, measured)
    paying = [o for o in options if (o.low if act_on == "low" else o.expected) > 0.0]
    # Gains of zero or less are never given, also where their bound was not asked.
    paying = [o for o in paying if o.expected > 0.0]
    if not paying:
        return _none(reasons.UNPAID if options else reasons.INELIGIBLE)
    actions = catalogue.catalogue.actions
    prices_of = (0.0, [0.0] * len(actions)) if prices is None else _numbers(prices)
    roomy = [o for o in paying if (actions[o.place].capacity != 0) and prices_of[1][o.place] <= 0.0]
    affordable = [
        o for o in paying if actions[o.place].capacity != 0 and (budget is None or o.cost <= budget)
    ]
    # The first of equals wins, as in a plan.
    best, worth = None, 0.0
    for option in affordable:
        reduced = (option.expected - prices_of[1][option.place]) - prices_of[0] * option.cost
        if reduced > worth:
            best, worth = option, reduced
    if best is None:
        return _none(reasons.BUDGET if roomy else reasons.FULL)
    if len(paying) == 1:
        code = reasons.ONLY
    else:
        code = (
            reasons.HIGHEST if best.expected >= max(o.expected for o in paying) else reasons.SHARED
        )
    return Decision(
        actions[best.place].name,
        best.expected,
        best.low,
        best.high,
        best.cost,
        reasons.REASONS[code],
    )


@dataclass(frozen=True, slots=True)
class _Option:
    place: int
    expected: float
    low: float
    high: float
    cost: float


def _options(
    churn_probability: float,
    row: Sequence[float],
    catalogue: CompiledCatalogue,
    measured: MeasuredEffects | None,
) -> list[_Option]:
    """Give the eligible actions of one customer; the arithmetic is that of `expected_gain`."""
    declared = catalogue.catalogue
    worth = worth_of(float(row[catalogue.value_index]), declared.periods, declared.margin)
    tried = {} if measured is None else measured.of_one(0)
    scale = declared.margin if measured is not None and measured.outcome == "money" else worth
    options: list[_Option] = []
    for j, action in enumerate(declared.actions):
        index = catalogue.cost_index[j]
        cost = float(action.cost if index is None else row[index])
        if not (math.isfinite(cost) and cost >= 0.0):
            continue
        assumed = action.effect
        if j in tried:
            (low, expected, high), stake = tried[j], scale
        else:
            low, expected, high = assumed.low, assumed.expected, assumed.high
            stake = churn_probability * worth
        gain = stake * expected - cost
        if math.isfinite(gain) and all(rule.holds(row) for rule in catalogue.rules[j]):
            options.append(_Option(j, gain, stake * low - cost, stake * high - cost, cost))
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


def _numbers(prices: ShadowPrices) -> tuple[float, list[float]]:
    return prices.budget, prices.capacity.tolist()


def _none(code: int) -> Decision:
    return Decision(None, 0.0, 0.0, 0.0, 0.0, reasons.REASONS[code])

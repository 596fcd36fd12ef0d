"""Lift and profit curves of the model's ranking and the rule's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions import MeasuredEffects, expected_gain
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.competing_risks import preventable_shares
from churnkit.decisions.eligibility.exclusions import eligible_actions
from churnkit.evaluation import CustomerCosts, lift_curve, profit_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.bundle.parts.uplift import ActionEffects
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.competing_risks import FittedCauses
    from churnkit.pipeline.training.data.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.survival import FittedLifetime

__all__ = ["ranking_curves"]

_POINTS = 20
_SMALLEST_RISK = 1e-6


def ranking_curves(
    recipe: Recipe,
    data: TrainingData,
    fitted: Fitted,
    lifetime: FittedLifetime | None = None,
    effects: ActionEffects | None = None,
    *,
    causes: FittedCauses | None = None,
) -> dict[str, Any]:
    """Compute the share of churners found, and the profit, by the share of customers contacted.

    Profit uses the effects that a plan uses, measured ones in place of assumed ones: each customer
    gets the eligible action that would gain most if the customer was leaving; an action on a
    customer who stays costs its price.

    Returns
    -------
    dict
        ``lift``, and ``profit`` where the recipe names actions and the contract a value; each
        with ``share_of_customers``, ``model`` and ``rule``.
    """
    orders = {"model": fitted.probability, "rule": fitted.rule}
    share = [place / _POINTS for place in range(1, _POINTS + 1)]
    curves: dict[str, Any] = {
        "lift": {
            "share_of_customers": share,
            **{
                name: lift_curve(
                    data.tested.y, order, sample_weight=data.tested.weight, points=_POINTS
                ).share_of_churners.tolist()
                for name, order in orders.items()
            },
        }
    }
    # A profit counts customers, so it needs rows drawn from the population as they are.
    costs = None
    if recipe.population_rate is None:
        costs = _costs(recipe, data, lifetime, effects, fitted.probability, causes=causes)
    if costs is not None:
        curves["profit"] = {
            "share_of_customers": [0.0, *share],
            **{name: _profit(data, order, costs, share) for name, order in orders.items()},
        }
    return curves


def _profit(
    data: TrainingData, order: NDArray[np.float64], costs: CustomerCosts, share: list[float]
) -> list[float]:
    curve = profit_curve(data.tested.y, order, costs)
    at = np.interp([0.0, *share], curve.share_of_customers, curve.profit)
    return [round(float(number), 4) for number in at]


def _costs(
    recipe: Recipe,
    data: TrainingData,
    lifetime: FittedLifetime | None,
    effects: ActionEffects | None,
    probability: NDArray[np.float64],
    *,
    causes: FittedCauses | None,
) -> CustomerCosts | None:
    """Return each test customer's cost and benefit of the best eligible action."""
    value = data.contract.value
    if recipe.catalogue is None or value is None:
        return None
    from churnkit.contracts.encoding.table_encoder import TableEncoder

    encoded = TableEncoder(data.contract, "recommend").encode(data.tested.table, name=recipe.name)
    catalogue = recipe.catalogue
    compiled = compile_catalogue(catalogue, data.contract.encoded("recommend"))
    survival_weights = None
    if catalogue.survival and lifetime is not None:
        survival_weights = lifetime.scorer.survival_weights(
            encoded.features, catalogue.horizons, rate=catalogue.rate
        )
    share = None
    if causes is not None:
        scorer = causes.scorer
        share = preventable_shares(catalogue, scorer.causes, scorer.cause_shares(encoded.features))
    measured = None
    if effects is not None:
        measured = effects.treatment_effects(catalogue, encoded.features, probability, share)
        if measured.outcome == "staying":
            measured = _among_churners(measured, probability)
    gains = expected_gain(
        np.ones(len(encoded.matrix)),
        compiled.value(encoded.matrix),
        catalogue,
        cost=compiled.cost(encoded.matrix),
        eligible=eligible_actions(compiled, encoded.matrix),
        treatment_effects=measured,
        survival_weights=survival_weights,
        preventable_share=share,
    )
    offered = np.where(gains.eligible, gains.expected, -np.inf)
    best = offered.argmax(axis=1)
    rows = np.arange(len(best))
    allowed = gains.eligible[rows, best]
    cost = np.broadcast_to(gains.cost, offered.shape)[rows, best]
    # Customers without an eligible action cost nothing and gain nothing.
    waste = np.where(allowed, cost, 0.0)
    benefit = np.where(allowed, np.maximum(offered[rows, best], -waste), 0.0)
    return CustomerCosts(false_positive=waste, false_negative=0.0, true_positive=-benefit)


def _among_churners(effects: MeasuredEffects, probability: NDArray[np.float64]) -> MeasuredEffects:
    """Return effects relative to the risk: what they are for a customer who is leaving."""
    risk = np.maximum(probability, _SMALLEST_RISK)[:, None]
    low, expected, high = (
        np.clip(part / risk, -1.0, 1.0) for part in (effects.low, effects.expected, effects.high)
    )
    return MeasuredEffects(effects.places, "staying", low, expected, high)

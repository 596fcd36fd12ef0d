"""What the model's order of customers is worth beside the rule's: lift and profit curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions import expected_gain
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.eligibility.exclusions import eligible_actions
from churnkit.evaluation import CustomerCosts, lift_curve, profit_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted
    from churnkit.pipeline.training.survival import FittedLifetime

__all__ = ["worth_of"]

_POINTS = 20


def worth_of(
    recipe: Recipe, data: TrainingData, fitted: Fitted, lifetime: FittedLifetime | None = None
) -> dict[str, Any]:
    """Measure on the test customers how many churners a contacted share finds, and its profit.

    Profit stands on the catalogue's assumed effects: of each customer's eligible actions the
    one that would bring most if the customer was leaving; an action on a stayer costs its cost.

    Returns
    -------
    dict
        ``lift``, and ``profit`` where the recipe names actions and the contract a value; each
        with ``share_of_customers``, ``model`` and ``rule``.
    """
    orders = {"model": fitted.probability, "rule": fitted.rule}
    share = [place / _POINTS for place in range(1, _POINTS + 1)]
    found: dict[str, Any] = {
        "lift": {
            "share_of_customers": share,
            **{
                name: lift_curve(
                    data.test.y, order, sample_weight=data.test.weight, points=_POINTS
                ).share_of_churners.tolist()
                for name, order in orders.items()
            },
        }
    }
    # A profit counts customers, so it takes a table that is like them.
    costs = None if recipe.population_rate is not None else _costs(recipe, data, lifetime)
    if costs is not None:
        found["profit"] = {
            "share_of_customers": [0.0, *share],
            **{name: _profit(data, order, costs, share) for name, order in orders.items()},
        }
    return found


def _profit(
    data: TrainingData, order: NDArray[np.float64], costs: CustomerCosts, share: list[float]
) -> list[float]:
    curve = profit_curve(data.test.y, order, costs)
    at = np.interp([0.0, *share], curve.share_of_customers, curve.profit)
    return [round(float(number), 4) for number in at]


def _costs(
    recipe: Recipe, data: TrainingData, lifetime: FittedLifetime | None
) -> CustomerCosts | None:
    """Give each test customer the cost and the benefit of its best eligible action."""
    value = data.contract.value
    if recipe.catalogue is None or value is None:
        return None
    from churnkit.contracts.encoding.table_encoder import TableEncoder

    encoded = TableEncoder(data.contract, "recommend").encode(data.test.table, name=recipe.name)
    catalogue = recipe.catalogue
    compiled = compile_catalogue(catalogue, data.contract.encoded("recommend"))
    survival_weights = None
    if catalogue.survival and lifetime is not None:
        survival_weights = lifetime.scorer.survival_weights(
            encoded.features, catalogue.horizons, rate=catalogue.rate
        )
    gains = expected_gain(
        np.ones(len(encoded.matrix)),
        compiled.value(encoded.matrix),
        catalogue,
        cost=compiled.cost(encoded.matrix),
        eligible=eligible_actions(compiled, encoded.matrix),
        survival_weights=survival_weights,
    )
    offered = np.where(gains.eligible, gains.expected, -np.inf)
    best = offered.argmax(axis=1)
    rows = np.arange(len(best))
    allowed = gains.eligible[rows, best]
    cost = np.broadcast_to(gains.cost, offered.shape)[rows, best]
    # Who may get no action costs nothing and brings nothing.
    waste = np.where(allowed, cost, 0.0)
    benefit = np.where(allowed, np.maximum(offered[rows, best], -waste), 0.0)
    return CustomerCosts(false_positive=waste, false_negative=0.0, true_positive=-benefit)

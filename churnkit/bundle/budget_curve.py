"""Value of a model's plan for a range of budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from churnkit.decisions import what_if

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions import DecisionContext, WhatIf

__all__ = ["plan_budgets"]

_NO_LIMIT: Final = 1e15


def plan_budgets(
    model: RetentionModel,
    probabilities: NDArray[np.float64],
    matrix: NDArray[np.float64],
    shares: Sequence[float],
    *,
    context: DecisionContext | None = None,
) -> WhatIf:
    """Return the value of the plan for shares of the cost of the plan without a budget.

    Parameters
    ----------
    model
        A model with a catalogue of actions.
    probabilities, matrix, context
        As in `RetentionModel.decide_table`.
    shares
        Shares of the cost, 1 for all of it.

    Returns
    -------
    WhatIf
        One row per budget, ascending.
    """
    features = matrix[:, : len(model.contract.features)]
    effects = model.treatment_effects(features, probabilities)
    weights = model.survival_weights(features)
    share = model.preventable_share(features)

    def curve(budgets: Sequence[float]) -> WhatIf:
        return what_if(
            probabilities,
            matrix,
            model.compiled_catalogue,
            budgets,
            treatment_effects=effects,
            survival_weights=weights,
            preventable_share=share,
            context=context,
        )

    cost = float(curve([_NO_LIMIT]).cost[0])
    return curve([share * cost for share in shares])

"""Price of a budget for ranked options.

With a price, the cost of an option counts ``1 + price`` times. The smallest price at which the slates
of all customers fit the budget is found by bisection: the cost of the slates falls as the price rises,
since each is the best set of options at its price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.decisions.eligibility.exclusions import table_exclusions
from churnkit.decisions.ranking.compiled import eligible_chunks
from churnkit.decisions.ranking.slate import choose_draw, ranked_options
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.ranking.compiled import Chunk, CompiledRanking, RewardModel

__all__ = ["budget_price"]

_DOUBLINGS, _BISECTIONS = 200, 60


def budget_price(
    compiled: CompiledRanking,
    matrix: NDArray[np.float64],
    model: RewardModel,
    *,
    keys: Sequence[str],
    budget: float,
    context: DecisionContext | None = None,
) -> float:
    """Return the smallest price at which the slates of a table cost no more than the budget.

    Parameters
    ----------
    compiled, matrix, model, keys, context
        As in `churnkit.decisions.ranking.compiled.rank_rows`.
    budget
        Total expected cost of all slates, in money.

    Returns
    -------
    float
        The price: what one more unit of the budget would bring, net; 0 if all slates fit.

    Raises
    ------
    RecipeError
        If the budget is negative, the ranking has no `reward_value`, or the random slates alone
        cost more.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Ranking
    >>> from churnkit.decisions.ranking.compiled import compile_ranking
    >>> ranking = Ranking(
    ...     (Action("gift", "A gift", 5.0),), outcome="accepted", epsilon=0.0, reward_value=20.0
    ... )
    >>> compiled = compile_ranking(ranking, [Column("age", "number", ("feature",))])
    >>> class ByAge:
    ...     def sample(self, customers, options, option_features):
    ...         return customers[None, :, :] / 100.0
    >>> ages = np.array([[30.0], [60.0], [90.0]])
    >>> round(budget_price(compiled, ages, ByAge(), keys=["a", "b", "c"], budget=10.0), 6)
    0.2
    """
    ranking = compiled.ranking
    if ranking.reward_value is None:
        raise RecipeError(
            "ranking: a budget needs reward_value, the money that a reward of 1 brings: set it in "
            "Ranking(...)"
        )
    if not budget >= 0.0:
        raise RecipeError(f"the budget must be at least 0, got {budget:g}")
    excluded = table_exclusions(compiled.rules, matrix, context)
    fixed, choices = 0.0, []
    for chunk in eligible_chunks(compiled, matrix, excluded):
        values, explored = _chosen_values(compiled, matrix, model, chunk, keys)
        fixed += explored
        choices.append((values, chunk.cost))

    def total_cost(price: float) -> float:
        return fixed + sum(
            _slate_cost(values, cost, ranking.size, price) for values, cost in choices
        )

    if fixed > budget:
        raise RecipeError(
            f"the random slates alone cost {fixed:,.2f} of a budget of {budget:,.2f}: lower "
            "epsilon in Ranking(...), or raise the budget"
        )
    return _smallest_price(total_cost, budget)


def _smallest_price(total_cost: Callable[[float], float], budget: float) -> float:
    """Return the smallest price at which a falling cost is within the budget."""
    if total_cost(0.0) <= budget:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_DOUBLINGS):
        if total_cost(high) <= budget:
            break
        low, high = high, 2.0 * high
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if total_cost(middle) <= budget:
            high = middle
        else:
            low = middle
    return high


def _chosen_values(
    compiled: CompiledRanking,
    matrix: NDArray[np.float64],
    model: RewardModel,
    chunk: Chunk,
    keys: Sequence[str],
) -> tuple[NDArray[np.float64], float]:
    """Return the rewards in money that rank each customer's options, and the random slates' cost.

    Customers with a random slate have rewards of minus infinity.
    """
    ranking = compiled.ranking
    draws = model.sample(*compiled.model_inputs(matrix[chunk.rows], chunk.eligible))
    values = np.full(chunk.cost.shape, -np.inf)
    explored = 0.0
    for i, row in enumerate(chunk.rows.tolist()):
        choice = choose_draw(keys[row], len(draws), epsilon=ranking.epsilon, salt=ranking.salt)
        if choice.draw is None:
            shown = choice.permute(len(chunk.eligible))[: ranking.size]
            explored += float(chunk.cost[i, shown].sum())
        else:
            values[i] = (ranking.reward_value or 0.0) * draws[choice.draw, i]
    return values, explored


def _slate_cost(
    values: NDArray[np.float64], cost: NDArray[np.float64], size: int, price: float
) -> float:
    """Return the total cost of the slates at a price."""
    order = ranked_options(values - (1.0 + price) * cost, size, 0.0)
    shown = np.take_along_axis(cost, np.maximum(order, 0), axis=1)
    return float(shown[order >= 0].sum())

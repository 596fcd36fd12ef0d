"""The first state of a recipe's ranking: it knows the scale of its columns, and no option."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.bundle.parts.ranker import Ranker
from churnkit.decisions.ranking.compiled import compile_ranking

if TYPE_CHECKING:
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData

__all__ = ["first_ranker"]


def first_ranker(recipe: Recipe, data: TrainingData) -> Ranker | None:
    """Make the ranker of a recipe that ranks; None for others.

    Raises
    ------
    RecipeError
        If the ranking does not fit the contract.
    """
    ranking = recipe.ranking
    if ranking is None:
        return None
    from churnkit.models import LinearBandit

    compiled = compile_ranking(ranking, data.contract.encoded("recommend"))
    # What it learns from are features, and those come first in every encoded row.
    rows = data.train.X[:, list(compiled.indices)]
    bandit = LinearBandit.new(
        customer_features=len(compiled.indices),
        option_features=compiled.option_features.shape[1],
        categories=compiled.categories,
        seed=recipe.seed,
    )
    return Ranker(ranking, bandit.fit_scale(rows, compiled.option_features))

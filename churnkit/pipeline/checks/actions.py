"""Whether a recipe's actions fit its table: asked before anything is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData

__all__ = ["refuse_unfit_actions"]


def refuse_unfit_actions(recipe: Recipe, data: TrainingData) -> None:
    """Refuse a catalogue or a ranking that the contract or the recipe cannot serve.

    Raises
    ------
    RecipeError
        If a rule names what the contract has not, or value is counted by survival and no
        lifetime is told.
    """
    columns = data.contract.encoded("recommend")
    if recipe.ranking is not None:
        compile_ranking(recipe.ranking, columns)
    if recipe.catalogue is None:
        return
    compile_catalogue(recipe.catalogue, columns)
    if recipe.catalogue.survival and recipe.lifetime is None:
        raise RecipeError(
            "the catalogue counts value by survival, which a hazard tells: say where the table "
            "tells how long customers stayed, Recipe(lifetime=Lifetime(...)), or leave survival "
            "out"
        )

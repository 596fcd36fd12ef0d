"""Check that a recipe's actions fit its contract, before a model is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.contracts.contract import Contract
    from churnkit.pipeline.recipe import Recipe

__all__ = ["refuse_invalid_actions"]


def refuse_invalid_actions(recipe: Recipe, contract: Contract) -> None:
    """Refuse a catalogue or ranking that does not fit the contract or the recipe.

    Raises
    ------
    RecipeError
        If a rule names a missing column, value depends on survival without a lifetime, or an
        action prevents causes that the schema does not declare.
    """
    columns = contract.encoded("recommend")
    if recipe.ranking is not None:
        compile_ranking(recipe.ranking, columns)
    if recipe.catalogue is None:
        return
    compile_catalogue(recipe.catalogue, columns)
    if recipe.catalogue.survival and recipe.lifetime is None:
        raise RecipeError(
            "the catalogue has survival=True, which needs a hazard model: add "
            "lifetime=Lifetime(...) to the recipe, or set survival=False"
        )
    limited = [action.name for action in recipe.catalogue.actions if action.prevents]
    if limited and contract.cause is None:
        raise RecipeError(
            f"action '{limited[0]}' prevents some causes of churn only, but the schema has no cause: "
            "declare its column with cause(), or remove prevents"
        )

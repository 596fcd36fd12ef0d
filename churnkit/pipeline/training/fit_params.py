"""What a recipe and its table say about fitting: weights, groups, moments, signs, the search."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import one_array
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData

__all__ = ["keep_trials", "monotone_signs", "rows_settings"]

_FEWEST_MOMENTS = 3


def monotone_signs(
    recipe: Recipe, contract: Contract, settings: Mapping[str, Any]
) -> tuple[int, ...]:
    """Return 1, -1 or 0 for each feature, as the recipe names them.

    Parameters
    ----------
    recipe
        With its `monotone`.
    contract
        Whose features are meant.
    settings
        The model's own, which tell whether it can promise such a thing.

    Raises
    ------
    RecipeError
        A column is no feature or is a category, a sign is neither 1 nor -1, or the model cannot
        promise it.
    """
    if "monotone_constraints" not in settings:
        raise RecipeError(
            f"recipe '{recipe.name}': its model cannot be held to monotone columns: "
            "use ChurnClassifier or LightGBMTrees"
        )
    names = [column.name for column in contract.features]
    held = {column.name for column in contract.features if column.is_category}
    for name, sign in recipe.monotone.items():
        if name not in names:
            raise RecipeError(f"recipe '{recipe.name}': monotone names {name}, which is no feature")
        if name in held:
            raise RecipeError(
                f"recipe '{recipe.name}': monotone names {name}, a category, which has no order"
            )
        if sign not in {1, -1}:
            raise RecipeError(
                f"recipe '{recipe.name}': monotone gives {name} a sign that is neither 1 (churn "
                "may only rise with it) nor -1 (only fall)"
            )
    return tuple(int(recipe.monotone.get(name, 0)) for name in names)


def rows_settings(
    model: Any, data: TrainingData, *, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return what `fit` takes beside rows and labels, as far as the model knows it.

    Where customers have several rows, what each row counts and which belong together; where
    the table has three moments or more, the moments, so that a contest goes forward in time.
    """
    given: dict[str, Any] = {"progress": progress}
    train = data.train
    if train.weight is not None:
        given |= {"sample_weight": train.weight, "groups": train.customers}
    as_of = data.contract.as_of
    if as_of is not None and as_of.name in train.table.column_names:
        moments = _numbered(train.table[as_of.name])
        if len(np.unique(moments)) >= _FEWEST_MOMENTS:
            given["times"] = moments
    known = inspect.signature(model.fit).parameters
    return {name: value for name, value in given.items() if name in known}


def keep_trials(model: Any, store: Path) -> None:
    """Let a search of settings keep its trials in the project's store, if it has no place yet."""
    tuning = model.get_params().get("tuning")
    if tuning is not None and tuning.storage is None:
        store.mkdir(parents=True, exist_ok=True)
        model.set_params(tuning=replace(tuning, storage=f"sqlite:///{store / 'tuning.db'}"))


def _numbered(column: pa.ChunkedArray) -> NDArray[np.intp]:
    """Return each value's place among the distinct ones, in ascending order, (n,)."""
    import pyarrow.compute as pc

    place = pc.rank(one_array(column), sort_keys="ascending", tiebreaker="dense")
    return np.asarray(place).astype(np.intp)

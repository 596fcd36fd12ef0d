"""Parameters of a fit that come from the recipe and the table."""

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
    from churnkit.pipeline.training.data.dataset import Part

__all__ = ["fit_arguments", "monotone_signs", "store_trials"]

# With fewer distinct dates candidates are compared by customer, not forward in time.
_MIN_DATES = 3


def monotone_signs(
    recipe: Recipe, contract: Contract, settings: Mapping[str, Any]
) -> tuple[int, ...]:
    """Return the recipe's monotone constraint of each feature: 1, -1 or 0.

    Raises
    ------
    RecipeError
        If a column is not a numeric feature, a sign is neither 1 nor -1, or the model does not
        support constraints.
    """
    prefix = f"recipe '{recipe.name}': monotone"
    if "monotone_constraints" not in settings:
        raise RecipeError(
            f"{prefix} is not supported by its model: use ChurnClassifier or LightGBMTrees"
        )
    features = {column.name: column for column in contract.features}
    for name, sign in recipe.monotone.items():
        if name not in features:
            raise RecipeError(f"{prefix} names '{name}', which is not a feature")
        if features[name].is_category:
            raise RecipeError(f"{prefix} names '{name}', a category, which has no order")
        if sign not in {1, -1}:
            raise RecipeError(
                f"{prefix} must be 1 (churn rises with '{name}') or -1 (churn falls), got {sign}"
            )
    return tuple(int(recipe.monotone.get(name, 0)) for name in features)


def fit_arguments(
    model: Any,
    contract: Contract,
    train: Part,
    *,
    later_fits: float = 0.0,
    later_comparisons: int = 0,
    progress: Callable[[str], None] | None,
) -> dict[str, Any]:
    """Return the arguments of `fit` besides rows and labels that the model accepts.

    Where customers have several rows: sample weights and groups. Where the table has at least
    three dates: the times, so that candidates are compared forward in time.
    """
    arguments: dict[str, Any] = {
        "progress": progress,
        "later_fits": later_fits,
        "later_comparisons": later_comparisons,
    }
    if train.weight is not None:
        arguments |= {"sample_weight": train.weight, "groups": train.customers}
    as_of = contract.as_of
    if as_of is not None and as_of.name in train.table.column_names:
        times = _dense_ranks(train.table[as_of.name])
        if len(np.unique(times)) >= _MIN_DATES:
            arguments["times"] = times
    accepted = inspect.signature(model.fit).parameters
    return {name: value for name, value in arguments.items() if name in accepted}


def store_trials(model: Any, store: Path) -> None:
    """Keep the trials of a hyperparameter search in the project's store, unless it has its own."""
    tuning = model.get_params().get("tuning")
    if tuning is not None and tuning.storage is None:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        model.set_params(tuning=replace(tuning, storage=f"sqlite:///{store / 'tuning.db'}"))


def _dense_ranks(column: pa.ChunkedArray) -> NDArray[np.intp]:
    """Rank values in ascending order, without gaps, shape (n,)."""
    import pyarrow.compute as pc

    ranks = pc.rank(one_array(column), sort_keys="ascending", tiebreaker="dense")
    return np.asarray(ranks).astype(np.intp)

"""Folds in which every customer is tested by a model fitted without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.pipeline.recipe import Recipe

__all__ = ["number_folds"]

# With more rows the first fold alone gives narrow intervals, and each further one costs a fit.
_MAX_ROWS = 100_000
# From this many dates on, candidates are compared forward in time.
_FORWARD_DATES = 3


def number_folds(
    recipe: Recipe, contract: Contract, table: pa.Table, customers: Sequence[str]
) -> NDArray[np.intp] | None:
    """Return the number of each row's test fold, shape (n,); None to hold out fold 0 only.

    One fold is held out where time, the model or the size of the table require it: the test or
    the comparison of candidates is forward in time; the settings are searched (`Tuning`) or
    compared on folds of the caller, which the folds of the test would have to be nested in; or
    the table has more than 100,000 rows.
    """
    if len(customers) > _MAX_ROWS or _is_forward(recipe, contract, table):
        return None
    settings = recipe.model.get_params(deep=False) if hasattr(recipe.model, "get_params") else {}
    if settings.get("tuning") is not None or not isinstance(settings.get("cv", 5), int):
        return None
    return recipe.split.folds(customers)


def _is_forward(recipe: Recipe, contract: Contract, table: pa.Table) -> bool:
    if recipe.timeline is not None and recipe.split.dates != 0:
        return True
    as_of = contract.as_of
    if as_of is None or as_of.name not in table.column_names:
        return False
    return len(table[as_of.name].unique()) >= _FORWARD_DATES

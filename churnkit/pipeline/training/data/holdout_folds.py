"""Folds in which every customer is tested by a model fitted without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.evaluation.classification.repeated_rows import count_rarer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.pipeline.recipe import Recipe

__all__ = ["TestRows", "is_tested_forward", "split_rows"]

# With more rows the first fold alone gives narrow intervals, and each further one costs a fit.
_MAX_ROWS = 100_000
# From this many dates on, candidates are compared forward in time.
_FORWARD_DATES = 3
# Where each fold costs a comparison of candidates, one is enough with the number of churners that
# is advised for a validation.
_ENOUGH_CHURNERS = 100


@dataclass(frozen=True)
class TestRows:
    """Rows of training and test, and the folds in which every customer is tested.

    Parameters
    ----------
    train, test
        Masks of the training rows, and of the rows of the first fold that are tested, shape (n,).
    folds
        Fold of each row's customer, shape (n,); None if only the first is tested.
    is_learned, is_tested
        Masks of the rows that models are fitted to, and tested on, whatever their fold, shape (n,).
    is_reselected
        True if each fold selects its settings on its own training rows, because candidates are
        compared forward in time.
    """

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    folds: NDArray[np.intp] | None
    is_learned: NDArray[np.bool_]
    is_tested: NDArray[np.bool_]
    is_reselected: bool = False

    def later_folds(self) -> list[NDArray[np.bool_]]:
        """Return the training rows of each fold after the first, if it selects its settings."""
        if self.folds is None or not self.is_reselected:
            return []
        numbers = np.unique(self.folds[self.is_tested]).tolist()
        return [self.is_learned & (self.folds != number) for number in numbers if number]


def split_rows(
    recipe: Recipe,
    contract: Contract,
    table: pa.Table,
    customers: Sequence[str],
    left: NDArray[np.int8],
) -> TestRows:
    """Split rows by customer, with a timeline forward in time, and number the test folds.

    One fold is tested where the model or the size of the table require it: the settings are
    searched (`Tuning`) or compared on folds of the caller, which the folds of the test would have
    to be nested in; or the table has more than 100,000 rows. So it is where candidates are
    compared forward in time, and the first fold has 100 customers of either outcome.

    Parameters
    ----------
    recipe, contract, table
        The recipe, its contract and its rows.
    customers
        Customer of each row, n in all.
    left
        1 for customers who churned, shape (n,).
    """
    held_out = recipe.split.is_test(customers)
    folds = recipe.split.folds(customers) if _may_cross(recipe, len(customers)) else None
    all_rows = np.ones(len(customers), dtype=np.bool_)
    # Numbers in place of ids: a customer with several rows counts once.
    codes: NDArray[Any] = pa.array(customers).dictionary_encode().indices.to_numpy()
    timeline = recipe.timeline
    if timeline is None or timeline.label is None or not is_tested_forward(recipe):
        sides = TestRows(~held_out, held_out, folds, all_rows, all_rows)
    else:
        dates: NDArray[np.datetime64] = np.asarray(table[timeline.as_of].cast("timestamp[us]"))
        mature_days = timeline.label.mature_days
        train, test = recipe.split.sides(
            held_out, dates, left=left, mature_days=mature_days, customers=codes
        )
        if folds is not None and not _is_enough(left[test], codes[test]):
            train, test = recipe.split.sides(
                held_out,
                dates,
                left=left,
                mature_days=mature_days,
                customers=codes,
                is_crossed=True,
            )
        first = dates[test].min() if test.any() else dates.max()
        is_learned = dates + np.timedelta64(mature_days, "D") <= first
        sides = TestRows(train, test, folds, is_learned, dates >= first)
    if folds is None or not sides.test.any():
        return replace(sides, folds=None)
    if not _is_forward(recipe, contract, table):
        return sides
    folds = None if _is_enough(left[sides.test], codes[sides.test]) else folds
    return replace(sides, folds=folds, is_reselected=True)


def is_tested_forward(recipe: Recipe) -> bool:
    """Return True if the tested rows are later than the training rows."""
    timeline = recipe.timeline
    return timeline is not None and timeline.label is not None and recipe.split.dates != 0


def _may_cross(recipe: Recipe, rows: int) -> bool:
    if rows > _MAX_ROWS:
        return False
    settings = recipe.model.get_params(deep=False) if hasattr(recipe.model, "get_params") else {}
    return settings.get("tuning") is None and isinstance(settings.get("cv", 5), int)


def _is_enough(left: NDArray[np.int8], customers: NDArray[Any]) -> bool:
    return count_rarer(left, customers) >= _ENOUGH_CHURNERS


def _is_forward(recipe: Recipe, contract: Contract, table: pa.Table) -> bool:
    if recipe.timeline is not None and recipe.split.dates != 0:
        return True
    as_of = contract.as_of
    if as_of is None or as_of.name not in table.column_names:
        return False
    return len(table[as_of.name].unique()) >= _FORWARD_DATES

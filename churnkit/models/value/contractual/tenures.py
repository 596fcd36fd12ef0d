"""Checked contract durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase.purchase_history import MIN_CUSTOMERS, check_column, check_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Tenures", "aggregate_tenures", "cohort_tenures", "read_tenures"]


class Tenures(NamedTuple):
    """Contract durations of customers, or of groups of customers with equal durations.

    Parameters
    ----------
    duration : (n,) periods
    churned : (n,) whether the customer left
    entry : (n,) periods completed before the observation began
    weight : (n,) number of customers
    covariates : (n, k) covariates of the customers
    """

    duration: NDArray[np.float64]
    churned: NDArray[np.bool_]
    entry: NDArray[np.float64]
    weight: NDArray[np.float64]
    covariates: NDArray[np.float64]


def read_tenures(
    duration: ArrayLike,
    churned: ArrayLike,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Tenures:
    """Check durations, one row per customer.

    Raises
    ------
    ModelDataError
        A column is invalid.

    Examples
    --------
    >>> read_tenures([1, 4], [True, False]).weight
    array([1., 1.])
    """
    periods = _check_integers(duration, "duration")
    size = len(periods)
    flags = check_column(churned, "churned", size=size)
    check_rows((flags != 0) & (flags != 1), "churned is neither 0 nor 1 in {} rows")
    left = flags == 1
    entries = _check_integers(0.0 if entry is None else entry, "entry", size=size)
    weight = check_column(
        1.0 if sample_weight is None else sample_weight, "sample_weight", size=size
    )
    check_rows(
        left & (periods == 0),
        "duration is 0 in {} churned rows: the first renewal is period 1; add 1 to durations that "
        "count completed periods",
    )
    check_rows(
        entries > periods - left,
        "entry exceeds the completed periods in {} rows: it counts the periods before the "
        "observation began",
    )
    return Tenures(periods, left, entries, weight, np.empty((size, 0)))


def aggregate_tenures(tenures: Tenures) -> Tenures:
    """Aggregate customers with equal durations and covariates.

    Raises
    ------
    ModelDataError
        The rows do not identify a model.

    Examples
    --------
    >>> aggregate_tenures(read_tenures([1] * 6 + [4] * 6, [True] * 6 + [False] * 6)).weight
    array([6., 6.])
    """
    columns = [tenures.duration, tenures.churned, tenures.entry, tenures.covariates]
    cells, inverse = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    total = np.bincount(inverse.ravel(), weights=tenures.weight, minlength=len(cells))
    return _check_identified(
        Tenures(
            cells[:, 0],
            cells[:, 1].astype(bool),
            cells[:, 2],
            total.astype(np.float64),
            cells[:, 3:],
        )
    )


def cohort_tenures(survivors: ArrayLike) -> Tenures:
    """Convert the survivors of one cohort by period into durations.

    Raises
    ------
    ModelDataError
        The numbers increase, or there are fewer than three.

    Examples
    --------
    >>> cohort_tenures([100, 80, 70]).weight
    array([20., 10., 70.])
    """
    left = check_column(survivors, "survivors")
    if len(left) < 3:
        raise ModelDataError(
            f"survivors needs at least 3 numbers, got {len(left)}: the cohort's size and the "
            "customers left after two or more periods"
        )
    lost = -np.diff(left)
    check_rows(
        lost < 0,
        "survivors increases {} times: count one cohort, without customers who joined later",
    )
    last = len(left) - 1
    duration = np.r_[np.arange(1.0, last + 1), float(last)]
    churned = np.r_[np.ones(last, dtype=bool), False]
    weight, nothing = np.r_[lost, left[-1]], np.empty((last + 1, 0))
    return _check_identified(Tenures(duration, churned, np.zeros(last + 1), weight, nothing))


def _check_integers(
    values: ArrayLike, name: str, *, size: int | None = None
) -> NDArray[np.float64]:
    column = check_column(values, name, size=size)
    check_rows(np.mod(column, 1.0) != 0, name + " is not an integer in {} rows: count periods")
    return column


def _check_identified(cells: Tenures) -> Tenures:
    kept = cells.weight > 0
    cells = Tenures(
        cells.duration[kept],
        cells.churned[kept],
        cells.entry[kept],
        cells.weight[kept],
        cells.covariates[kept],
    )
    total = cells.weight.sum()
    if total < MIN_CUSTOMERS:
        raise ModelDataError(
            f"{total:g} customers are too few to fit: at least {MIN_CUSTOMERS} are required; "
            "survivors are counts, or percent of 100"
        )
    if not cells.churned.any():
        raise ModelDataError("no customer churned: use a longer history")
    if cells.churned.all() and np.ptp(cells.duration) == 0:
        raise ModelDataError("all customers churned at the same renewal: add other cohorts")
    if cells.duration.max() < 2:
        raise ModelDataError(
            "no customer was observed for two periods: one renewal does not determine how "
            "retention changes"
        )
    return cells

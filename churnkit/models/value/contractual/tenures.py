"""How long customers stayed under contract, as models read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase_history import MIN_CUSTOMERS, check_column

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Tenures", "cohort_tenures", "read_tenures"]


class Tenures(NamedTuple):
    """Cells of customers: whole periods, whether they left, when they were first seen."""

    duration: NDArray[np.float64]
    churned: NDArray[np.bool_]
    entry: NDArray[np.float64]
    weight: NDArray[np.float64]


def read_tenures(
    duration: ArrayLike,
    churned: ArrayLike,
    entry: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Tenures:
    """Check tenures, one row a customer, and count equal ones once.

    Raises
    ------
    ModelDataError
        A column does not fit, or there is nothing to learn from; the message says why.

    Examples
    --------
    >>> read_tenures([1] * 6 + [4] * 6, [True] * 6 + [False] * 6).weight
    array([6., 6.])
    """
    periods = _whole(duration, "duration")
    size = len(periods)
    flags = check_column(churned, "churned", size=size)
    if np.count_nonzero((flags != 0) & (flags != 1)):
        raise ModelDataError("churned must hold true or false, 1 or 0")
    left = flags == 1
    seen = _whole(0.0 if entry is None else entry, "entry", size=size)
    weight = check_column(
        1.0 if sample_weight is None else sample_weight, "sample_weight", size=size
    )
    never = int(np.count_nonzero(left & (periods == 0)))
    if never:
        raise ModelDataError(
            f"duration is 0 in {never} rows that left: the first chance to leave is 1; add 1 to "
            "durations that count completed periods"
        )
    late = int(np.count_nonzero(seen > periods - left))
    if late:
        raise ModelDataError(
            f"entry is above the periods completed in {late} rows: it counts those before the "
            "customer came under observation"
        )
    stacked, place = np.unique(np.column_stack([periods, left, seen]), axis=0, return_inverse=True)
    counted = np.bincount(place.ravel(), weights=weight, minlength=len(stacked)).astype(np.float64)
    return _informative(Tenures(stacked[:, 0], stacked[:, 1].astype(bool), stacked[:, 2], counted))


def cohort_tenures(survivors: ArrayLike) -> Tenures:
    """Turn the survivors of one cohort, period by period, into tenures.

    Raises
    ------
    ModelDataError
        The numbers rise, or there are fewer than three of them.

    Examples
    --------
    >>> cohort_tenures([100, 80, 70]).weight
    array([20., 10., 70.])
    """
    left = check_column(survivors, "survivors")
    if len(left) < 3:
        raise ModelDataError(
            f"survivors has {len(left)} numbers: give the cohort's size and what was left of it "
            "after at least two periods"
        )
    lost = -np.diff(left)
    rising = int(np.count_nonzero(lost < 0))
    if rising:
        raise ModelDataError(
            f"survivors rises {rising} times: count one cohort, without customers who joined later"
        )
    last = len(left) - 1
    duration = np.r_[np.arange(1.0, last + 1), float(last)]
    churned = np.r_[np.ones(last, dtype=bool), False]
    return _informative(Tenures(duration, churned, np.zeros(last + 1), np.r_[lost, left[-1]]))


def _whole(values: ArrayLike, name: str, *, size: int | None = None) -> NDArray[np.float64]:
    column = check_column(values, name, size=size)
    fractions = int(np.count_nonzero(np.mod(column, 1.0)))
    if fractions:
        raise ModelDataError(f"{name} is no whole number in {fractions} rows: count whole periods")
    return column


def _informative(cells: Tenures) -> Tenures:
    kept = cells.weight > 0
    cells = Tenures(
        cells.duration[kept], cells.churned[kept], cells.entry[kept], cells.weight[kept]
    )
    total = cells.weight.sum()
    if total < MIN_CUSTOMERS:
        raise ModelDataError(
            f"{total:g} customers are too few to fit: give at least {MIN_CUSTOMERS}; survivors "
            "are counts, or percent of 100"
        )
    if not cells.churned.any():
        raise ModelDataError("nobody left: there is no chance to learn; take a longer history")
    if cells.churned.all() and np.ptp(cells.duration) == 0:
        raise ModelDataError(
            "everybody left at the same renewal: there is no law to learn; take other cohorts too"
        )
    if cells.duration.max() < 2:
        raise ModelDataError(
            "nobody was observed for two periods: one renewal cannot tell how retention changes"
        )
    return cells

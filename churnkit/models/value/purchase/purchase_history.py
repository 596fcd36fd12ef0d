"""Checked purchase histories, with equal customers aggregated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PurchaseHistories",
    "aggregate_histories",
    "check_column",
    "check_rows",
    "read_histories",
]

MIN_CUSTOMERS = 10


class PurchaseHistories(NamedTuple):
    """Purchase histories of customers, or of groups of customers with equal histories.

    Parameters
    ----------
    frequency : (n,) number of repeat purchases
    recency : (n,) time from the first purchase to the last
    T : (n,) time from the first purchase to the end of observation
    weight : (n,) number of customers with this history
    covariates : (n, k) covariates of the customers
    """

    frequency: NDArray[np.float64]
    recency: NDArray[np.float64]
    T: NDArray[np.float64]
    weight: NDArray[np.float64]
    covariates: NDArray[np.float64]

    def rescale(self, unit: float) -> Self:
        """Return the same histories with times in another unit."""
        return self._replace(recency=self.recency / unit, T=self.T / unit)


def check_column(values: ArrayLike, name: str, *, size: int | None = None) -> NDArray[np.float64]:
    """Return a column of finite, nonnegative numbers; a scalar is repeated `size` times.

    Raises
    ------
    ModelDataError
        It is not one-dimensional, not numeric, of another length, or has missing, infinite or
        negative values.

    Examples
    --------
    >>> check_column([0, 2], "frequency")
    array([0., 2.])
    """
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelDataError(f"{name} is not numeric") from error
    if column.ndim == 0 and size is not None:
        column = np.full(size, float(column))
    if column.ndim != 1:
        raise ModelDataError(f"{name} has {column.ndim} dimensions: pass one number per customer")
    if size is not None and len(column) != size:
        raise ModelDataError(f"{name} must have {size} rows, got {len(column)}")
    check_rows(~np.isfinite(column), name + " is missing or infinite in {} rows: drop them")
    check_rows(
        column < 0,
        name + " is negative in {} rows: count purchases, and measure times from each customer's "
        "first purchase",
    )
    return column


def read_histories(
    frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, sample_weight: ArrayLike | None = None
) -> PurchaseHistories:
    """Check purchase histories, one row per customer.

    Raises
    ------
    ModelDataError
        A column is invalid.

    Examples
    --------
    >>> read_histories([2, 0], [30.4, 0.0], [38.9, 38.9]).weight
    array([1., 1.])
    """
    counts = check_column(frequency, "frequency")
    size = len(counts)
    times = check_column(recency, "recency", size=size)
    ends = check_column(T, "T", size=size)
    weights = 1.0 if sample_weight is None else sample_weight
    weight = check_column(weights, "sample_weight", size=size)
    check_rows(
        np.mod(counts, 1.0) != 0,
        "frequency is not an integer in {} rows: count the purchases after the first",
    )
    check_rows(
        times > ends,
        "recency exceeds T in {} rows: both are measured from the first purchase, T to the end of "
        "observation",
    )
    check_rows(
        (counts == 0) & (times > 0),
        "recency is above 0 with frequency 0 in {} rows: without a repeat purchase it must be 0",
    )
    check_rows(
        (counts > 0) & (times == 0),
        "recency is 0 with frequency above 0 in {} rows: merge purchases at the same time, as "
        "summarize does",
    )
    return PurchaseHistories(counts, times, ends, weight, np.empty((size, 0)))


def aggregate_histories(histories: PurchaseHistories) -> PurchaseHistories:
    """Aggregate customers with equal histories.

    Raises
    ------
    ModelDataError
        There are too few customers, no repeat purchases, or no time under observation.
    """
    total = histories.weight.sum()
    if total < MIN_CUSTOMERS:
        raise ModelDataError(
            f"{total:g} customers are too few to fit a purchase model: at least "
            f"{MIN_CUSTOMERS} are required, several hundred recommended"
        )
    if not histories.T.max() > 0:
        raise ModelDataError(
            "T is 0 for every customer: use customers with an earlier first purchase"
        )
    if not (histories.weight * histories.frequency).max() > 0:
        raise ModelDataError(
            "frequency is 0 for every customer: use a longer history, or customers with an earlier "
            "first purchase"
        )
    stacked = np.column_stack(
        [histories.frequency, histories.recency, histories.T, histories.covariates]
    )
    order = np.lexsort(stacked.T)
    ordered = stacked[order]
    first = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    weight = np.add.reduceat(histories.weight[order], np.flatnonzero(first))
    kept = ordered[first][weight > 0]
    return PurchaseHistories(kept[:, 0], kept[:, 1], kept[:, 2], weight[weight > 0], kept[:, 3:])


def check_rows(invalid: ArrayLike, message: str) -> None:
    """Raise ModelDataError if any row is invalid, with the count in place of ``{}``.

    Examples
    --------
    >>> check_rows(np.array([False]), "spend is negative in {} rows")
    """
    count = int(np.count_nonzero(invalid))
    if count:
        raise ModelDataError(message.format(count))

"""Purchase histories as models read them: checked, and equal customers counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Histories", "aggregate_histories", "check_column", "read_histories"]

MIN_CUSTOMERS = 10


class Histories(NamedTuple):
    """Histories of customers, or of cells of equal customers.

    Parameters
    ----------
    frequency : (n,) repeat purchases
    recency : (n,) from the first purchase to the last
    T : (n,) from the first purchase to the end of observation
    weight : (n,) how many customers have this history
    """

    frequency: NDArray[np.float64]
    recency: NDArray[np.float64]
    T: NDArray[np.float64]
    weight: NDArray[np.float64]

    def over(self, unit: float) -> Self:
        """Return the same histories with times measured in another unit."""
        return self._replace(recency=self.recency / unit, T=self.T / unit)


def check_column(values: ArrayLike, name: str, *, size: int | None = None) -> NDArray[np.float64]:
    """Return a column of finite numbers that are not negative.

    Raises
    ------
    ModelDataError
        It is not one-dimensional, not numeric, of another length, or holds missing, infinite
        or negative numbers; the message says how many.

    Examples
    --------
    >>> check_column([0, 2], "frequency")
    array([0., 2.])
    """
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelDataError(f"{name} is not numeric: give whole or decimal numbers") from error
    if column.ndim == 0 and size is not None:
        column = np.full(size, float(column))
    if column.ndim != 1:
        raise ModelDataError(f"{name} has {column.ndim} dimensions: give one number a customer")
    if size is not None and len(column) != size:
        raise ModelDataError(f"{name} has {len(column)} rows where {size} are expected")
    if len(column) and not (column.min() >= 0 and column.max() < np.inf):
        lost = int(np.count_nonzero(~np.isfinite(column)))
        if lost:
            raise ModelDataError(f"{name} is missing or infinite in {lost} rows: leave them out")
        raise ModelDataError(
            f"{name} is negative in {int(np.count_nonzero(column < 0))} rows: count purchases, "
            "and measure times from each customer's first purchase"
        )
    return column


def read_histories(
    frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, sample_weight: ArrayLike | None = None
) -> Histories:
    """Check histories, one row a customer.

    Raises
    ------
    ModelDataError
        A column does not fit; the message names the column, the rule, the count and the mend.

    Examples
    --------
    >>> read_histories([2, 0], [30.4, 0.0], [38.9, 38.9]).weight
    array([1., 1.])
    """
    counts = check_column(frequency, "frequency")
    size = len(counts)
    times = check_column(recency, "recency", size=size)
    ends = check_column(T, "T", size=size)
    weight = np.ones(size) if sample_weight is None else None
    if weight is None:
        weight = check_column(sample_weight, "sample_weight", size=size)  # type: ignore[arg-type]
    _refuse(
        np.mod(counts, 1.0) != 0,
        "frequency is no whole number in {} rows: count the purchases after the first",
    )
    _refuse(
        times > ends,
        "recency is above T in {} rows: both count from the first purchase, and T to the end of "
        "observation",
    )
    _refuse(
        (counts == 0) & (times > 0),
        "recency is above 0 where frequency is 0 in {} rows: without a repeat purchase it is 0",
    )
    _refuse(
        (counts > 0) & (times == 0),
        "recency is 0 where frequency is above 0 in {} rows: collapse purchases of the same "
        "moment into one, as summarize does",
    )
    return Histories(counts, times, ends, weight)


def aggregate_histories(histories: Histories) -> Histories:
    """Count equal customers once, for fitting.

    Raises
    ------
    ModelDataError
        There are too few customers, nobody bought again, or nobody was observed.
    """
    total = histories.weight.sum()
    if total < MIN_CUSTOMERS:
        raise ModelDataError(
            f"{total:g} customers are too few to fit a purchase model: give at least "
            f"{MIN_CUSTOMERS}, better some hundred"
        )
    if not histories.T.max() > 0:
        raise ModelDataError("T is 0 for every customer: observe them after their first purchase")
    if not (histories.weight * histories.frequency).max() > 0:
        raise ModelDataError(
            "frequency is 0 for every customer: nobody bought again, so there is no rate to learn. "
            "Take a longer history, or customers who came earlier"
        )
    stacked = np.column_stack([histories.frequency, histories.recency, histories.T])
    order = np.lexsort(stacked.T)
    ordered = stacked[order]
    first = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    weight = np.add.reduceat(histories.weight[order], np.flatnonzero(first))
    kept = ordered[first][weight > 0]
    return Histories(kept[:, 0], kept[:, 1], kept[:, 2], weight[weight > 0])


def _refuse(broken: NDArray[np.bool_], message: str) -> None:
    count = int(np.count_nonzero(broken))
    if count:
        raise ModelDataError(message.format(count))

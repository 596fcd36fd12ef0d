"""Customers with several rows: how many they are, and how many independent rows they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_customers", "count_rarer", "effective_size", "sum_variance"]


def count_customers(rows: NDArray[np.bool_], customers: NDArray[Any] | None) -> int:
    """Return the number of distinct customers in some of the rows; of these rows if None is given."""
    return int(rows.sum() if customers is None else len(np.unique(customers[rows])))


def count_rarer(y: NDArray[Any], customers: NDArray[Any] | None) -> int:
    """Return the number of distinct customers who churned, or who stayed, whichever is smaller.

    Examples
    --------
    >>> y = np.array([1, 1, 1, 0, 0])
    >>> count_rarer(y, None), count_rarer(y, np.array([7, 7, 7, 8, 9]))
    (2, 1)
    """
    return min(count_customers(y == outcome, customers) for outcome in (0, 1))


def sum_variance(rows: NDArray[np.float64], customers: NDArray[np.intp] | None) -> float:
    """Return the variance of a sum of centered rows, of which those of a customer are dependent.

    Parameters
    ----------
    rows : (n,) deviations from their mean
    customers : (n,) codes of the customers from 0; None if each has one row

    References
    ----------
    Liang, Zeger (1986), Biometrika 73, doi:10.1093/biomet/73.1.13.

    Examples
    --------
    >>> rows = np.array([1.0, 1.0, -1.0, -1.0])
    >>> sum_variance(rows, None), sum_variance(rows, np.array([0, 0, 1, 1]))
    (5.333333333333333, 16.0)
    """
    sums = rows
    if customers is not None:
        sums = np.bincount(customers, rows).astype(np.float64)[np.bincount(customers) > 0]
    count = len(sums)
    return float((sums**2).sum()) * count / max(count - 1, 1)


def effective_size(
    values: NDArray[np.float64],
    customers: NDArray[np.intp],
    weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the number of independent rows whose mean is as certain as that of these.

    Parameters
    ----------
    values : (n,) numbers whose mean is taken
    customers : (n,) codes of the customers from 0
    weight : (n,) weights of the rows

    Returns
    -------
    float
        At most n. If all values are equal, the number of customers, less for unequal weights.

    References
    ----------
    Kish (1965), Survey Sampling, section 8.2 (design effect).

    Examples
    --------
    >>> several = np.repeat(np.arange(50), 4)
    >>> effective_size((several % 2).astype(float), several)
    49.0
    """
    weights = np.ones(len(values)) if weight is None else weight
    total = float(weights.sum())
    centered = values - float(weights @ values) / total
    spread = float(weights @ centered**2) / total
    if spread <= 0:
        shares = np.bincount(customers, weights)
        return float(total**2 / (shares**2).sum())
    return min(spread * total**2 / sum_variance(weights * centered, customers), len(values))

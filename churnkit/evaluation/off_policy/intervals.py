"""Intervals of policy values: bootstrap over customers, and a finite-sample bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.estimators import EstimatorTerms

__all__ = ["bootstrap_values", "central", "empirical_bernstein"]


def empirical_bernstein(
    rows: NDArray[np.float64], *, low: float, high: float, level: float = 0.95
) -> Interval:
    """Return an interval of a mean that is valid for any number of rows.

    ``mean +- (sqrt(2 var log(4 / d) / n) + 7 (high - low) log(4 / d) / (3 (n - 1)))`` with
    ``d = 1 - level``: each side by Theorem 4 with ``d / 2``.

    Parameters
    ----------
    rows : (n,) independent values
    low, high
        Bounds of the values.
    level
        Confidence level.

    Returns
    -------
    Interval

    References
    ----------
    Maurer, Pontil (2009), COLT, arXiv:0907.3740.

    Examples
    --------
    >>> print(empirical_bernstein(np.array([0.0, 1.0] * 5000), low=0.0, high=1.0))
    0.500 (0.484 to 0.516)
    """
    count = len(rows)
    mean = float(rows.mean())
    if count < 2:
        return Interval(mean, low, high)
    log = float(np.log(4 / (1 - level)))
    reach = np.sqrt(2 * float(rows.var(ddof=1)) * log / count)
    reach += 7 * (high - low) * log / (3 * (count - 1))
    return Interval(mean, max(low, mean - reach), min(high, mean + reach))


def bootstrap_values(
    estimators: Sequence[EstimatorTerms],
    *,
    customer: NDArray[np.intp] | None,
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return each estimator's value on the same resamples of customers.

    Parameters
    ----------
    estimators
        Estimators on the same rows.
    customer : (n,) codes; None if each row is a different customer
    resamples
        Number of resamples.
    seed
        The same seed gives the same values.

    Returns
    -------
    (estimators, resamples)
    """
    if resamples < 2:
        raise EvaluationError(f"resamples must be at least 2, got {resamples}")
    rows = len(estimators[0].terms[0].numerator)
    sums: list[NDArray[np.float64]] = []
    for estimator in estimators:
        for term in estimator.terms:
            ones = np.ones(rows) if term.denominator is None else term.denominator
            sums += [term.numerator, ones]
    table = _by_customer(np.stack(sums, axis=1), customer)
    values = np.zeros((len(estimators), resamples))
    for at, counts in enumerate(_counts(len(table), resamples, seed)):
        totals = counts @ table
        column = 0
        for which, estimator in enumerate(estimators):
            for _ in estimator.terms:
                below = totals[column + 1]
                values[which, at] += totals[column] / below if below > 0 else 0.0
                column += 2
    return values


def central(value: float, values: NDArray[np.float64], *, level: float) -> Interval:
    """Return a value with the central part of its resampled values.

    Examples
    --------
    >>> central(1.0, np.array([0.9, 1.0, 1.1]), level=0.95)
    Interval(value=1.0, low=0.905, high=1.095)
    """
    tail = (1 - level) / 2
    low, high = (float(edge) for edge in np.quantile(values, [tail, 1 - tail]))
    return Interval(value, low, high)


def _by_customer(
    table: NDArray[np.float64], customer: NDArray[np.intp] | None
) -> NDArray[np.float64]:
    if customer is None:
        return table
    code = np.unique(customer, return_inverse=True)[1]
    sums = np.zeros((int(code.max()) + 1, table.shape[1]))
    np.add.at(sums, code, table)
    return sums


def _counts(rows: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(rows, size=rows), minlength=rows).astype(np.float64)

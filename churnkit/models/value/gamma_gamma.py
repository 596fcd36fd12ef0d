"""Gamma-Gamma: how much a customer spends at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import digamma, gammaln
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.value.maximum_likelihood import MaximumLikelihood, maximize_likelihood
from churnkit.models.value.purchase_history import MIN_CUSTOMERS, check_column
from churnkit.models.value.serialization import ParameterMixin

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["GammaGamma", "read_spending"]


class GammaGamma(ParameterMixin, BaseEstimator):
    """Spend at a purchase varies around a customer's own mean, which varies between customers.

    It holds where spend and frequency have little to do with each other; look at their
    correlation first.

    Attributes
    ----------
    params_ : dict
        ``p``: how regular a customer's purchases are; ``q, v``: the law of customers' means,
        `v` in money.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        How sharp the parameters are; see `intervals`.

    References
    ----------
    Fader, Hardie (2013). The gamma-gamma model of monetary value.
    http://www.brucehardie.com/notes/025/

    Examples
    --------
    >>> frequency = [1, 2, 1, 3, 2, 1, 5, 1, 2, 4]
    >>> monetary = [20.0, 35.0, 11.0, 42.0, 18.0, 60.0, 33.0, 25.0, 29.0, 15.0]
    >>> model = GammaGamma().fit(frequency, monetary)
    >>> spend = model.expected_spend([0, 1, 20], [0.0, 60.0, 60.0])
    >>> bool(spend[0] < spend[1] < spend[2] < 60)
    True
    """

    _names: ClassVar[tuple[str, ...]] = ("p", "q", "v")
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((2.0, 3.0, 1.0), (10.0, 3.0, 0.3))

    def fit(
        self,
        frequency: ArrayLike,
        monetary: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the parameters by maximum likelihood.

        Parameters
        ----------
        frequency : (n,) repeat purchases; customers without one teach nothing and are passed over
        monetary : (n,) mean spend of these purchases
        sample_weight : (n,) how many customers each row stands for

        Raises
        ------
        ModelDataError
            A column does not fit, or there is nothing to learn from; the message says why.
        """
        x, mean = read_spending(frequency, monetary)
        given = 1.0 if sample_weight is None else sample_weight
        kept = x > 0
        weight = check_column(given, "sample_weight", size=len(x))[kept]
        if weight.sum() < MIN_CUSTOMERS:
            raise ModelDataError(
                f"frequency is above 0 for {weight.sum():g} customers, too few to fit spend: give "
                f"at least {MIN_CUSTOMERS} customers who bought again"
            )
        x, mean = x[kept], mean[kept]
        if np.ptp(mean) == 0:
            raise ModelDataError(
                "monetary is the same for every customer: their spend needs no model"
            )
        unit = float(np.average(mean, weights=weight))

        def log_likelihood(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            each, gradient = _log_likelihood(at, x, mean / unit)
            return float(weight @ each), gradient @ weight

        found = maximize_likelihood(
            log_likelihood, self._names, self._starts, weight=float(weight.sum())
        )
        self._keep(
            MaximumLikelihood(
                found.names,
                found.estimate * np.array([1.0, 1.0, unit]),
                found.covariance,
                found.log_likelihood - float(weight.sum()) * float(np.log(unit)),
                found.at_edge,
            )
        )
        self.n_customers_ = float(weight.sum())
        return self

    def expected_spend(self, frequency: ArrayLike, monetary: ArrayLike) -> NDArray[np.float64]:
        """Return what each customer is expected to spend at a purchase to come (n,).

        Customers without a repeat purchase get the mean of all customers, which is infinite
        where `q` is at most 1.

        Parameters
        ----------
        frequency : (n,) repeat purchases
        monetary : (n,) mean spend of these purchases; not read where there is none
        """
        check_is_fitted(self)
        x, mean = read_spending(frequency, monetary)
        return self.spend_under(self._estimate(), x, mean)

    def log_likelihood(self, frequency: ArrayLike, monetary: ArrayLike) -> NDArray[np.float64]:
        """Return each customer's log-likelihood (n,); 0 without a repeat purchase."""
        check_is_fitted(self)
        x, mean = read_spending(frequency, monetary)
        result = np.zeros(len(x))
        kept = x > 0
        result[kept] = _log_likelihood(self._estimate(), x[kept], mean[kept])[0]
        return result

    @staticmethod
    def spend_under(
        parameters: ArrayLike, x: NDArray[np.float64], mean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return `expected_spend` of checked columns (n,) under any parameters (3,)."""
        p, q, v = np.asarray(parameters, dtype=np.float64)
        known = p * x + q - 1
        total = np.where(x > 0, x * mean, 0.0)
        expected: NDArray[np.float64] = np.divide(
            p * (v + total), known, out=np.full(len(x), np.inf), where=known > 0
        )
        return expected


def read_spending(
    frequency: ArrayLike, monetary: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check what customers spent; the mean of who bought nothing again reads as 0.

    Raises
    ------
    ModelDataError
        A column does not fit; the message names it, the rule, the count and the mend.

    Examples
    --------
    >>> read_spending([0, 2], [float("nan"), 12.5])
    (array([0., 2.]), array([ 0. , 12.5]))
    """
    x = check_column(frequency, "frequency")
    fractions = int(np.count_nonzero(np.mod(x, 1.0)))
    if fractions:
        raise ModelDataError(
            f"frequency is no whole number in {fractions} rows: count the purchases after the first"
        )
    amounts = np.asarray(monetary)
    if amounts.shape != x.shape:
        raise ModelDataError("monetary must hold one number for each row of frequency")
    try:
        amounts = amounts.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ModelDataError("monetary is not numeric: give the mean spend") from error
    mean = np.where(x > 0, amounts, 0.0)
    lost = int(np.count_nonzero(~np.isfinite(mean)))
    if lost:
        raise ModelDataError(f"monetary is missing or infinite in {lost} rows: leave them out")
    unpaid = int(np.count_nonzero((x > 0) & (mean <= 0)))
    if unpaid:
        raise ModelDataError(
            f"monetary is not above 0 in {unpaid} rows with a repeat purchase: leave out "
            "cancellations and free items, or set the frequency of these rows to 0"
        )
    return x, mean


def _log_likelihood(
    at: NDArray[np.float64], x: NDArray[np.float64], mean: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q, v = at
    total = x * mean
    log_all = np.log(v + total)
    value = (
        gammaln(p * x + q)
        - gammaln(p * x)
        - gammaln(q)
        + q * np.log(v)
        + (p * x - 1) * np.log(mean)
        + p * x * np.log(x)
        - (p * x + q) * log_all
    )
    gradient = np.array(
        [
            x * (digamma(p * x + q) - digamma(p * x) + np.log(total) - log_all),
            digamma(p * x + q) - digamma(q) + np.log(v) - log_all,
            q / v - (p * x + q) / (v + total),
        ]
    )
    return value, gradient

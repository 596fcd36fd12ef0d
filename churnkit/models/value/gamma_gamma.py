"""Gamma-Gamma: spend per purchase."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import digamma, gammaln
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.scikit_base import BaseEstimator
from churnkit.models.value.maximum_likelihood import maximize_likelihood
from churnkit.models.value.purchase.purchase_history import MIN_CUSTOMERS, check_column, check_rows
from churnkit.models.value.serialization import ParameterMixin

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["GammaGamma", "read_spending"]


class GammaGamma(ParameterMixin, BaseEstimator):
    """Gamma distributed spend per purchase, with a customer mean that varies between customers.

    The model assumes that spend and frequency are independent; check their correlation first.

    Attributes
    ----------
    params_ : dict
        ``p``: shape of the spend of one customer; ``q, v``: distribution of the customer means,
        `v` in money.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        Precision of the parameters; see `intervals`.

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
        frequency : (n,) number of repeat purchases; customers without one are ignored
        monetary : (n,) mean spend per repeat purchase
        sample_weight : (n,) number of customers that each row represents

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            A column is invalid, or too few customers bought again.
        """
        x, mean = read_spending(frequency, monetary)
        weights = 1.0 if sample_weight is None else sample_weight
        kept = x > 0
        weight = check_column(weights, "sample_weight", size=len(x))[kept]
        if weight.sum() < MIN_CUSTOMERS:
            raise ModelDataError(
                f"{weight.sum():g} customers with a repeat purchase are too few to fit spend: at "
                f"least {MIN_CUSTOMERS} are required"
            )
        x, mean = x[kept], mean[kept]
        if np.ptp(mean) == 0:
            raise ModelDataError(
                "monetary is the same for every customer: there is no distribution to fit"
            )
        unit = float(np.average(mean, weights=weight))

        def log_likelihood(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            values, gradient = _log_likelihood(parameters, x, mean / unit)
            return float(weight @ values), gradient @ weight

        total = float(weight.sum())
        result = maximize_likelihood(log_likelihood, self._names, self._starts, weight=total)
        self._store_fit(
            replace(
                result,
                estimate=result.estimate * np.array([1.0, 1.0, unit]),
                log_likelihood=result.log_likelihood - total * float(np.log(unit)),
            )
        )
        self.n_customers_ = total
        return self

    def expected_spend(self, frequency: ArrayLike, monetary: ArrayLike) -> NDArray[np.float64]:
        """Return the expected spend of each customer per future purchase (n,).

        Customers without a repeat purchase get the mean of all customers, which is infinite if
        `q` is at most 1.

        Parameters
        ----------
        frequency : (n,) number of repeat purchases
        monetary : (n,) mean spend per repeat purchase; ignored where frequency is 0

        Returns
        -------
        (n,)
        """
        check_is_fitted(self)
        x, mean = read_spending(frequency, monetary)
        return self.spend_at(self._estimate(), x, mean)

    def log_likelihood(self, frequency: ArrayLike, monetary: ArrayLike) -> NDArray[np.float64]:
        """Return the log-likelihood of each customer (n,); 0 without a repeat purchase."""
        check_is_fitted(self)
        x, mean = read_spending(frequency, monetary)
        result = np.zeros(len(x))
        kept = x > 0
        result[kept] = _log_likelihood(self._estimate(), x[kept], mean[kept])[0]
        return result

    @staticmethod
    def spend_at(
        parameters: ArrayLike, x: NDArray[np.float64], mean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return `expected_spend` of checked columns (n,) at any parameters (3,)."""
        p, q, v = np.asarray(parameters, dtype=np.float64)
        shape = p * x + q - 1
        total = np.where(x > 0, x * mean, 0.0)
        expected: NDArray[np.float64] = np.divide(
            p * (v + total), shape, out=np.full(len(x), np.inf), where=shape > 0
        )
        return expected


def read_spending(
    frequency: ArrayLike, monetary: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check frequency and mean spend; the mean without a repeat purchase becomes 0.

    Raises
    ------
    ModelDataError
        A column is invalid.

    Examples
    --------
    >>> read_spending([0, 2], [float("nan"), 12.5])
    (array([0., 2.]), array([ 0. , 12.5]))
    """
    x = check_column(frequency, "frequency")
    check_rows(
        np.mod(x, 1.0) != 0,
        "frequency is not an integer in {} rows: count the purchases after the first",
    )
    amounts = np.asarray(monetary)
    if amounts.shape != x.shape:
        raise ModelDataError("monetary must have one number per row of frequency")
    try:
        amounts = amounts.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ModelDataError("monetary is not numeric: pass the mean spend") from error
    mean = np.where(x > 0, amounts, 0.0)
    check_rows(~np.isfinite(mean), "monetary is missing or infinite in {} rows: drop them")
    check_rows(
        (x > 0) & (mean <= 0),
        "monetary is not above 0 in {} rows with a repeat purchase: drop cancellations and free "
        "items, or set the frequency of these rows to 0",
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

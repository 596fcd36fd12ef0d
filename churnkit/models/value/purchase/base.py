"""Base class of the purchase models BG/NBD, MBG/NBD and Pareto/NBD."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.scikit_base import BaseEstimator
from churnkit.models.value.covariates import CovariateMixin, read_covariates
from churnkit.models.value.purchase.purchase_history import (
    PurchaseHistories,
    aggregate_histories,
    check_column,
    read_histories,
)
from churnkit.models.value.purchase.purchase_time import NextPurchase

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PurchaseModel"]

_BLOCK_ROWS = 1 << 16


class PurchaseModel(CovariateMixin, BaseEstimator):
    """Purchases at an individual rate until an unobserved departure.

    A subclass implements the likelihood of a history with its gradient, the probability of being
    alive, and the expected purchases of a customer who is alive.
    """

    _time_parameters: ClassVar[tuple[str, ...]]

    def fit(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        covariates: Any = None,
    ) -> Self:
        """Fit the parameters by maximum likelihood.

        Parameters
        ----------
        frequency : (n,) number of repeat purchases, not counting the first
        recency : (n,) time from the first purchase to the last
        T : (n,) time from the first purchase to the end of observation
        sample_weight : (n,) number of customers that each row represents
        covariates : table of n rows
            Numeric or boolean columns of the customers that do not change, such as the channel of
            the first purchase. The parameters get one factor for each, by which a unit of the
            covariate multiplies a rate; every later call then needs the same columns.

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            A column is invalid, or too few customers bought again.

        Warns
        -----
        ConvergenceWarning
            The data do not determine a parameter.
        """
        histories = read_histories(frequency, recency, T, sample_weight)
        names, columns = read_covariates(covariates, len(histories.T))
        cells = aggregate_histories(histories._replace(covariates=columns))
        # In units of the mean observation time all parameters are of order one.
        unit = float(np.average(cells.T, weights=cells.weight))
        scaled = cells.rescale(unit)
        result = self._maximize(
            lambda at, columns: self._log_likelihood(at, scaled._replace(covariates=columns)),
            names,
            scaled.covariates,
            scaled.weight,
        )
        scales = np.array([unit if name in self._time_parameters else 1.0 for name in result.names])
        # The density of a time changes by the unit, once per repeat purchase.
        shift = float(cells.weight @ cells.frequency) * np.log(unit)
        self._store_fit(
            replace(
                result,
                estimate=result.estimate * scales,
                log_likelihood=result.log_likelihood - shift,
            )
        )
        self.n_customers_: float = float(cells.weight.sum())
        self.covariates_ = names
        return self

    def _read(
        self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, covariates: Any
    ) -> PurchaseHistories:
        """Check histories and the covariates that the fitted model needs."""
        check_is_fitted(self)
        histories = read_histories(frequency, recency, T)
        columns = read_covariates(covariates, len(histories.T), names=self.covariates_)[1]
        return histories._replace(covariates=columns)

    def _log_likelihood(
        self, parameters: NDArray[np.float64], histories: PurchaseHistories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return log-likelihoods (n,) and their gradients (k, n)."""
        at = self._row_parameters(parameters, histories.covariates)
        values, gradient = self._row_log_likelihood(at, histories)
        return values, self._factor_gradient(gradient, parameters, at, histories.covariates)

    def log_likelihood(
        self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, *, covariates: Any = None
    ) -> NDArray[np.float64]:
        """Return each customer's log-likelihood (n,) under the fitted parameters."""
        histories = self._read(frequency, recency, T, covariates)
        return self._log_likelihood(self._estimate(), histories)[0]

    def probability_alive(
        self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, *, covariates: Any = None
    ) -> NDArray[np.float64]:
        """Return the probability (n,) that each customer is still active at `T`.

        Parameters
        ----------
        frequency, recency, T, covariates : (n,) as for `fit`
        """
        histories = self._read(frequency, recency, T, covariates)
        parameters = self._estimate()
        return _in_blocks(
            lambda block, _: self._alive_at(parameters, block), histories, histories.T
        )

    def expected_purchases(self, t: ArrayLike, *, covariates: Any = None) -> NDArray[np.float64]:
        """Return the expected purchases of a new customer within `t` of the first purchase.

        Parameters
        ----------
        t : (m,) or number, in the unit of `T`
        covariates : table of m rows, as for `fit`

        Returns
        -------
        (m,)
        """
        check_is_fitted(self)
        ahead = check_column(np.atleast_1d(t), "t")
        columns = read_covariates(covariates, len(ahead), names=self.covariates_)[1]
        return self._purchases_new(self._row_parameters(self._estimate(), columns), ahead)

    def conditional_expected_purchases(
        self,
        t: ArrayLike,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        covariates: Any = None,
    ) -> NDArray[np.float64]:
        """Return the expected purchases of each customer in the next `t` after `T`.

        Parameters
        ----------
        t : (n,) or number, in the unit of `T`
        frequency, recency, T, covariates : (n,) as for `fit`

        Returns
        -------
        (n,)
        """
        histories = self._read(frequency, recency, T, covariates)
        parameters = self._estimate()
        ahead = check_column(t, "t", size=len(histories.T))

        def expected(block: PurchaseHistories, time: NDArray[np.float64]) -> NDArray[np.float64]:
            at = self._row_parameters(parameters, block.covariates)
            return self._alive(at, block) * self._purchases_alive(at, block, time)

        return _in_blocks(expected, histories, ahead)

    def purchase_probability(
        self,
        t: ArrayLike,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        covariates: Any = None,
    ) -> NDArray[np.float64]:
        """Return the probability that each customer buys in the next `t` after `T`.

        Parameters
        ----------
        t : (n,) or number, in the unit of `T`
        frequency, recency, T, covariates : (n,) as for `fit`

        Returns
        -------
        (n,)
        """
        histories = self._read(frequency, recency, T, covariates)
        parameters = self._estimate()
        ahead = check_column(t, "t", size=len(histories.T))

        def probability(block: PurchaseHistories, time: NDArray[np.float64]) -> NDArray[np.float64]:
            # The purchase of a living customer does not depend on recency.
            first, inverse = _distinct_rows(block.frequency, block.T, time, *block.covariates.T)
            distinct = _select(block, first)
            at = self._row_parameters(parameters, distinct.covariates)
            bought = self._purchase_by(at, distinct, time[first])
            return self._alive_at(parameters, block) * bought[inverse]

        return _in_blocks(probability, histories, ahead)

    def next_purchase(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        horizon: float | None = None,
        level: float = 0.9,
        covariates: Any = None,
    ) -> NextPurchase:
        """Return the time of each customer's next purchase after `T`, with an interval.

        Parameters
        ----------
        frequency, recency, T, covariates : (n,) as for `fit`
        horizon
            Length of the period after `T` that counts; unlimited if not given.
        level
            Probability of the interval, given a purchase within the horizon.

        Returns
        -------
        NextPurchase
            The probability of a purchase, and quantiles of its time in the unit of `T`.

        Raises
        ------
        ModelDataError
            A column is invalid, `horizon` is not positive, or `level` is not between 0 and 1.

        Notes
        -----
        The interval is that of a single customer's time under the fitted parameters. Without a
        horizon its upper end can lie centuries ahead for customers who bought once: their purchase
        rate may be close to zero.
        """
        check_is_fitted(self)
        if horizon is not None and not 0 < horizon < np.inf:
            raise ModelDataError("horizon must be a positive time")
        if not 0 < level < 1:
            raise ModelDataError(f"level must be between 0 and 1, got {level}")
        histories = self._read(frequency, recency, T, covariates)
        parameters = self._estimate()
        end = np.inf if horizon is None else float(horizon)
        first, inverse = _distinct_rows(histories.frequency, histories.T, *histories.covariates.T)
        distinct = _select(histories, first)
        at = self._row_parameters(parameters, distinct.covariates)
        bought = self._purchase_by(at, distinct, np.full(len(distinct.T), end))
        low, median, high = (
            np.minimum(self._purchase_quantile(at, distinct, share, end), end)[inverse]
            for share in ((1 - level) / 2, 0.5, (1 + level) / 2)
        )
        alive = _in_blocks(
            lambda block, _: self._alive_at(parameters, block), histories, histories.T
        )
        return NextPurchase(alive * bought[inverse], median, low, high, level, horizon)

    def discounted_expected_purchases(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        rate: float,
        horizon: float | None = None,
        covariates: Any = None,
    ) -> NDArray[np.float64]:
        """Return the expected purchases of each customer after `T`, discounted to `T`.

        Parameters
        ----------
        frequency, recency, T, covariates : (n,) as for `fit`
        rate
            Continuous discount rate per unit of time: ``log(1 + yearly) / 52`` for weeks.
        horizon
            Length of the period that counts; unlimited if not given.

        Returns
        -------
        (n,)

        Raises
        ------
        ModelDataError
            `rate` or `horizon` is not positive (a rate of 0 is allowed with a horizon).
        """
        histories = self._read(frequency, recency, T, covariates)
        return self.discounted_purchases_at(self._estimate(), histories, rate=rate, horizon=horizon)

    def discounted_purchases_at(
        self,
        parameters: ArrayLike,
        histories: PurchaseHistories,
        *,
        rate: float,
        horizon: float | None = None,
    ) -> NDArray[np.float64]:
        """Return `discounted_expected_purchases` of checked histories at any parameters.

        Parameters
        ----------
        parameters : (k,) in the order of `params_`
        histories
            As returned by `read_histories`.
        rate, horizon
            As for `discounted_expected_purchases`.

        Returns
        -------
        (n,)
        """
        parameters = np.asarray(parameters, dtype=np.float64)
        if not (0 <= rate < np.inf) or (rate == 0 and horizon is None):
            raise ModelDataError("rate must be above 0, or 0 together with a horizon")
        if horizon is not None and not 0 < horizon < np.inf:
            raise ModelDataError("horizon must be a positive time")
        end = 40 / rate if horizon is None else horizon  # the discount factor there is e ** -40

        def discounted(block: PurchaseHistories, _: NDArray[np.float64]) -> NDArray[np.float64]:
            # The purchases of a living customer depend on frequency and T: integrate each pair once.
            first, inverse = _distinct_rows(block.frequency, block.T, *block.covariates.T)
            distinct = _select(block, first)
            at = self._row_parameters(parameters, distinct.covariates)
            purchases = self._discounted_alive(at, distinct, rate, end)
            return self._alive_at(parameters, block) * purchases[inverse]

        return _in_blocks(discounted, histories, histories.T)

    def _alive_at(
        self, parameters: NDArray[np.float64], histories: PurchaseHistories
    ) -> NDArray[np.float64]:
        return self._alive(self._row_parameters(parameters, histories.covariates), histories)

    def _discounted_alive(
        self,
        at: list[Any],
        histories: PurchaseHistories,
        rate: float,
        end: float,
    ) -> NDArray[np.float64]:
        """Integrate ``exp(-rate s) dE(s)`` by parts, with nodes that are dense near zero."""
        nodes, weights = np.polynomial.legendre.leggauss(32)
        # The purchase rate decays on the scale alpha + T of each customer.
        scale = histories.T + at[self._names.index("alpha")]
        log_end = np.log1p(end / scale)
        total: NDArray[np.float64] = np.exp(-rate * end) * self._purchases_alive(
            at, histories, np.full(len(scale), end)
        )
        for node, weight in zip(nodes, weights, strict=True):
            ahead = scale * np.expm1(log_end * (node + 1) / 2)
            density = rate * np.exp(-rate * ahead) * (scale + ahead) * log_end * weight / 2
            total += density * self._purchases_alive(at, histories, ahead)
        return total

    @abstractmethod
    def _row_log_likelihood(
        self, at: list[Any], histories: PurchaseHistories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return log-likelihoods (n,) and their gradients by the parameters of the rows (k, n)."""

    @abstractmethod
    def _alive(self, at: list[Any], histories: PurchaseHistories) -> NDArray[np.float64]:
        """Return the probability of being alive at T (n,)."""

    @abstractmethod
    def _purchases_alive(
        self,
        at: list[Any],
        histories: PurchaseHistories,
        ahead: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the expected purchases in `ahead` (n,) of customers who are alive at T."""

    @abstractmethod
    def _purchase_by(
        self,
        at: list[Any],
        histories: PurchaseHistories,
        ahead: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return P(a purchase in `ahead`) (n,) of customers who are alive at T; inf for ever."""

    @abstractmethod
    def _purchase_quantile(
        self,
        at: list[Any],
        histories: PurchaseHistories,
        share: float,
        end: float,
    ) -> NDArray[np.float64]:
        """Return the times (n,) by which `share` of the purchases by `end` have come."""

    @abstractmethod
    def _purchases_new(self, at: list[Any], ahead: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected purchases of new customers in `ahead` (m,)."""


def _distinct_rows(
    *columns: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of each combination of values, and the combination of each row (n,)."""
    index: NDArray[Any] = columns[0]
    for column in columns[1:]:
        _, first, index = np.unique(index + 1j * column, return_index=True, return_inverse=True)
    return first, index


def _select(histories: PurchaseHistories, rows: Any) -> PurchaseHistories:
    return PurchaseHistories(*(column[rows] for column in histories))


def _in_blocks(
    function: Callable[[PurchaseHistories, NDArray[np.float64]], NDArray[np.float64]],
    histories: PurchaseHistories,
    ahead: NDArray[Any],
) -> NDArray[np.float64]:
    """Apply a function to blocks of customers, so that memory stays bounded."""
    result = np.empty(len(histories.T))
    for start in range(0, len(result), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        result[rows] = function(_select(histories, rows), ahead[rows])
    return result

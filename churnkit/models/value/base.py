"""What BG/NBD, MBG/NBD and Pareto/NBD have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.value.maximum_likelihood import MaximumLikelihood, maximize_likelihood
from churnkit.models.value.purchase_history import (
    Histories,
    aggregate_histories,
    check_column,
    read_histories,
)
from churnkit.models.value.serialization import ParameterMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PurchaseModel"]

_BLOCK_ROWS = 1 << 16


class PurchaseModel(ParameterMixin, BaseEstimator):
    """Purchases at a customer's own rate until the customer leaves unseen.

    A subclass gives the likelihood of a history with its gradient, the probability to be
    alive, and the expected purchases of one who is.
    """

    _times: ClassVar[tuple[str, ...]]
    _starts: ClassVar[tuple[tuple[float, ...], ...]]

    def fit(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the parameters by maximum likelihood.

        Parameters
        ----------
        frequency : (n,) repeat purchases: all but the first
        recency : (n,) time from the first purchase to the last
        T : (n,) time from the first purchase to the end of observation
        sample_weight : (n,) how many customers each row stands for

        Raises
        ------
        ModelDataError
            A column does not fit, or there is nothing to learn from; the message says why.
        """
        cells = aggregate_histories(read_histories(frequency, recency, T, sample_weight))
        # In units of the mean observation time all parameters are of the order of one.
        unit = float(np.average(cells.T, weights=cells.weight))
        scaled = cells.over(unit)

        def log_likelihood(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            each, gradient = self._log_likelihood(at, scaled)
            return float(scaled.weight @ each), gradient @ scaled.weight

        weight = float(cells.weight.sum())
        found = maximize_likelihood(log_likelihood, self._names, self._starts, weight=weight)
        scales = np.array([unit if name in self._times else 1.0 for name in self._names])
        # A density of times shrinks by the unit, once for each repeat purchase.
        shift = float(cells.weight @ cells.frequency) * np.log(unit)
        self._keep(
            MaximumLikelihood(
                found.names,
                found.estimate * scales,
                found.covariance,
                found.log_likelihood - shift,
                found.at_edge,
            )
        )
        self.n_customers_ = weight
        return self

    def log_likelihood(
        self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> NDArray[np.float64]:
        """Return each customer's log-likelihood (n,) under the fitted parameters."""
        check_is_fitted(self)
        histories = read_histories(frequency, recency, T)
        return self._log_likelihood(self._estimate(), histories)[0]

    def probability_alive(
        self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the probability (n,) that each customer may buy again.

        Parameters
        ----------
        frequency, recency, T : (n,) as for `fit`
        """
        check_is_fitted(self)
        at = self._estimate()
        histories = read_histories(frequency, recency, T)
        return _in_blocks(lambda part, _: self._alive(at, part), histories, histories.T)

    def expected_purchases(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the expected purchases of a newcomer within `t` of the first purchase.

        Parameters
        ----------
        t : (m,) times in the unit of `T`, or one time

        Returns
        -------
        (m,)
        """
        check_is_fitted(self)
        return self._newcomer(self._estimate(), check_column(np.atleast_1d(t), "t"))

    def conditional_expected_purchases(
        self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> NDArray[np.float64]:
        """Return the expected purchases of each customer in the next `t` after `T`.

        Parameters
        ----------
        t : one time in the unit of `T`, or (n,)
        frequency, recency, T : (n,) as for `fit`

        Returns
        -------
        (n,)
        """
        check_is_fitted(self)
        histories = read_histories(frequency, recency, T)
        ahead = check_column(t, "t", size=len(histories.T))
        return self._conditional(self._estimate(), histories, ahead)

    def discounted_expected_purchases(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        rate: float,
        horizon: float | None = None,
    ) -> NDArray[np.float64]:
        """Return the expected purchases of each customer after `T`, discounted to now.

        Parameters
        ----------
        frequency, recency, T : (n,) as for `fit`
        rate
            Continuous discount rate for one unit of time: ``log(1 + yearly) / 52`` for weeks.
        horizon
            How far ahead purchases count; without end if not given.

        Returns
        -------
        (n,)

        Raises
        ------
        ModelDataError
            `rate` or `horizon` is not positive (a rate of 0 is sound with a horizon).
        """
        check_is_fitted(self)
        histories = read_histories(frequency, recency, T)
        return self.discount_purchases(self._estimate(), histories, rate=rate, horizon=horizon)

    def discount_purchases(
        self,
        parameters: ArrayLike,
        histories: Histories,
        *,
        rate: float,
        horizon: float | None = None,
    ) -> NDArray[np.float64]:
        """Return `discounted_expected_purchases` of checked histories under any parameters.

        Parameters
        ----------
        parameters : (k,) in the order of `params_`
        histories
            As `read_histories` gives them.
        rate, horizon
            As there.
        """
        at = np.asarray(parameters, dtype=np.float64)
        if not (0 <= rate < np.inf) or (rate == 0 and horizon is None):
            raise ModelDataError("rate must be above 0, or 0 together with a horizon")
        if horizon is not None and not 0 < horizon < np.inf:
            raise ModelDataError("horizon must be a positive time")
        end = 40 / rate if horizon is None else horizon  # beyond it, e ** -40 of a purchase counts

        def discounted(part: Histories, _: NDArray[np.float64]) -> NDArray[np.float64]:
            # Of who is alive, only purchases and time matter: few customers differ in both.
            _, first, place = np.unique(
                part.frequency + 1j * part.T, return_index=True, return_inverse=True
            )
            few = Histories(*(column[first] for column in part))
            later = self._discounted_alive(at, few, rate, end)
            return self._alive(at, part) * later[place]

        return _in_blocks(discounted, histories, histories.T)

    def _discounted_alive(
        self, at: NDArray[np.float64], part: Histories, rate: float, end: float
    ) -> NDArray[np.float64]:
        """Integrate ``exp(-rate s) dE(s)`` by parts, on nodes that are dense near now."""
        nodes, weights = np.polynomial.legendre.leggauss(32)
        # The purchase rate falls on the scale of the customer's own time, so the nodes do too.
        scale = part.T + at[list(self._names).index("alpha")]
        reach = np.log1p(end / scale)
        total: NDArray[np.float64] = np.exp(-rate * end) * self._purchases_alive(
            at, part, np.full(len(scale), end)
        )
        for node, weight in zip(nodes, weights, strict=True):
            place = reach * (node + 1) / 2
            ahead = scale * np.expm1(place)
            density = rate * np.exp(-rate * ahead) * (scale + ahead) * reach * weight / 2
            total += density * self._purchases_alive(at, part, ahead)
        return total

    def _conditional(
        self, at: NDArray[np.float64], histories: Histories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        def expected(part: Histories, time: NDArray[np.float64]) -> NDArray[np.float64]:
            return self._alive(at, part) * self._purchases_alive(at, part, time)

        return _in_blocks(expected, histories, ahead)

    @abstractmethod
    def _log_likelihood(
        self, at: NDArray[np.float64], histories: Histories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return log-likelihoods (n,) and their gradients (k, n)."""

    @abstractmethod
    def _alive(self, at: NDArray[np.float64], histories: Histories) -> NDArray[np.float64]:
        """Return the probability to be alive at T (n,)."""

    @abstractmethod
    def _purchases_alive(
        self, at: NDArray[np.float64], histories: Histories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the expected purchases in `ahead` (n,) of customers who are alive at T."""

    @abstractmethod
    def _newcomer(self, at: NDArray[np.float64], ahead: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected purchases of newcomers in `ahead` (m,)."""


def _in_blocks(
    of: Callable[[Histories, NDArray[np.float64]], NDArray[np.float64]],
    histories: Histories,
    ahead: NDArray[Any],
) -> NDArray[np.float64]:
    """Apply a function to blocks of customers, so that memory stays flat."""
    result = np.empty(len(histories.T))
    for start in range(0, len(result), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        part = Histories(*(column[rows] for column in histories))
        result[rows] = of(part, ahead[rows])
    return result

"""sBG and BdW: how long customers under contract keep renewing."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import digamma
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.value.contractual.tenures import Tenures, cohort_tenures, read_tenures
from churnkit.models.value.gamma_differences import digamma_step, log_gamma_step
from churnkit.models.value.maximum_likelihood import maximize_likelihood
from churnkit.models.value.purchase_history import check_column
from churnkit.models.value.serialization import ParameterMixin

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["BetaDiscreteWeibull", "ShiftedBetaGeometric"]

_SUMMED_PERIODS = 10_000
_MOST_PERIODS = 1_000_000


class _RenewalModel(ParameterMixin, BaseEstimator):
    """Each customer leaves at each renewal with a chance of their own, unseen."""

    _starts: ClassVar[tuple[tuple[float, ...], ...]]

    def fit(
        self,
        duration: ArrayLike,
        churned: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the parameters by maximum likelihood.

        Parameters
        ----------
        duration : (n,) whole periods: of who left, the one at whose end they left (1 is the
            first chance); of who is still here, how many were completed
        churned : (n,) whether the customer left
        entry : (n,) periods already completed when the customer came under observation; 0 if
            not given. Without it, a base that holds only survivors looks too loyal.
        sample_weight : (n,) how many customers each row stands for

        Raises
        ------
        ModelDataError
            A column does not fit, or there is nothing to learn from; the message says why.
        """
        return self._fit(read_tenures(duration, churned, entry, sample_weight))

    def fit_survivors(self, survivors: ArrayLike) -> Self:
        """Fit the parameters to how many of one cohort were left after each period.

        Parameters
        ----------
        survivors : (periods + 1,) customers at the start, after one period, after two, ...;
            counts, or percent where the cohort's size is unknown (the parameters are then
            right and their intervals those of 100 customers)

        Raises
        ------
        ModelDataError
            The numbers rise, or there are fewer than three of them.
        """
        return self._fit(cohort_tenures(survivors))

    def _fit(self, cells: Tenures) -> Self:
        def log_likelihood(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, gradient = self._log_likelihood(at, cells)
            return float(cells.weight @ value), gradient @ cells.weight

        weight = float(cells.weight.sum())
        found = maximize_likelihood(log_likelihood, self._names, self._starts, weight=weight)
        self._keep(found)
        self.n_customers_ = weight
        return self

    def survival(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the share of newcomers (m,) who are still here after `t` periods (m,)."""
        check_is_fitted(self)
        survived: NDArray[np.float64] = np.exp(self._log_survival(self._estimate(), _periods(t))[0])
        return survived

    def retention(self, t: ArrayLike) -> NDArray[np.float64]:
        """Return the share (m,) of those here after ``t - 1`` periods who renew the t-th time."""
        return self.conditional_survival(1, np.maximum(_periods(t, least=1) - 1, 0))

    def conditional_survival(self, t: ArrayLike, tenure: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (n,) that customers stay `t` periods more.

        Parameters
        ----------
        t : whole periods, one number or (n,)
        tenure : (n,) periods that each customer has completed
        """
        check_is_fitted(self)
        at, here = self._estimate(), _periods(tenure)
        ahead = check_column(t, "t", size=len(here))
        kept = self._log_survival(at, here + ahead)[0] - self._log_survival(at, here)[0]
        stays: NDArray[np.float64] = np.exp(kept)
        return stays

    def expected_residual_lifetime(
        self, tenure: ArrayLike, *, horizon: int | None = None
    ) -> NDArray[np.float64]:
        """Return how many more periods customers are expected to renew (n,).

        Parameters
        ----------
        tenure : (n,) periods that each customer has completed
        horizon
            Count no further than this many periods ahead. Without it the answer can be
            infinite, and rests on times that nobody has seen yet.
        """
        return self._residual(tenure, 0.0, horizon)

    def discounted_residual_lifetime(
        self, tenure: ArrayLike, *, rate: float, horizon: int | None = None
    ) -> NDArray[np.float64]:
        """Return the expected renewals ahead, discounted to the next one (n,).

        Times the margin of a period, this is the value of a customer who is about to renew:
        the next payment falls due now and counts in full if it comes.

        Parameters
        ----------
        tenure : (n,) periods that each customer has completed
        rate
            Discount rate for one period: .01 for one percent.
        horizon
            Count no further than this many periods ahead.

        References
        ----------
        Fader, Hardie (2010). Customer-base valuation in a contractual setting: the perils of
        ignoring heterogeneity. Marketing Science 29(1). doi:10.1287/mksc.1080.0482
        """
        return self._residual(tenure, rate, horizon)

    def _residual(self, tenure: ArrayLike, rate: float, horizon: int | None) -> NDArray[np.float64]:
        check_is_fitted(self)
        if not 0 <= rate < np.inf:
            raise ModelDataError("rate must not be negative: give .01 for one percent a period")
        if horizon is not None and not 1 <= horizon <= _MOST_PERIODS:
            raise ModelDataError(f"horizon must be between 1 and {_MOST_PERIODS} periods")
        known, place = np.unique(_periods(tenure), return_inverse=True)
        return np.array([self._residual_after(each, rate, horizon) for each in known])[place]

    def _residual_after(self, tenure: float, rate: float, horizon: int | None) -> float:
        count = _SUMMED_PERIODS if horizon is None else int(horizon)
        endless = horizon is None and rate == 0
        if horizon is None and rate > 0:
            count = int(np.ceil(37 / np.log1p(rate)))  # e ** -37: the last digit of a float
            if count > _MOST_PERIODS:
                raise ModelDataError(
                    "rate is so small that more than a million periods count: give a horizon"
                )
        at = self._estimate()
        ahead = np.arange(1, count + 1, dtype=np.float64)
        start = self._log_survival(at, np.array([tenure]))[0][0]
        kept = np.exp(self._log_survival(at, tenure + ahead)[0] - start)
        total = float(kept @ np.exp(-np.log1p(rate) * (ahead - 1)))
        return total + self._tail(at, tenure + count, start) if endless else total

    def _tail(self, at: NDArray[np.float64], last: float, start: float) -> float:
        """Sum survival beyond period `last` by Euler and Maclaurin's formula."""
        power = self._power(at)
        if power <= 1:
            return float("inf")
        # Survival falls like t ** -power, so in log t the integrand is nearly exponential.
        nodes, weights = np.polynomial.laguerre.laggauss(40)
        logs = nodes / (power - 1)
        survived = self._log_survival(at, last * np.exp(logs))[0] - start
        integral = last / (power - 1) * float(weights @ np.exp(survived + logs + nodes))
        edge = float(np.exp(self._log_survival(at, np.array([last]))[0][0] - start))
        return integral - edge / 2 + edge * power / (12 * last)

    def _log_likelihood(
        self, at: NDArray[np.float64], cells: Tenures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        after, after_slope = self._log_survival(at, cells.duration)
        before, before_slope = self._log_survival(at, np.maximum(cells.duration - 1, 0))
        entered, entered_slope = self._log_survival(at, cells.entry)
        left = cells.churned
        step = np.where(left, after - before, -1.0)
        gone = -np.expm1(np.minimum(step, -1e-300))
        value = np.where(left, before + np.log(gone), after) - entered
        of_left = (before_slope - np.exp(step) * after_slope) / gone
        return value, np.where(left, of_left, after_slope) - entered_slope

    @abstractmethod
    def _power(self, at: NDArray[np.float64]) -> float:
        """Return the power at which survival falls in the end."""

    @abstractmethod
    def _log_survival(
        self, at: NDArray[np.float64], t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the log of the survival function (m,) and its gradient (k, m)."""


class ShiftedBetaGeometric(_RenewalModel):
    """sBG: each customer's chance to leave is the same at each renewal, and beta among customers.

    Retention rises with tenure all the same, because those who are likely to leave do so first.

    Attributes
    ----------
    params_ : dict
        ``alpha, beta``: the beta law of the chance to leave.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        How sharp the parameters are; see `intervals`.

    References
    ----------
    Fader, Hardie (2007). How to project customer retention. Journal of Interactive Marketing
    21(1). doi:10.1002/dir.20074

    Examples
    --------
    >>> model = ShiftedBetaGeometric().fit_survivors([1000, 869, 743, 653, 593, 551, 517, 491])
    >>> {name: round(value, 3) for name, value in model.params_.items()}
    {'alpha': 0.668, 'beta': 3.806}
    >>> model.retention([1, 8]).round(3)
    array([0.851, 0.942])
    >>> model.discounted_residual_lifetime([0, 7], rate=0.1).round(2)
    array([5.41, 7.53])
    """

    _names: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((1.0, 1.0), (1.0, 10.0))

    def _power(self, at: NDArray[np.float64]) -> float:
        return float(at[0])

    def _log_survival(
        self, at: NDArray[np.float64], t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        value, slopes, _ = _beta_survival(at[0], at[1], t)
        return value, slopes


class BetaDiscreteWeibull(_RenewalModel):
    """BdW: as sBG, but a customer's chance to leave may itself fall or rise with tenure.

    Attributes
    ----------
    params_ : dict
        ``alpha, beta``: the beta law of the chance to leave; ``c``: below 1 it falls with a
        customer's tenure, above 1 it rises; at 1 the model is sBG.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        How sharp the parameters are; see `intervals`.

    References
    ----------
    Fader, Hardie, Liu, Davin, Steenburgh (2018). "How to project customer retention" revisited:
    the role of duration dependence. Journal of Interactive Marketing 43, 1-16.

    Examples
    --------
    >>> model = BetaDiscreteWeibull().fit_survivors([1000, 869, 743, 653, 593])
    >>> {name: round(value, 2) for name, value in model.params_.items()}
    {'alpha': 0.26, 'beta': 1.72, 'c': 1.58}
    """

    _names: ClassVar[tuple[str, ...]] = ("alpha", "beta", "c")
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((1.0, 1.0, 1.0), (0.3, 2.0, 1.5))

    def _power(self, at: NDArray[np.float64]) -> float:
        return float(at[0] * at[2])

    def _log_survival(
        self, at: NDArray[np.float64], t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        alpha, beta, c = at
        with np.errstate(divide="ignore", over="ignore"):
            logs = np.where(t > 0, np.log(t), 0.0)
            age = np.where(t > 0, np.exp(np.minimum(c * logs, 600.0)), 0.0)
        value, slopes, by_age = _beta_survival(alpha, beta, age)
        return value, np.vstack([slopes, by_age * age * logs])


def _beta_survival(
    alpha: float, beta: float, age: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ``log B(alpha, beta + age) / B(alpha, beta)``, its gradient, and that by age."""
    grown, total = beta + age, alpha + beta
    value = log_gamma_step(np.array([beta]), alpha) - log_gamma_step(grown, alpha)
    by_age = -digamma_step(grown, alpha)
    by_alpha = digamma(total) - digamma(alpha + grown)
    by_beta = by_age - digamma(beta) + digamma(total)
    return value, np.vstack([by_alpha, by_beta]), by_age


def _periods(t: ArrayLike, *, least: int = 0) -> NDArray[np.float64]:
    column = check_column(np.atleast_1d(t), "t")
    if len(column) and column.min() < least:
        raise ModelDataError(f"t is below {least} in {int((column < least).sum())} places")
    return column

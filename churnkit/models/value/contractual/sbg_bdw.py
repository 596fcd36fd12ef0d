"""sBG and BdW: renewal models for customers under contract."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import digamma
from sklearn.utils.validation import check_is_fitted

from churnkit.models.errors import ModelDataError
from churnkit.models.scikit_base import BaseEstimator
from churnkit.models.value.contractual.tenures import (
    Tenures,
    aggregate_tenures,
    cohort_tenures,
    read_tenures,
)
from churnkit.models.value.covariates import CovariateMixin, read_covariates
from churnkit.models.value.gamma_differences import digamma_difference, log_gamma_difference
from churnkit.models.value.purchase.purchase_history import check_column, check_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["BetaDiscreteWeibull", "ShiftedBetaGeometric"]

_SUMMED_PERIODS = 10_000
_MAX_PERIODS = 1_000_000
_MAX_LOG_AGE = 300.0


class _RenewalModel(CovariateMixin, BaseEstimator):
    """Base of models in which the probability of leaving varies between customers."""

    _covariate_targets: ClassVar[dict[str, tuple[str, int]]] = {
        "alpha": ("alpha", 1),
        "beta": ("beta", 1),
    }

    def fit(
        self,
        duration: ArrayLike,
        churned: ArrayLike,
        *,
        entry: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        covariates: Any = None,
    ) -> Self:
        """Fit the parameters by maximum likelihood.

        Parameters
        ----------
        duration : (n,) periods: for churned customers the period at whose end they left (1 is
            the first renewal); for active customers the number of completed periods
        churned : (n,) 1 if the customer left
        entry : (n,) periods completed before the observation began; 0 if not given. Without it,
            a sample of survivors overestimates retention.
        sample_weight : (n,) number of customers that each row represents
        covariates : table of n rows
            Numeric or boolean columns of the customers that do not change, such as the plan at
            the start. ``alpha`` and ``beta`` get one factor for each, by which a unit of the
            covariate multiplies them; every later call then needs the same columns.

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            A column is invalid, or the rows do not identify the model.

        Warns
        -----
        ConvergenceWarning
            The data do not determine a parameter.
        """
        tenures = read_tenures(duration, churned, entry, sample_weight)
        names, columns = read_covariates(covariates, len(tenures.duration))
        return self._fit(aggregate_tenures(tenures._replace(covariates=columns)), names)

    def fit_survivors(self, survivors: ArrayLike) -> Self:
        """Fit the parameters to the survivors of one cohort after each period.

        Parameters
        ----------
        survivors : (periods + 1,) customers at the start, after one period, after two, ...;
            counts, or percentages if the size is unknown (intervals are then those of 100
            customers)

        Returns
        -------
        The fitted model.

        Raises
        ------
        ModelDataError
            The numbers increase, or there are fewer than three.
        """
        return self._fit(cohort_tenures(survivors), ())

    def _fit(self, cells: Tenures, names: tuple[str, ...]) -> Self:
        self._store_fit(
            self._maximize(
                lambda at, columns: self._log_likelihood(at, cells._replace(covariates=columns)),
                names,
                cells.covariates,
                cells.weight,
            )
        )
        self.n_customers_: float = float(cells.weight.sum())
        self.covariates_ = names
        return self

    def _read_parameters(self, size: int, covariates: Any) -> list[Any]:
        """Return the parameters of each row (n,), numbers where they do not depend on it."""
        columns = read_covariates(covariates, size, names=self.covariates_)[1]
        return self._row_parameters(self._estimate(), columns)

    def survival(self, t: ArrayLike, *, covariates: Any = None) -> NDArray[np.float64]:
        """Return the share of new customers (m,) who are active after `t` periods (m,).

        Parameters
        ----------
        t : (m,) or number of periods
        covariates : table of m rows, as for `fit`

        Returns
        -------
        (m,)
        """
        check_is_fitted(self)
        ahead = _periods(t)
        at = self._read_parameters(len(ahead), covariates)
        survived: NDArray[np.float64] = np.exp(self._log_survival(at, ahead)[0])
        return survived

    def retention(self, t: ArrayLike, *, covariates: Any = None) -> NDArray[np.float64]:
        """Return the share (m,) of customers active after ``t - 1`` periods who renew at `t`.

        Parameters
        ----------
        t : (m,) or number of the renewal, from 1
        covariates : table of m rows, as for `fit`

        Returns
        -------
        (m,)
        """
        completed = np.maximum(_periods(t, least=1) - 1, 0)
        return self.conditional_survival(1, completed, covariates=covariates)

    def conditional_survival(
        self, t: ArrayLike, tenure: ArrayLike, *, covariates: Any = None
    ) -> NDArray[np.float64]:
        """Return the probability (n,) that customers stay for `t` more periods.

        Parameters
        ----------
        t : (n,) or number of periods
        tenure : (n,) completed periods of each customer
        covariates : table of n rows, as for `fit`

        Returns
        -------
        (n,)
        """
        check_is_fitted(self)
        start = _periods(tenure)
        ahead = check_column(t, "t", size=len(start))
        at = self._read_parameters(len(start), covariates)
        log_ratio = self._log_survival(at, start + ahead)[0] - self._log_survival(at, start)[0]
        probability: NDArray[np.float64] = np.exp(log_ratio)
        return probability

    def expected_residual_lifetime(
        self, tenure: ArrayLike, *, horizon: int | None = None, covariates: Any = None
    ) -> NDArray[np.float64]:
        """Return the expected number of further renewals (n,).

        Parameters
        ----------
        tenure : (n,) completed periods of each customer
        horizon
            Number of periods ahead that count. Unlimited if not given: the result can then be
            infinite, and depends on extrapolation beyond the observed periods.
        covariates : table of n rows, as for `fit`

        Returns
        -------
        (n,) periods
        """
        return self._residual(tenure, 0.0, horizon, covariates)

    def discounted_residual_lifetime(
        self,
        tenure: ArrayLike,
        *,
        rate: float,
        horizon: int | None = None,
        covariates: Any = None,
    ) -> NDArray[np.float64]:
        """Return the expected number of further renewals, discounted to the next one (n,).

        Multiplied by the margin per period, it is the value of a customer who is about to renew:
        the next payment is due now and is not discounted.

        Parameters
        ----------
        tenure : (n,) completed periods of each customer
        rate
            Discount rate per period: 0.01 for 1%.
        horizon
            Number of periods ahead that count; unlimited if not given.
        covariates : table of n rows, as for `fit`

        Returns
        -------
        (n,) periods

        References
        ----------
        Fader, Hardie (2010). Customer-base valuation in a contractual setting: the perils of
        ignoring heterogeneity. Marketing Science 29(1). doi:10.1287/mksc.1080.0482
        """
        return self._residual(tenure, rate, horizon, covariates)

    def _residual(
        self, tenure: ArrayLike, rate: float, horizon: int | None, covariates: Any
    ) -> NDArray[np.float64]:
        check_is_fitted(self)
        if not 0 <= rate < np.inf:
            raise ModelDataError(f"rate must be 0 or more, got {rate}: pass 0.01 for 1% per period")
        if horizon is not None and not 1 <= horizon <= _MAX_PERIODS:
            raise ModelDataError(
                f"horizon must be from 1 to {_MAX_PERIODS:,} periods, got {horizon}"
            )
        start = _periods(tenure)
        at = self._read_parameters(len(start), covariates)
        rows = np.column_stack(np.broadcast_arrays(start, *at))
        distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
        lifetimes = [self._residual_after(row[1:], row[0], rate, horizon) for row in distinct]
        return np.array(lifetimes)[inverse.ravel()]

    def _residual_after(
        self, parameters: NDArray[np.float64], tenure: float, rate: float, horizon: int | None
    ) -> float:
        if horizon is None and rate == 0:
            return self._endless_residual(parameters, tenure)
        count = horizon
        if count is None:
            count = int(np.ceil(37 / np.log1p(rate)))  # the discount factor there is e ** -37
            if count > _MAX_PERIODS:
                raise ModelDataError(
                    "rate is so small that more than a million periods count: pass a horizon"
                )
        ahead = np.arange(1, count + 1, dtype=np.float64)
        start = self._log_survival(parameters, np.array([tenure]))[0][0]
        survival = np.exp(self._log_survival(parameters, tenure + ahead)[0] - start)
        return float(survival @ np.exp(-np.log1p(rate) * (ahead - 1)))

    @abstractmethod
    def _endless_residual(self, parameters: NDArray[np.float64], tenure: float) -> float:
        """Return the expected number of further renewals without a horizon."""

    def _log_likelihood(
        self, parameters: NDArray[np.float64], cells: Tenures
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return log-likelihoods (n,) and their gradients (k, n)."""
        at = self._row_parameters(parameters, cells.covariates)
        after, after_slope = self._log_survival(at, cells.duration)
        before, before_slope = self._log_survival(at, np.maximum(cells.duration - 1, 0))
        entered, entered_slope = self._log_survival(at, cells.entry)
        left = cells.churned
        step = np.where(left, after - before, -1.0)
        gone = -np.expm1(np.minimum(step, -1e-300))
        value = np.where(left, before + np.log(gone), after) - entered
        of_left = (before_slope - np.exp(step) * after_slope) / gone
        gradient = np.where(left, of_left, after_slope) - entered_slope
        return value, self._factor_gradient(gradient, parameters, at, cells.covariates)

    @abstractmethod
    def _log_survival(
        self, at: Iterable[Any], t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the log of the survival function (m,) and its gradient (k, m)."""


class ShiftedBetaGeometric(_RenewalModel):
    """sBG: a constant probability of leaving per customer, beta distributed among customers.

    Retention increases with tenure because customers who are likely to leave do so first.

    Attributes
    ----------
    params_ : dict
        ``alpha, beta``: beta distribution of the probability of leaving; with covariates, the
        factors ``alpha:column, beta:column`` of each.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        Precision of the parameters; see `intervals`.

    References
    ----------
    Fader, Hardie (2007). How to project customer retention. Journal of Interactive Marketing
    21(1). doi:10.1002/dir.20074
    Heckman, Willis (1977). A beta-logistic model for the analysis of sequential labor force
    participation by married women. Journal of Political Economy 85(1), 27-58. (Covariates.)

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

    def _endless_residual(self, parameters: NDArray[np.float64], tenure: float) -> float:
        # E[1 / p] - 1 for the posterior p ~ beta(alpha, beta + tenure) of leaving.
        alpha, beta = parameters
        return float((beta + tenure) / (alpha - 1)) if alpha > 1 else np.inf

    def _log_survival(
        self, at: Iterable[Any], t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        alpha, beta = at
        value, slopes, _ = _beta_survival(alpha, beta, t)
        return value, slopes


class BetaDiscreteWeibull(_RenewalModel):
    """BdW: sBG with a probability of leaving that decreases or increases with tenure.

    Attributes
    ----------
    params_ : dict
        ``alpha, beta``: beta distribution of the probability of leaving; ``c``: below 1 the
        probability decreases with tenure, above 1 it increases; at 1 the model is sBG. With
        covariates, the factors ``alpha:column, beta:column`` of each.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        Precision of the parameters; see `intervals`.

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

    def _endless_residual(self, parameters: NDArray[np.float64], tenure: float) -> float:
        alpha, _, c = parameters
        if alpha * c <= 1:
            return np.inf
        start = self._log_survival(parameters, np.array([tenure]))[0][0]
        near = tenure + np.arange(1.0, _SUMMED_PERIODS + 1)
        survival = np.exp(self._log_survival(parameters, near)[0] - start)
        return float(survival.sum()) + _tail_sum(parameters, last=near[-1], log_start=start)

    def _log_survival(
        self, at: Iterable[Any], t: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with np.errstate(divide="ignore"):
            log_t = np.log(t)
        value, slopes, by_log_age = _weibull_survival(at, log_t)
        return value, np.vstack([slopes, by_log_age * np.where(t > 0, log_t, 0.0)])


def _tail_sum(parameters: NDArray[np.float64], *, last: float, log_start: float) -> float:
    """Return the sum of BdW survival over the periods after `last`, relative to the start.

    By the Euler-Maclaurin formula. The logarithm of ``S(x) x`` is concave in ``log x``, so the
    integral is taken there, on Gauss-Legendre panels over which it changes little; the rest
    follows from the power law ``S(x) ~ x ** -(alpha c)``.
    """
    alpha, beta, c = parameters

    def log_density(log_x: NDArray[np.float64]) -> NDArray[np.float64]:
        return _weibull_survival(parameters, log_x)[0] - log_start + log_x

    # Beyond this age, log survival is a power law to machine precision.
    log_end = np.log(1e16 * max(1.0, beta, alpha * (alpha + 2 * beta))) / c
    nodes, weights = np.polynomial.legendre.leggauss(20)
    left, value = float(np.log(last)), float(log_density(np.log([last]))[0])
    total, highest, edge = 0.0, value, float(np.exp(value)) / last
    while left < log_end and value > highest - 45.0:
        width = min(1.0 / c, log_end - left)
        while abs((end := float(log_density(np.array([left + width]))[0])) - value) > 4.0:
            width /= 2
        points = left + width * (nodes + 1) / 2
        total += float(weights @ np.exp(log_density(points))) * width / 2
        left, value = left + width, end
        highest = max(highest, value)
    total += float(np.exp(value)) / (alpha * c - 1)
    decay = -c * float(_weibull_survival(parameters, np.log([last]))[2][0]) / last
    return float(total - edge / 2 + edge * decay / 12)


def _weibull_survival(
    parameters: Iterable[Any], log_t: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return log survival of BdW, its gradient by alpha and beta, and that by ``c log t``."""
    alpha, beta, c = parameters
    age = np.exp(np.minimum(c * log_t, _MAX_LOG_AGE))
    # Where the age would overflow, survival is a power of it.
    beyond = np.maximum(c * log_t - _MAX_LOG_AGE, 0.0)
    value, slopes, by_age = _beta_survival(alpha, beta, age)
    slopes[0] -= beyond
    return value - alpha * beyond, slopes, by_age * age


def _beta_survival(
    alpha: Any, beta: Any, age: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ``log B(alpha, beta + age) / B(alpha, beta)``, its gradient, and that by age."""
    grown, total = beta + age, alpha + beta
    value = log_gamma_difference(np.atleast_1d(beta), alpha) - log_gamma_difference(grown, alpha)
    by_age = -digamma_difference(grown, alpha)
    by_alpha = digamma(total) - digamma(alpha + grown)
    by_beta = by_age - digamma(beta) + digamma(total)
    return value, np.vstack([by_alpha, by_beta]), by_age


def _periods(t: ArrayLike, *, least: int = 0) -> NDArray[np.float64]:
    column = check_column(np.atleast_1d(t), "t")
    check_rows(column < least, f"t is below {least} in {{}} rows")
    return column

"""Pareto/NBD: a purchase model in which customers may leave at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import digamma, expit, exprel, gammaln

from churnkit.models.value.base import PurchaseModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.value.purchase_history import PurchaseHistories

__all__ = ["ParetoNBD"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_UNIT_NODES, _UNIT_WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


class ParetoNBD(PurchaseModel):
    """Pareto / NBD: gamma distributed rates of purchases and of leaving.

    The likelihood integrates over the unobserved time of leaving numerically, on nodes scaled to
    each customer: accurate to about twelve digits, without the overflows of the hypergeometric
    form, and with gradients from the same nodes.

    Attributes
    ----------
    params_ : dict
        ``r, alpha``: gamma distribution of the purchase rates; ``s, beta``: of the rates of
        leaving; `alpha` and `beta` in units of time.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        Precision of the parameters; see `intervals`.

    References
    ----------
    Schmittlein, Morrison, Colombo (1987). Counting your customers: who are they and what will
    they do next? Management Science 33(1). doi:10.1287/mnsc.33.1.1

    Examples
    --------
    >>> frequency = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 6, 1, 2]
    >>> recency = [0, 0, 0, 0, 0, 0, 3, 20, 33, 8, 30, 37, 12, 35, 1, 5]
    >>> model = ParetoNBD().fit(frequency, recency, T=[38] * 16)
    >>> alive = model.probability_alive([6, 6], [35, 10], [38, 38])
    >>> bool(alive[0] > 0.9 > 0.1 > alive[1])
    True
    """

    _names: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    _time_parameters: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((1.0, 1.0, 1.0, 1.0), (0.5, 0.3, 0.6, 0.4))

    def _log_likelihood(
        self, at: NDArray[np.float64], histories: PurchaseHistories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        r, alpha, s, beta = at
        x, _, end, _ = histories
        log_alive = -(r + x) * np.log(alpha + end) - s * np.log(beta + end)
        time_left, log_density = _leaving_times(at, histories)
        log_left = _log_sum(log_density)
        alive = expit(log_alive - log_left)
        value = (
            gammaln(r + x)
            - gammaln(r)
            + r * np.log(alpha)
            + s * np.log(beta)
            + np.logaddexp(log_alive, log_left)
        )
        # Posterior weights of the times of leaving.
        finite = np.where(np.isfinite(log_left), log_left, 0.0)
        shares = np.exp(log_density - finite[:, None]) * (1 - alive)[:, None]
        gone = shares.sum(axis=1)
        to_alpha, to_beta = alpha + time_left, beta + time_left
        gradient = np.array(
            [
                digamma(r + x) - digamma(r) + np.log(alpha)
                - alive * np.log(alpha + end) - (shares * np.log(to_alpha)).sum(axis=1),
                r / alpha - (r + x) * (alive / (alpha + end) + (shares / to_alpha).sum(axis=1)),
                np.log(beta) - alive * np.log(beta + end)
                + gone / s - (shares * np.log(to_beta)).sum(axis=1),
                s / beta - s * alive / (beta + end) - (s + 1) * (shares / to_beta).sum(axis=1),
            ]
        )  # fmt: skip
        return value, gradient

    def _alive(self, at: NDArray[np.float64], histories: PurchaseHistories) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        end = histories.T
        log_alive = -(r + histories.frequency) * np.log(alpha + end) - s * np.log(beta + end)
        alive: NDArray[np.float64] = expit(log_alive - _log_sum(_leaving_times(at, histories)[1]))
        return alive

    def _purchases_alive(
        self, at: NDArray[np.float64], histories: PurchaseHistories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        rate = (r + histories.frequency) / (alpha + histories.T)
        expected: NDArray[np.float64] = rate * _time_alive(s, beta + histories.T, ahead)
        return expected

    def _purchases_new(
        self, at: NDArray[np.float64], ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        expected: NDArray[np.float64] = r / alpha * _time_alive(s, np.full(len(ahead), beta), ahead)
        return expected


def _time_alive(
    s: float, scale: NDArray[np.float64], ahead: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the expected time alive within `ahead`, stable at s = 1."""
    log_growth = np.log1p(ahead / scale)
    time: NDArray[np.float64] = scale * log_growth * exprel((1 - s) * log_growth)
    return time


def _leaving_times(
    at: NDArray[np.float64], histories: PurchaseHistories
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times y (n, nodes) between last purchase and end, and their log contributions.

    The sum over the nodes is the integral of ``s (alpha + y) ** -(r + x) (beta + y) ** -(s + 1)``.
    The integrand falls as a power that grows with the purchases; as a function of
    ``log(1 + k log(y + offset))`` it is smooth for all parameters.
    """
    r, alpha, s, beta = at
    x, last, end, _ = histories
    offset = min(alpha, beta)
    steepness = np.maximum(1.0, r + s + x)[:, None]
    log_span = np.log1p((end - last) / (offset + last))[:, None]
    span = np.log1p(steepness * log_span)
    since_last = (offset + last)[:, None] * np.expm1(np.expm1(span * _UNIT_NODES) / steepness)
    time_left = last[:, None] + since_last
    with np.errstate(divide="ignore"):
        log_step = np.log(span * _UNIT_WEIGHTS / steepness)
    log_density = (
        np.log(s)
        - (r + x)[:, None] * np.log(alpha + time_left)
        - (s + 1) * np.log(beta + time_left)
        + np.log(offset + time_left)
        + span * _UNIT_NODES
        + log_step
    )
    return time_left, log_density


def _log_sum(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    highest = logs.max(axis=1)
    finite = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        summed: NDArray[np.float64] = np.log(np.exp(logs - finite[:, None]).sum(axis=1)) + finite
    return summed

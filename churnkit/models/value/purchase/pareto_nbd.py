"""Pareto/NBD: a purchase model in which customers may leave at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import betaln, digamma, expit, exprel, gammaln

from churnkit.models.value.purchase.base import PurchaseModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.value.purchase.purchase_history import PurchaseHistories

__all__ = ["ParetoNBD"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_UNIT_NODES, _UNIT_WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_INTEGRATED_ROWS = 1024
_NEWTON_STEPS = 100


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
    _covariate_targets: ClassVar[dict[str, tuple[str, int]]] = {
        "alpha": ("rate", -1),
        "beta": ("leaving", -1),
    }
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((1.0, 1.0, 1.0, 1.0), (0.5, 0.3, 0.6, 0.4))

    def _row_log_likelihood(
        self, at: list[Any], histories: PurchaseHistories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        r, alpha, s, beta = at
        x, _, end = histories[:3]
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
        to_alpha, to_beta = _column(alpha) + time_left, _column(beta) + time_left
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

    def _alive(self, at: list[Any], histories: PurchaseHistories) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        end = histories.T
        log_alive = -(r + histories.frequency) * np.log(alpha + end) - s * np.log(beta + end)
        alive: NDArray[np.float64] = expit(log_alive - _log_sum(_leaving_times(at, histories)[1]))
        return alive

    def _purchases_alive(
        self, at: list[Any], histories: PurchaseHistories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        rate = (r + histories.frequency) / (alpha + histories.T)
        expected: NDArray[np.float64] = rate * _time_alive(s, beta + histories.T, ahead)
        return expected

    def _purchase_by(
        self, at: list[Any], histories: PurchaseHistories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        shape, time, scale = r + histories.frequency, alpha + histories.T, beta + histories.T
        ever = _purchase_first(shape, s, np.log(scale / time))
        after, _ = _log_purchase_after(shape, s, time / scale, np.log1p(ahead / time))
        return np.clip(ever - np.exp(after), 0.0, 1.0)

    def _purchase_quantile(
        self, at: list[Any], histories: PurchaseHistories, share: float, end: float
    ) -> NDArray[np.float64]:
        r, alpha, s, beta = at
        shape, time, scale = r + histories.frequency, alpha + histories.T, beta + histories.T
        ever = _purchase_first(shape, s, np.log(scale / time))
        by_end = self._purchase_by(at, histories, np.full(len(time), end))
        target = np.log(ever - share * by_end)
        # The logarithm of the probability is concave or convex in log(1 + t / time), so that
        # Newton's steps from either side converge.
        growth = np.zeros(len(time))
        for _ in range(_NEWTON_STEPS):
            after, earlier = _log_purchase_after(shape, s, time / scale, growth)
            step = (after - target) * earlier / shape
            growth = np.maximum(growth + step, 0.0)
            if (np.abs(step) <= 1e-13 * (1 + growth)).all():
                break
        with np.errstate(over="ignore"):  # at a low rate the time exceeds all numbers
            quantile: NDArray[np.float64] = time * np.expm1(growth)
        return quantile

    def _purchases_new(self, at: list[Any], ahead: NDArray[np.float64]) -> NDArray[np.float64]:
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


def _log_purchase_after(
    shape: NDArray[np.float64],
    s: float,
    ratio: NDArray[np.float64],
    growth: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log P(next purchase after t), and P(a purchase before leaving) of who waited till t.

    Both rates are gamma distributed, with shapes `shape` and `s` and with the `ratio` of their
    scales; growth is ``log(1 + t / scale)`` of the purchases. All arrays are (n,).
    """
    ratio_change = np.log1p((1 - ratio) * np.expm1(-growth))
    earlier = _purchase_first(shape, s, ratio_change - np.log(ratio))
    after = np.log(earlier) - shape * growth - s * (growth + ratio_change)
    return after, earlier


def _purchase_first(
    shape: NDArray[np.float64], s: float, log_odds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return P(a purchase comes before leaving) (n,), with rates of gamma shapes `shape` and `s`.

    It is the mean of ``expit(z + log_odds)`` over the log-odds z of a beta distribution. The
    trapezoidal rule converges faster than any power of its step; where the density falls slowly,
    to the right, the remainder is a geometric series.
    """
    result = np.empty(len(shape))
    for start in range(0, len(shape), _INTEGRATED_ROWS):
        rows = slice(start, start + _INTEGRATED_ROWS)
        k, shift = shape[rows], log_odds[rows]
        mode, width = np.log(k / s), np.sqrt(1 / k + 1 / s)
        # The density is below e ** -40 of its peak, or exponential, at ten widths from the mode and
        # 40 units of its decay.
        left, right = np.minimum(mode, -shift), np.maximum(mode, -shift)
        low = np.minimum(left, 0.0) - 10 * width - 40 / (k + 1)
        high = np.maximum(right, 0.0) + 10 * width + min(40 / s, 40.0)
        count = int(np.ceil(((high - low) / np.minimum(0.25, 0.5 * width)).max()))
        step = (high - low) / count
        z = low[:, None] + step[:, None] * np.arange(count + 1)
        log_density = k[:, None] * z - (k + s)[:, None] * np.logaddexp(0.0, z)
        terms = np.exp(log_density - betaln(k, s)[:, None]) * expit(z + shift[:, None])
        total = terms[:, :-1].sum(axis=1) + terms[:, -1] / -np.expm1(-s * step)
        result[rows] = total * step
    return result


def _leaving_times(
    at: list[Any], histories: PurchaseHistories
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times y (n, nodes) between last purchase and end, and their log contributions.

    The sum over the nodes is the integral of ``s (alpha + y) ** -(r + x) (beta + y) ** -(s + 1)``.
    The integrand falls as a power that grows with the purchases; as a function of
    ``log(1 + k log(y + offset))`` it is smooth for all parameters.
    """
    r, alpha, s, beta = at
    x, last, end = histories[:3]
    offset = np.minimum(alpha, beta)
    steepness = np.maximum(1.0, r + s + x)[:, None]
    log_span = np.log1p((end - last) / (offset + last))[:, None]
    span = np.log1p(steepness * log_span)
    since_last = (offset + last)[:, None] * np.expm1(np.expm1(span * _UNIT_NODES) / steepness)
    time_left = last[:, None] + since_last
    with np.errstate(divide="ignore"):
        log_step = np.log(span * _UNIT_WEIGHTS / steepness)
    log_density = (
        np.log(s)
        - (r + x)[:, None] * np.log(_column(alpha) + time_left)
        - (s + 1) * np.log(_column(beta) + time_left)
        + np.log(_column(offset) + time_left)
        + span * _UNIT_NODES
        + log_step
    )
    return time_left, log_density


def _column(parameter: Any) -> NDArray[np.float64]:
    """Return a parameter of the rows (n, 1), or of all rows (1, 1)."""
    column: NDArray[np.float64] = np.reshape(parameter, (-1, 1))
    return column


def _log_sum(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    highest = logs.max(axis=1)
    finite = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        summed: NDArray[np.float64] = np.log(np.exp(logs - finite[:, None]).sum(axis=1)) + finite
    return summed

"""BG/NBD and MBG/NBD: purchase models in which customers leave right after a purchase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import betaln, digamma, expit, gammaln, hyp2f1

from churnkit.models.value.purchase.base import PurchaseModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.value.purchase.purchase_history import PurchaseHistories

__all__ = ["BGNBD", "MBGNBD"]

# At a = 1 the formula is 0 / 0; interpolating between both sides is exact to the square of this.
_NEAR_ONE = 1e-5
_INTEGRATED_ROWS = 1024


class _BetaGeometricNBD(PurchaseModel):
    """Gamma purchase rates; a beta probability of leaving after each purchase."""

    _names: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    _time_parameters: ClassVar[tuple[str, ...]] = ("alpha",)
    _starts: ClassVar[tuple[tuple[float, ...], ...]] = ((1.0, 1.0, 1.0, 2.0), (0.3, 0.2, 0.3, 3.0))
    _covariate_targets: ClassVar[dict[str, tuple[str, int]]] = {
        "alpha": ("rate", -1),
        "a": ("a", 1),
        "b": ("b", 1),
    }
    _first_counts: ClassVar[int]  # 1 if a customer may leave right after the first purchase

    def _row_log_likelihood(
        self, at: list[Any], histories: PurchaseHistories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        r, alpha, a, b = at
        x, last, end = histories[:3]
        stays = b + x + self._first_counts
        log_end, log_last = np.log(alpha + end), np.log(alpha + last)
        alive, log_either = self._alive_and_log_sum(at, histories)
        left = 1 - alive
        if np.ndim(a):
            log_gammas, rising, total, of_b = _gammas(r, a, b, x, self._first_counts)
        else:
            # They are the expensive terms, and there are far fewer counts than histories.
            counts = np.arange(x.max(initial=0) + 1.0)
            by_count = _gammas(r, a, b, counts, self._first_counts)
            log_gammas, rising, total, of_b = by_count[:, x.astype(np.intp)]
        value = log_gammas + r * np.log(alpha) - (r + x) * log_end + log_either
        mean_log = alive * log_end + left * log_last
        mean_inverse = alive / (alpha + end) + left / (alpha + last)
        # A customer who cannot have left has odds that do not depend on b, and `left` is zero.
        by_b = np.divide(left, stays - 1, out=np.zeros_like(left), where=left > 0)
        gradient = np.array(
            [
                rising + np.log(alpha) - mean_log,
                r / alpha - (r + x) * mean_inverse,
                total + left / a,
                total + of_b - by_b,
            ]
        )
        return value, gradient

    def _alive_and_log_sum(
        self, at: list[Any], histories: PurchaseHistories
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return P(alive), and the log of (alive + left) over alive."""
        r, alpha, a, b = at
        x, last, end = histories[:3]
        stays = b + x + self._first_counts
        chances = x + self._first_counts
        with np.errstate(divide="ignore"):
            odds = np.where(
                chances > 0,
                np.log(a)
                - np.log(np.where(chances > 0, stays - 1, 1.0))
                + (r + x) * np.log1p((end - last) / (alpha + last)),
                -np.inf,
            )
        return expit(-odds), np.logaddexp(0.0, odds)

    def _alive(self, at: list[Any], histories: PurchaseHistories) -> NDArray[np.float64]:
        return self._alive_and_log_sum(at, histories)[0]

    def _purchases_alive(
        self, at: list[Any], histories: PurchaseHistories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        r, alpha, a, b = at
        stays = b + histories.frequency + self._first_counts
        return _purchases_alive_at(r + histories.frequency, alpha + histories.T, a, stays, ahead)

    def _purchase_by(
        self, at: list[Any], histories: PurchaseHistories, ahead: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # Nobody leaves before the next purchase, so its time is a gamma mixture of exponentials.
        shape, time = at[0] + histories.frequency, at[1] + histories.T
        bought: NDArray[np.float64] = -np.expm1(-shape * np.log1p(ahead / time))
        return bought

    def _purchase_quantile(
        self, at: list[Any], histories: PurchaseHistories, share: float, end: float
    ) -> NDArray[np.float64]:
        shape, time = at[0] + histories.frequency, at[1] + histories.T
        bought = share * self._purchase_by(at, histories, np.full(len(time), end))
        with np.errstate(over="ignore"):  # at a low rate the time exceeds all numbers
            quantile: NDArray[np.float64] = time * np.expm1(-np.log1p(-bought) / shape)
        return quantile

    def _purchases_new(self, at: list[Any], ahead: NDArray[np.float64]) -> NDArray[np.float64]:
        r, alpha, a, b = at
        stays = b + self._first_counts
        size = len(ahead)
        alive = b / (a + b) if self._first_counts else 1.0
        expected: NDArray[np.float64] = alive * _purchases_alive_at(
            np.full(size, r), np.full(size, alpha), a, np.full(size, stays), ahead
        )
        return expected


def _gammas(r: float, a: Any, b: Any, x: NDArray[np.float64], first_counts: int) -> Any:
    """Return the terms of the likelihood that depend on the frequency x (n,) alone, (4, n)."""
    stays = b + x + first_counts
    return np.array(
        [
            gammaln(r + x) - gammaln(r) + betaln(a, stays) - betaln(a, b),
            digamma(r + x) - digamma(r),
            digamma(a + b) - digamma(a + stays),
            digamma(stays) - digamma(b),
        ]
    )


def _purchases_alive_at(
    shape: NDArray[np.float64],
    time: NDArray[np.float64],
    a: Any,
    stays: NDArray[np.float64],
    ahead: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return expected purchases for gamma rates and beta(a, stays) probabilities of leaving."""
    each = np.broadcast_to(np.asarray(a, dtype=np.float64), shape.shape)
    near = np.abs(each - 1) < _NEAR_ONE
    if near.any():
        low, high = (
            _closed_form(shape, time, np.where(near, 1 + side * _NEAR_ONE, each), stays, ahead)
            for side in (-1.01, 1.01)
        )
        # The other rows are equal on both sides.
        between: NDArray[np.float64] = low + (high - low) * ((each - 1) / (2.02 * _NEAR_ONE) + 0.5)
        return between
    return _closed_form(shape, time, each, stays, ahead)


def _closed_form(
    shape: NDArray[np.float64],
    time: NDArray[np.float64],
    a: NDArray[np.float64],
    stays: NDArray[np.float64],
    ahead: NDArray[np.float64],
) -> NDArray[np.float64]:
    # Euler's transformation of the published formula: the original hypergeometric function
    # overflows for high frequencies and long horizons, this one stays of order one.
    total = a + stays - 1
    z = ahead / (time + ahead)
    power = (a - 1) * np.log1p(-z)
    with np.errstate(all="ignore"):
        hypergeometric: NDArray[np.float64] = hyp2f1(a - 1, total - shape, total, z)
        result: NDArray[np.float64] = total / (a - 1) * (1 - np.exp(power) * hypergeometric)
    # scipy's function overflows for some very high frequencies and long horizons.
    overflowed = np.flatnonzero(~np.isfinite(result))
    for start in range(0, len(overflowed), _INTEGRATED_ROWS):
        rows = overflowed[start : start + _INTEGRATED_ROWS]
        result[rows] = _integrate_purchases(
            shape[rows], ahead[rows] / time[rows], a[rows], stays[rows]
        )
    return result


def _integrate_purchases(
    shape: NDArray[np.float64],
    reach: NDArray[np.float64],
    a: Any,
    stays: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Integrate over the probability p of leaving: the mean of ``(1 - (1 + p reach) ** -shape) / p``.

    The trapezoidal rule in the log-odds of p converges faster than any power of the step. Beyond
    both ends the integrand is exponential, and the remainder is a geometric series.
    """
    a = np.broadcast_to(np.asarray(a, dtype=np.float64), shape.shape)
    center, power = np.log(a / stays), np.maximum(a - 1, 0.25)
    width = 10 * np.sqrt(1 / power + 1 / stays)
    low = np.maximum(-60 - np.log1p(shape * reach), center - width - 40 / power)
    # Beyond these log-odds the beta density is below e ** -40 of its peak, or is exponential.
    cutoff = np.log(np.expm1(np.minimum(40 / stays, 45.0)))
    high = np.minimum(45.0, np.maximum(cutoff, center + width + 40 / stays))
    count = int(np.ceil((high - low).max() / 0.1))
    step = (high - low) / count
    odds = low[:, None] + step[:, None] * np.arange(count + 1)
    chance = expit(odds)
    purchases = -np.expm1(-shape[:, None] * np.log1p(chance * reach[:, None])) / chance
    log_density = (
        -a[:, None] * np.logaddexp(0, -odds)
        - stays[:, None] * np.logaddexp(0, odds)
        - betaln(a, stays)[:, None]
    )
    terms = purchases * np.exp(log_density)
    total: NDArray[np.float64] = terms[:, 1:-1].sum(axis=1)
    total += terms[:, 0] / -np.expm1(-a * step) + terms[:, -1] / -np.expm1(-stays * step)
    integral: NDArray[np.float64] = total * step
    return integral


class BGNBD(_BetaGeometricNBD):
    """Beta-geometric / NBD: a customer may leave after each repeat purchase.

    A customer without a repeat purchase is alive with probability one; `MBGNBD` lets customers
    leave after the first purchase too.

    Attributes
    ----------
    params_ : dict
        ``r, alpha``: gamma distribution of the purchase rates, `alpha` in units of time;
        ``a, b``: beta distribution of the probability of leaving.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        Precision of the parameters; see `intervals`.

    References
    ----------
    Fader, Hardie, Lee (2005). "Counting your customers" the easy way. Marketing Science 24(2).
    doi:10.1287/mksc.1040.0098

    Examples
    --------
    >>> frequency = [0] * 12 + [1, 1, 1, 1, 2, 3, 5, 9]
    >>> recency = [0] * 12 + [3, 2, 20, 36, 8, 9, 30, 36]
    >>> model = BGNBD().fit(frequency, recency, T=[38] * 20)
    >>> model.probability_alive([0, 6, 6], [0, 35, 10], [38, 38, 38]).round(2)
    array([1.  , 0.87, 0.01])
    >>> model.conditional_expected_purchases(39, [0, 6], [0, 35], [38, 38]).round(2)
    array([0.17, 4.24])
    """

    _first_counts = 0


class MBGNBD(_BetaGeometricNBD):
    """Modified BG/NBD: a customer may leave after any purchase, including the first.

    Attributes
    ----------
    params_ : dict
        ``r, alpha, a, b`` as in `BGNBD`.
    log_likelihood_ : float
    standard_errors_, covariance_, at_edge_, n_customers_
        Precision of the parameters; see `intervals`.

    References
    ----------
    Batislam, Denizel, Filiztekin (2007). Empirical validation and comparison of models for
    customer base analysis. International Journal of Research in Marketing 24(3).
    doi:10.1016/j.ijresmar.2006.12.005

    Examples
    --------
    >>> frequency = [0] * 12 + [1, 1, 1, 1, 2, 3, 5, 9]
    >>> recency = [0] * 12 + [3, 2, 20, 36, 8, 9, 30, 36]
    >>> model = MBGNBD().fit(frequency, recency, T=[38] * 20)
    >>> bool(model.probability_alive([0], [0], [38])[0] < 1)
    True
    """

    _first_counts = 1

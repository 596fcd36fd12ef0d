"""Label-free performance estimation, and its comparison with realized outcomes.

If probabilities are calibrated, future labels are Bernoulli draws with known probabilities, so
the expected value of every metric is known (confidence-based performance estimation):

    AUC = P(score of a churner > score of a stayer), each pair weighted by p_i (1 - p_j).

The estimate is right as long as calibration holds. It cannot detect a change in the relation of
features and churn; `compare_realized` can, once labels are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.metrics import auc
from churnkit.evaluation.classification.repeated_rows import sum_variance
from churnkit.evaluation.classification.slices import auc_variance
from churnkit.evaluation.validation import check_customers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PerformanceEstimate",
    "RealizedPerformance",
    "compare_realized",
    "estimate_binned",
    "estimate_performance",
]

_DRAWS = 200
_TINY = 1e-15


@dataclass(frozen=True, slots=True)
class PerformanceEstimate(Result):
    """Expected metrics, each with the range that chance in the labels allows.

    Parameters
    ----------
    rows
        Number of customers.
    churn_rate, auc, log_loss
        Expected metric and its range.
    """

    rows: int
    churn_rate: Interval
    auc: Interval
    log_loss: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        metrics = {
            name: getattr(self, name).to_dict() for name in ("churn_rate", "auc", "log_loss")
        }
        return {"rows": self.rows, **metrics}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per metric."""
        import pandas as pd

        metrics = {name: value for name, value in self.to_dict().items() if name != "rows"}
        return pd.DataFrame.from_dict(metrics, orient="index").rename_axis("metric")


@dataclass(frozen=True, slots=True)
class RealizedPerformance:
    """Realized churn and AUC compared with the expected ones.

    Attributes
    ----------
    rows
        Number of customers.
    churned, expected
        Realized and predicted number of churners, weighted.
    ratio
        ``churned / expected`` with its 99% interval; 1 if calibrated.
    auc
        AUC of the predictions, with its 95% interval.
    estimate
        The label-free estimate for the same customers.
    """

    rows: int
    churned: float
    expected: float
    ratio: Interval
    auc: Interval
    estimate: PerformanceEstimate

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "rows": self.rows,
            "churned": self.churned,
            "expected": self.expected,
            "ratio": self.ratio.to_dict(),
            "auc": self.auc.to_dict(),
            "estimate": self.estimate.to_dict(),
        }


def estimate_performance(
    probability: ArrayLike, *, seed: int = 0, level: float = 0.95
) -> PerformanceEstimate:
    """Estimate a model's metrics on customers whose labels are unknown.

    Parameters
    ----------
    probability : (n,)
        Calibrated probabilities.
    seed
        Seed of the simulated labels behind the ranges.
    level
        Coverage of the ranges.

    Returns
    -------
    PerformanceEstimate
        Expected churn rate, AUC and log loss.

    Examples
    --------
    >>> p = np.linspace(0.01, 0.99, 500)
    >>> round(estimate_performance(p).auc.value, 2)
    0.83
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), _TINY, 1 - _TINY)
    rng = np.random.default_rng(seed)
    draws = np.empty((_DRAWS, 3))
    order = np.argsort(p, kind="stable")
    for draw in draws:
        y = rng.random(len(p)) < p
        draw[:] = y.mean(), _auc_sorted(y[order], p[order]), _log_loss(y, p)
    expected = (
        p.mean(),
        _expected_auc(p[order]),
        float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()),
    )
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return PerformanceEstimate(
        len(p),
        *(
            Interval(float(value), float(lower), float(upper))
            for value, lower, upper in zip(expected, low, high, strict=True)
        ),
    )


def estimate_binned(
    probability: ArrayLike, counts: ArrayLike, *, seed: int = 0, level: float = 0.95
) -> PerformanceEstimate:
    """Estimate a model's metrics from counts of equal probabilities, in memory of the bins alone.

    Parameters
    ----------
    probability : (k,) increasing, calibrated probabilities
    counts : (k,) number of customers with each
    seed, level
        As in `estimate_performance`.

    Returns
    -------
    PerformanceEstimate

    Examples
    --------
    >>> p = np.linspace(0.01, 0.99, 500)
    >>> round(estimate_binned(p, np.ones(500)).auc.value, 2)
    0.83
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), _TINY, 1 - _TINY)
    n = np.asarray(counts, dtype=np.int64)
    rows = int(n.sum())
    log_p, log_q = np.log(p), np.log1p(-p)

    def metrics(ones: NDArray[np.float64], pairs_within: NDArray[np.float64]) -> list[float]:
        zeros = n - ones
        wins = (ones * (np.cumsum(zeros) - zeros)).sum() + 0.5 * pairs_within.sum()
        own = (ones * zeros - pairs_within).sum()
        pairs = ones.sum() * zeros.sum() - own
        loss = -(ones * log_p + zeros * log_q).sum() / rows
        return [ones.sum() / rows, wins / pairs if pairs > 0 else np.nan, loss]

    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(_DRAWS):
        ones = rng.binomial(n, p).astype(np.float64)
        draws.append(metrics(ones, ones * (n - ones)))
    # A customer does not form a pair with itself.
    expected = metrics(n * p, n * (n - 1.0) * p * (1 - p))
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return PerformanceEstimate(
        rows,
        *(
            Interval(float(value), float(lower), float(upper))
            for value, lower, upper in zip(expected, low, high, strict=True)
        ),
    )


def compare_realized(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    customers: ArrayLike | None = None,
    seed: int = 0,
) -> RealizedPerformance:
    """Compare realized churn with the predictions.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned; without treated customers, whose labels an action may have
        changed
    probability : (n,) predicted probabilities
    weight : (n,) number of customers that each row stands for: one over the probability of not
        being treated
    customers : (n,) the customer of each row, if customers have several: all ranges are then
        wider, as much as the variance of sums by customer exceeds that of rows
    seed
        As in `estimate_performance`.

    Returns
    -------
    RealizedPerformance

    Examples
    --------
    >>> compare_realized([0, 1, 0, 0], [0.2, 0.4, 0.2, 0.2]).ratio.value
    1.0
    """
    outcome = np.asarray(y, dtype=np.float64)
    p = np.asarray(probability, dtype=np.float64)
    w = np.ones(len(p)) if weight is None else np.asarray(weight, dtype=np.float64)
    churned, expected = float((w * outcome).sum()), float((w * p).sum())
    codes = check_customers(customers, rows=len(p))
    widening = _widening(w * (outcome - p), codes)
    spread = widening * float(np.sqrt((w**2 * p * (1 - p)).sum()))
    reach = 2.576 * spread / expected if expected else np.inf
    ratio = churned / expected if expected else np.nan
    both = 0 < outcome.sum() < len(outcome)
    area = float(auc(outcome, p, sample_weight=w)) if both else np.nan
    error = 1.96 * (
        np.sqrt(auc_variance(outcome, p, codes)[1])
        if codes is not None and both
        else _auc_error(area, outcome)
    )
    return RealizedPerformance(
        len(p),
        churned,
        expected,
        Interval(ratio, ratio - reach, ratio + reach),
        Interval(area, area - error, area + error),
        _widen(estimate_performance(p, seed=seed), widening),
    )


def _widening(residuals: NDArray[np.float64], customers: NDArray[np.intp] | None) -> float:
    """Return the factor by which customers with several rows widen an interval, at least 1."""
    if customers is None or not residuals.any():
        return 1.0
    ratio = sum_variance(residuals, customers) / sum_variance(residuals, None)
    return float(np.sqrt(max(1.0, ratio)))


def _widen(estimate: PerformanceEstimate, factor: float) -> PerformanceEstimate:
    if factor == 1.0:
        return estimate

    def widen(interval: Interval) -> Interval:
        value = interval.value
        return Interval(
            value, *(value + factor * (limit - value) for limit in (interval.low, interval.high))
        )

    return replace(
        estimate,
        churn_rate=widen(estimate.churn_rate),
        auc=widen(estimate.auc),
        log_loss=widen(estimate.log_loss),
    )


def _auc_error(area: float, outcome: NDArray[np.float64]) -> float:
    """Return the standard error of an AUC (Hanley and McNeil 1982)."""
    ones = outcome.sum()
    zeros = len(outcome) - ones
    if not (ones and zeros):
        return float("nan")
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (ones - 1) * (q1 - area**2) + (zeros - 1) * (q2 - area**2)
    return float(np.sqrt(max(spread, 0.0) / (ones * zeros)))


def _expected_auc(p: NDArray[np.float64]) -> float:
    """Return the AUC over pairs of sorted scores, weighted by ``p_i (1 - p_j)``."""
    stays = np.concatenate([[0.0], np.cumsum(1 - p)])
    first, last = np.searchsorted(p, p, "left"), np.searchsorted(p, p, "right")
    below, tied = stays[first], stays[last] - stays[first]
    # A customer does not form a pair with itself.
    total = p.sum() * (1 - p).sum() - (p * (1 - p)).sum()
    wins = (p * (below + 0.5 * (tied - (1 - p)))).sum()
    return float(wins / total) if total > 0 else float("nan")


def _auc_sorted(y: NDArray[np.bool_], p: NDArray[np.float64]) -> float:
    ones = int(y.sum())
    if ones in {0, len(y)}:
        return float("nan")
    rank = 0.5 * (np.searchsorted(p, p, "left") + np.searchsorted(p, p, "right") + 1)
    return float((rank[y].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def _log_loss(y: NDArray[np.bool_], p: NDArray[np.float64]) -> float:
    return float(-np.log(np.where(y, p, 1 - p)).mean())

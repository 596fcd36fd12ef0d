"""Intervals of policy values: gamma limits for rare events, and a finite-sample bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from churnkit.core.stats.gamma_interval import event_mean_interval
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.estimators import EstimatorRows
    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["IntervalKind", "ValueIntervals", "empirical_bernstein"]

IntervalKind = Literal["gamma", "bernstein"]


@dataclass(frozen=True)
class ValueIntervals:
    """Method of the intervals of policy values.

    Attributes
    ----------
    kind
        ``"gamma"``: `event_mean_interval`, whose events are rewards that differ from the usual
        one; ``"bernstein"``: `empirical_bernstein`, wider, valid for any number of rows.
    reward_range
        Bounds of the reward; the log's own if not given, and 0 and 1 for binary rewards.
    level
        Confidence level.
    """

    kind: IntervalKind = "gamma"
    reward_range: tuple[float, float] | None = None
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.kind not in get_args(IntervalKind):
            raise EvaluationError(f"interval must be gamma or bernstein, got {self.kind!r}")
        if not 0 < self.level < 1:
            raise EvaluationError(f"level must lie between 0 and 1, got {self.level}")

    def bounds(self, log: PolicyLog) -> tuple[float, float]:
        """Return the least and the largest possible reward."""
        if self.reward_range is not None:
            return self.reward_range
        if log.is_binary:
            return 0.0, 1.0
        return float(log.reward.min()), float(log.reward.max())

    def of(self, estimate: EstimatorRows, log: PolicyLog) -> Interval:
        """Return an estimate, or a difference of two, with its interval."""
        low, high = self.bounds(log)
        if self.kind == "gamma":
            usual = _usual_reward(log.reward)
            event = log.reward - usual
            return event_mean_interval(
                estimate.rows - estimate.weight * event,
                estimate.weight,
                event,
                unseen=(high - usual, usual - low),
                cluster=log.customer,
                level=self.level,
            )
        rows = estimate.rows
        if log.customer is not None:
            # Rows of one customer are dependent; customers are independent.
            totals = np.bincount(log.customer, rows)
            rows = totals * len(totals) / len(log)
        reach = (1 + float(np.abs(estimate.weight).max())) * (high - low)
        reach = max(reach, float(np.abs(rows - estimate.value).max()))
        return empirical_bernstein(
            rows, low=estimate.value - reach, high=estimate.value + reach, level=self.level
        )


def empirical_bernstein(
    rows: NDArray[np.float64], *, low: float, high: float, level: float = 0.95
) -> Interval:
    """Return an interval of a mean that is valid for any number of rows.

    ``mean +- (sqrt(2 var log(4 / d) / n) + 7 (high - low) log(4 / d) / (3 (n - 1)))`` with
    ``d = 1 - level``: each side by Theorem 4 with ``d / 2``.

    Parameters
    ----------
    rows : (n,) independent values
    low, high
        Bounds of the values.
    level
        Confidence level.

    Returns
    -------
    Interval

    References
    ----------
    Maurer, Pontil (2009), COLT, arXiv:0907.3740.

    Examples
    --------
    >>> print(empirical_bernstein(np.array([0.0, 1.0] * 5000), low=0.0, high=1.0))
    0.500 (0.484 to 0.516)
    """
    count = len(rows)
    mean = float(rows.mean())
    if count < 2:
        return Interval(mean, low, high)
    log = float(np.log(4 / (1 - level)))
    reach = np.sqrt(2 * float(rows.var(ddof=1)) * log / count)
    reach += 7 * (high - low) * log / (3 * (count - 1))
    return Interval(mean, max(low, mean - reach), min(high, mean + reach))


def _usual_reward(reward: NDArray[np.float64]) -> float:
    """Return the reward of most rows if there is one, else the median."""
    values, counts = np.unique(reward, return_counts=True)
    most = int(counts.argmax())
    return float(values[most] if 2 * counts[most] >= len(reward) else np.median(reward))

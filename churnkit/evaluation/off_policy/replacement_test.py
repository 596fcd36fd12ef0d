"""Test whether a new policy may replace the running one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.evaluation.off_policy.estimators import (
    ESTIMATORS,
    EstimatorTerms,
    estimator_terms,
)
from churnkit.evaluation.off_policy.evaluate import IntervalKind, evaluate_policy, on_policy_terms
from churnkit.evaluation.off_policy.intervals import bootstrap_values, central, empirical_bernstein
from churnkit.evaluation.off_policy.log import PolicyLog, check_policy
from churnkit.evaluation.off_policy.reward_models import RewardModel, Rewards, cross_fitted_rewards
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval
    from churnkit.evaluation.off_policy.evaluate import PolicyEvaluation

__all__ = ["Replacement", "may_replace"]

_MIN_EFFECTIVE_ROWS = 30.0


@dataclass(frozen=True)
class Replacement:
    """Result of `may_replace`; prints as the verdict.

    Attributes
    ----------
    gain
        New policy minus running one, per decision, paired row by row, with its interval.
    new
        Evaluation of the new policy.
    old
        Value of the running policy, with its interval.
    estimator
        The estimator behind the verdict.
    verdict
        ``"yes"``: the interval of the gain lies above the margin, and the overlap suffices;
        ``"worse"``: it lies below zero; ``"cannot tell"``: neither.
    reasons
        Reasons for the verdict, one sentence each.
    """

    gain: Interval
    new: PolicyEvaluation
    old: Interval
    estimator: str
    verdict: Literal["yes", "worse", "cannot tell"]
    reasons: tuple[str, ...]

    @property
    def yes(self) -> bool:
        """True if the new policy may replace the running one."""
        return self.verdict == "yes"

    def __str__(self) -> str:
        values = (
            f"{self.new[self.estimator].value:.4f} vs {self.old.value:.4f} per decision, gain "
            f"{self.gain:+.4f}"
        )
        answer = {
            "yes": "yes, the new policy may replace the running one",
            "worse": "no, the new policy is worse than the running one",
            "cannot tell": "no, there is not enough evidence that the new policy is better",
        }[self.verdict]
        return "; ".join([f"{answer}: {values}", *self.reasons])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {
            "verdict": self.verdict,
            "may_replace": self.yes,
            "gain": self.gain.to_dict(),
            "new": self.new.to_dict(),
            "old": self.old.to_dict(),
            "estimator": self.estimator,
            "reasons": list(self.reasons),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: the new policy, the running one, and the gain."""
        import pandas as pd

        rows = {"new": self.new[self.estimator], "old": self.old, "gain": self.gain}
        return pd.DataFrame.from_dict(
            {name: value.to_dict() for name, value in rows.items()}, orient="index"
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.5f}".format))


def may_replace(
    log: PolicyLog,
    new: ArrayLike,
    *,
    old: ArrayLike | None = None,
    estimator: str = "dr",
    margin: float = 0.0,
    reward_model: RewardModel = "auto",
    interval: IntervalKind = "bootstrap",
    reward_range: tuple[float, float] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Replacement:
    """Test whether a new policy may replace the running one, from the running one's log.

    Both are estimated on the same rows and resamples, so common noise cancels.

    Parameters
    ----------
    log
        Decisions of the running policy, or of another randomized policy.
    new : (n, arms), (arms,) or (n, arms, positions)
        Probabilities of the new policy.
    old
        Probabilities of the running policy; None if it made the log: its value is then the mean
        reward of the log.
    estimator
        One of `ESTIMATORS`; those that trade bias for variance (``dm``, ``switch_dr``,
        ``dr_shrinkage``) have intervals that do not include the bias.
    margin
        Required improvement, in the reward's unit.
    reward_model, interval, reward_range, level, resamples, seed
        As `evaluate_policy`.

    Returns
    -------
    Replacement

    Raises
    ------
    EvaluationError
        Log and policies do not match, or the estimator is unknown.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arm = rng.integers(2, size=4000)
    >>> stayed = rng.random(4000) < np.where(arm == 1, 0.6, 0.4)
    >>> log = PolicyLog.from_columns(arm, np.full(4000, 0.5), stayed)
    >>> may_replace(log, [0.0, 1.0]).verdict, may_replace(log, [1.0, 0.0]).verdict
    ('yes', 'worse')
    """
    if estimator not in ESTIMATORS:
        raise EvaluationError(
            f"there is no estimator {estimator!r}: use one of {', '.join(ESTIMATORS)}"
        )
    chance = check_policy(new, log)
    rewards = cross_fitted_rewards(log, model=reward_model, policy=chance, seed=seed)
    evaluated = evaluate_policy(
        log,
        new,
        rewards=rewards,
        interval=interval,
        reward_range=reward_range,
        level=level,
        resamples=min(resamples, 500),
        seed=seed,
    )
    pair = (
        estimator_terms(log, chance, rewards.expected)[estimator],
        _running_terms(log, old, rewards, estimator),
    )
    values = bootstrap_values(pair, customer=log.customer, resamples=resamples, seed=seed)
    incumbent = central(pair[1].value, values[1], level=level)
    if interval == "bernstein":
        gain = _bernstein(log, pair, evaluated, reward_range, level)
    else:
        gain = central(pair[0].value - pair[1].value, values[0] - values[1], level=level)
    verdict, reasons = _judge(gain, margin, evaluated)
    return Replacement(gain, evaluated, incumbent, estimator, verdict, reasons)


def _running_terms(
    log: PolicyLog, old: ArrayLike | None, rewards: Rewards, estimator: str
) -> EstimatorTerms:
    if old is None:
        return on_policy_terms(log)
    return estimator_terms(log, check_policy(old, log), rewards.expected)[estimator]


def _bernstein(
    log: PolicyLog,
    pair: tuple[EstimatorTerms, EstimatorTerms],
    evaluated: PolicyEvaluation,
    reward_range: tuple[float, float] | None,
    level: float,
) -> Interval:
    difference: NDArray[np.float64] = pair[0].rows - pair[1].rows
    if log.customer is not None:
        # Rows of one customer are dependent; customers are independent.
        totals = np.bincount(log.customer, difference)
        difference = totals * len(totals) / len(log)
    low, high = reward_range or (float(log.reward.min()), float(log.reward.max()))
    reach = (evaluated.overlap.max_weight + 1) * (high - low)
    reach = max(reach, float(np.abs(difference).max()))
    return empirical_bernstein(difference, low=-reach, high=reach, level=level)


def _judge(
    gain: Interval, margin: float, evaluated: PolicyEvaluation
) -> tuple[Literal["yes", "worse", "cannot tell"], tuple[str, ...]]:
    measured = evaluated.overlap
    if gain.high < 0:
        return "worse", measured.warnings
    reasons = list(measured.warnings)
    thin = measured.effective_rows < _MIN_EFFECTIVE_ROWS or measured.unsupported > 0
    if gain.low <= margin:
        reasons.insert(
            0, f"the gain's lower bound is {gain.low:+.4f}, which must be above {margin:g}"
        )
    if gain.low > margin and not thin:
        return "yes", tuple(reasons)
    return "cannot tell", tuple(reasons)

"""Test whether a new policy may replace the running one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from churnkit.core.result import PlottableResult
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.off_policy.estimators import ESTIMATORS, estimator_rows, on_policy_rows
from churnkit.evaluation.off_policy.evaluate import evaluate_policy
from churnkit.evaluation.off_policy.intervals import IntervalKind, ValueIntervals
from churnkit.evaluation.off_policy.log import PolicyLog, check_policy
from churnkit.evaluation.off_policy.reward_models import RewardModel, cross_fitted_rewards
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from churnkit.evaluation.off_policy.evaluate import PolicyEvaluation
    from churnkit.evaluation.off_policy.overlap import Overlap

__all__ = ["Replacement", "may_replace"]

_MIN_EFFECTIVE_ROWS = 30.0


@dataclass(frozen=True)
class Replacement(PlottableResult):
    """Result of `may_replace`; prints as the verdict.

    Parameters
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

    _display: ClassVar[str] = "IntervalDisplay"
    display_title: ClassVar[str] = "Value per decision"

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

    @property
    def intervals(self) -> dict[str, Interval]:
        """The value of the new policy, that of the running one, and the gain."""
        return {"new": self.new[self.estimator], "old": self.old, "gain": self.gain}

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

        return pd.DataFrame.from_dict(
            {name: value.to_dict() for name, value in self.intervals.items()}, orient="index"
        ).rename_axis("policy")


def may_replace(
    log: PolicyLog,
    new: ArrayLike,
    *,
    old: ArrayLike | None = None,
    estimator: str = "dr",
    margin: float = 0.0,
    reward_model: RewardModel = "auto",
    interval: IntervalKind = "gamma",
    reward_range: tuple[float, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Replacement:
    """Test whether a new policy may replace the running one, from the running one's log.

    Both are estimated on the same rows, so common noise cancels. The answer is "yes" only if the
    interval of the gain lies above the margin and the log supports the new policy: enough
    effective rows, a mean weight of 1, overall and in each context that the features describe.
    Decisions without support count with the worst possible reward.

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
    reward_model, interval, reward_range, level, seed
        As `evaluate_policy`.

    Returns
    -------
    Replacement
        Gain, verdict and reasons.

    Raises
    ------
    EvaluationError
        Log and policies do not match, or the estimator is unknown.

    Examples
    --------
    >>> import numpy as np
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
        log, new, rewards=rewards, interval=interval, reward_range=reward_range, level=level
    )
    intervals = ValueIntervals(interval, reward_range, level)
    challenger = estimator_rows(log, chance, rewards.expected)[estimator]
    if old is None:
        running = on_policy_rows(log)
    else:
        running = estimator_rows(log, check_policy(old, log), rewards.expected)[estimator]
    gain = intervals.of(challenger - running, log)
    low, high = intervals.bounds(log)
    unknown = evaluated.overlap.unsupported * (high - low)
    gain = Interval(gain.value, gain.low - unknown, gain.high + unknown)
    verdict, reasons = _judge(gain, margin, evaluated.overlap)
    return Replacement(
        gain, evaluated, intervals.of(running, log), estimator, verdict, tuple(reasons)
    )


def _judge(
    gain: Interval, margin: float, measured: Overlap
) -> tuple[Literal["yes", "worse", "cannot tell"], list[str]]:
    reasons = list(measured.warnings)
    if measured.blocking or measured.effective_rows < _MIN_EFFECTIVE_ROWS:
        return "cannot tell", reasons
    if gain.high < 0:
        return "worse", reasons
    if gain.low > margin:
        return "yes", reasons
    reason = f"the gain's lower bound is {gain.low:+.4f}, which must be above {margin:g}"
    return "cannot tell", [reason, *reasons]

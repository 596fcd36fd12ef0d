"""Value of a candidate policy, estimated from the running policy's log.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> arm = rng.integers(2, size=4000)
>>> stayed = rng.random(4000) < np.where(arm == 1, 0.6, 0.4)
>>> log = PolicyLog.from_columns(arm, np.full(4000, 0.5), stayed)
>>> print(evaluate_policy(log, [0.0, 1.0], seed=0)["dr"])
0.603 (0.582 to 0.625)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.evaluation.off_policy.estimators import ESTIMATORS, estimator_rows, on_policy_rows
from churnkit.evaluation.off_policy.intervals import IntervalKind, ValueIntervals
from churnkit.evaluation.off_policy.log import PolicyLog, check_policy
from churnkit.evaluation.off_policy.overlap import Overlap, overlap
from churnkit.evaluation.off_policy.reward_models import RewardModel, Rewards, cross_fitted_rewards
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["PolicyEvaluation", "evaluate_policy"]


@dataclass(frozen=True)
class PolicyEvaluation(PlottableResult):
    """Result of `evaluate_policy`.

    Parameters
    ----------
    estimates
        Value of the policy per decision by each estimator, with its interval.
    on_policy
        Value of the logging policy, with its interval.
    overlap
        Overlap of the log with the policy.
    reward_model
        Name of the reward model.
    settings
        The weight at which ``switch_dr`` cuts and ``dr_shrinkage`` halves; infinite if neither
        helps.
    positions
        The same for each position of a list; empty if there is one position.
    level, interval
        Confidence level and method of the intervals.
    """

    _display: ClassVar[str] = "OffPolicyDisplay"

    estimates: Mapping[str, Interval]
    on_policy: Interval
    overlap: Overlap
    reward_model: str
    settings: Mapping[str, float]
    positions: tuple[PolicyEvaluation, ...] = ()
    level: float = 0.95
    interval: IntervalKind = "gamma"

    def __getitem__(self, estimator: str) -> Interval:
        return self.estimates[estimator]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values; an infinite setting is None."""
        return {
            "estimates": {name: value.to_dict() for name, value in self.estimates.items()},
            "on_policy": self.on_policy.to_dict(),
            "overlap": self.overlap.to_dict(),
            "reward_model": self.reward_model,
            "settings": {k: v if np.isfinite(v) else None for k, v in self.settings.items()},
            "positions": [position.to_dict() for position in self.positions],
            "level": self.level,
            "interval": self.interval,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per estimator (and position, if there are several)."""
        import pandas as pd

        rows = [
            {"position": position, "estimator": name, **value.to_dict()}
            for position, part in [("all", self), *enumerate(self.positions)]
            for name, value in {**part.estimates, "on_policy": part.on_policy}.items()
        ]
        frame = pd.DataFrame(rows)
        return frame if self.positions else frame.drop(columns="position")


def evaluate_policy(
    log: PolicyLog,
    policy: ArrayLike,
    *,
    rewards: Rewards | None = None,
    reward_model: RewardModel = "auto",
    interval: IntervalKind = "gamma",
    reward_range: tuple[float, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> PolicyEvaluation:
    """Estimate the value of a policy on the customers of another policy's log.

    Parameters
    ----------
    log
        Decisions of a randomized policy, with their propensities.
    policy : (n, arms), (arms,) or (n, arms, positions)
        Probabilities of the policy to be evaluated, for each row of the log.
    rewards
        Predicted rewards, shared between several policies; fitted if not given.
    reward_model
        See `cross_fitted_rewards`.
    interval
        ``"gamma"``: holds for rare and heavy-tailed rewards; ``"bernstein"``: wider, and valid
        for any number of independent rows (except ``snips`` and ``sndr``, which are linearized).
        Rows of one customer count as one observation.
    reward_range
        Bounds of the reward; the log's own if not given, and 0 and 1 for binary rewards.
    level
        Confidence level of the intervals.
    seed
        Seed of the folds and the trees.

    Returns
    -------
    PolicyEvaluation
        ``result["dr"].low``, ``result.overlap.warnings``.

    Raises
    ------
    EvaluationError
        Log and policy do not match.

    Examples
    --------
    >>> log = PolicyLog.from_columns([0, 1] * 500, np.full(1000, 0.5), [0.0, 1.0] * 500)
    >>> result = evaluate_policy(log, [0.0, 1.0], interval="bernstein", reward_model="mean")
    >>> result["snips"].value, result.overlap.effective_rows
    (1.0, 500.0)
    """
    chance = check_policy(policy, log)
    if rewards is None:
        rewards = cross_fitted_rewards(log, model=reward_model, policy=chance, seed=seed)
    intervals = ValueIntervals(interval, reward_range, level)
    overall = _evaluate(log, chance, rewards, intervals)
    if log.positions == 1 or log.position is None:
        return overall
    parts = []
    for position in range(log.positions):
        rows = np.flatnonzero(log.position == position)
        if len(rows) < 2:
            raise EvaluationError(f"position {position} has {len(rows)} rows: number them from 0")
        inside = Rewards(rewards.expected[rows], rewards.model, rewards.losses)
        parts.append(_evaluate(log.take(rows), chance[rows], inside, intervals))
    return replace(overall, positions=tuple(parts))


def _evaluate(
    log: PolicyLog, policy: NDArray[np.float64], rewards: Rewards, intervals: ValueIntervals
) -> PolicyEvaluation:
    estimators = estimator_rows(log, policy, rewards.expected)
    return PolicyEvaluation(
        estimates={name: intervals.of(estimators[name], log) for name in ESTIMATORS},
        on_policy=intervals.of(on_policy_rows(log), log),
        overlap=overlap(log, policy),
        reward_model=rewards.model,
        settings={
            name: rows.setting for name, rows in estimators.items() if rows.setting is not None
        },
        level=intervals.level,
        interval=intervals.kind,
    )

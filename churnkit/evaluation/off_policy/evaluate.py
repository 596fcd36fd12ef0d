"""What another policy would have brought, estimated from the running one's log.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> arm = rng.integers(2, size=4000)
>>> stayed = rng.random(4000) < np.where(arm == 1, 0.6, 0.4)
>>> log = PolicyLog.of(arm, np.full(4000, 0.5), stayed)
>>> print(evaluate_policy(log, [0.0, 1.0], seed=0)["dr"])
0.603 (0.582 to 0.624)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError
from churnkit.evaluation.off_policy.estimators import (
    ESTIMATORS,
    EstimatorTerms,
    RowSums,
    estimator_terms,
)
from churnkit.evaluation.off_policy.intervals import bootstrap_values, central, empirical_bernstein
from churnkit.evaluation.off_policy.log import PolicyLog, checked_policy
from churnkit.evaluation.off_policy.overlap import Overlap, overlap
from churnkit.evaluation.off_policy.reward_models import RewardModel, Rewards, cross_fitted_rewards

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["IntervalKind", "PolicyEvaluation", "evaluate_policy"]

IntervalKind = Literal["bootstrap", "bernstein"]


@dataclass(frozen=True)
class PolicyEvaluation:
    """What `evaluate_policy` found.

    Attributes
    ----------
    estimates
        Each estimator's value of the policy, per decision, with its interval.
    on_policy
        What the logging policy itself brought, with its interval.
    overlap
        How much of the policy the log can speak for.
    reward_model
        Which model predicted rewards.
    settings
        The weight at which ``switch_dr`` cuts, and at which ``dr_shrinkage`` halves; infinite
        where the data ask for neither.
    positions
        The same for each place of a list; empty if there is one place.
    level, interval
        Of the intervals: their confidence, and how they were made.
    """

    estimates: Mapping[str, Interval]
    on_policy: Interval
    overlap: Overlap
    reward_model: str
    settings: Mapping[str, float]
    positions: tuple[PolicyEvaluation, ...] = ()
    level: float = 0.95
    interval: IntervalKind = "bootstrap"

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
            "positions": [found.to_dict() for found in self.positions],
            "level": self.level,
            "interval": self.interval,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row an estimator (and a position, if there are several)."""
        import pandas as pd

        rows = [
            {"position": place, "estimator": name, **value.to_dict()}
            for place, found in [("all", self), *enumerate(self.positions)]
            for name, value in {**found.estimates, "on_policy": found.on_policy}.items()
        ]
        frame = pd.DataFrame(rows)
        return frame if self.positions else frame.drop(columns="position")

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.5f}".format))


def evaluate_policy(
    log: PolicyLog,
    policy: ArrayLike,
    *,
    rewards: Rewards | None = None,
    reward_model: RewardModel = "auto",
    interval: IntervalKind = "bootstrap",
    reward_range: tuple[float, float] | None = None,
    level: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> PolicyEvaluation:
    """Estimate what a policy would have brought on the customers of another one's log.

    Parameters
    ----------
    log
        Decisions of a policy that left something to chance, with their propensities.
    policy : (n, arms), (arms,) or (n, arms, positions)
        The probabilities of the policy that is judged, for each row of the log.
    rewards
        Predicted rewards, to share between several policies; made here if not given.
    reward_model
        See `cross_fitted_rewards`.
    interval
        ``"bootstrap"``: resampled customers; ``"bernstein"``: wider, and valid for any number
        of independent rows (not for ``snips`` and ``sndr``, whose rows are linearised).
    reward_range
        The least and the most that a reward can be, for ``"bernstein"``; the log's own if not
        given.
    level
        Confidence of the intervals.
    resamples
        How many resamples a bootstrap interval rests on.
    seed
        For the folds, the trees and the resamples.

    Returns
    -------
    PolicyEvaluation
        ``found["dr"].low``, ``found.overlap.warnings``.

    Raises
    ------
    EvaluationError
        Log and policy do not fit.

    Examples
    --------
    >>> log = PolicyLog.of([0, 1] * 500, np.full(1000, 0.5), [0.0, 1.0] * 500)
    >>> found = evaluate_policy(log, [0.0, 1.0], interval="bernstein", reward_model="mean")
    >>> found["snips"].value, found.overlap.effective_rows
    (1.0, 500.0)
    """
    chance = checked_policy(policy, log)
    if rewards is None:
        rewards = cross_fitted_rewards(log, model=reward_model, policy=chance, seed=seed)
    make = _Intervals(interval, reward_range or _range(log), level, resamples, seed)
    whole = _evaluated(log, chance, rewards, make)
    if log.positions == 1 or log.position is None:
        return whole
    parts = []
    for place in range(log.positions):
        rows = np.flatnonzero(log.position == place)
        if len(rows) < 2:
            raise EvaluationError(f"position {place} has {len(rows)} rows: number them from 0")
        inside = Rewards(rewards.expected[rows], rewards.model, rewards.losses)
        parts.append(_evaluated(log.take(rows), chance[rows], inside, make))
    return PolicyEvaluation(
        whole.estimates,
        whole.on_policy,
        whole.overlap,
        whole.reward_model,
        whole.settings,
        tuple(parts),
        level,
        interval,
    )


@dataclass(frozen=True)
class _Intervals:
    kind: IntervalKind
    reward_range: tuple[float, float]
    level: float
    resamples: int
    seed: int

    def of(
        self, estimators: dict[str, EstimatorTerms], log: PolicyLog, max_weight: float
    ) -> dict[str, Interval]:
        if self.kind == "bernstein":
            return {
                name: self._bernstein(found, name, max_weight) for name, found in estimators.items()
            }
        if self.kind != "bootstrap":
            raise EvaluationError(f"there is no interval {self.kind!r}: bootstrap or bernstein")
        values = bootstrap_values(
            list(estimators.values()),
            customer=log.customer,
            resamples=self.resamples,
            seed=self.seed,
        )
        return {
            name: central(found.value, values[at], level=self.level)
            for at, (name, found) in enumerate(estimators.items())
        }

    def _bernstein(self, found: EstimatorTerms, name: str, max_weight: float) -> Interval:
        low, high = self.reward_range
        reach = 0.0 if name in {"dm", "on_policy"} else max_weight
        if name == "ips":
            bounds = (min(low, low * reach), max(high, high * reach))
        else:
            bounds = (low - reach * (high - low), high + reach * (high - low))
        return empirical_bernstein(found.rows, low=bounds[0], high=bounds[1], level=self.level)


def _evaluated(
    log: PolicyLog, policy: NDArray[np.float64], rewards: Rewards, make: _Intervals
) -> PolicyEvaluation:
    measured = overlap(log, policy)
    estimators = estimator_terms(log, policy, rewards.expected)
    estimators["on_policy"] = on_policy_terms(log)
    values = make.of(estimators, log, measured.max_weight)
    return PolicyEvaluation(
        estimates={name: values[name] for name in ESTIMATORS},
        on_policy=values["on_policy"],
        overlap=measured,
        reward_model=rewards.model,
        settings={
            name: found.setting for name, found in estimators.items() if found.setting is not None
        },
        level=make.level,
        interval=make.kind,
    )


def on_policy_terms(log: PolicyLog) -> EstimatorTerms:
    """Return the mean reward of the log as an estimator."""
    return EstimatorTerms((RowSums(log.reward),))


def _range(log: PolicyLog) -> tuple[float, float]:
    return float(log.reward.min()), float(log.reward.max())

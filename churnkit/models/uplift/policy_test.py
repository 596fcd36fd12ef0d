"""Test of a personalized policy against the best single arm for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.evaluation import paired_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.evaluation import Interval
    from churnkit.evaluation.uplift.sensitivity import Sensitivity
    from churnkit.models.uplift.validation import ExperimentRows

__all__ = ["UpliftVerdict", "best_arm", "judge", "money", "policy_of"]

_PLANS = {
    "constant": "the plan applies one effect for all, where value pays the cost",
    "relative": "the plan applies one share of each customer's risk, where risk and value pay",
    "blend": "the plan applies each customer's own effect",
}


@dataclass(frozen=True, slots=True)
class UpliftVerdict(Result):
    """Gain of a policy on customers that it was not learned from.

    Parameters
    ----------
    best_arm
        The single arm that does best for all; 0 is control.
    best_gain
        Its gain for each customer beyond control, in the outcome's unit or in money.
    gain
        Gain of the policy beyond the best arm, paired; the interval is widened for as many
        policies as were tried.
    learner
        Source of the forecasts.
    tried
        Number of policies that were compared.
    arms
        Number of arms, control included.
    policy
        ``"none"``, ``"constant"``, ``"relative"`` or ``"blend"``: the policy that a plan applies.
    value
        Gain of the policy for each customer beyond control.
    sensitivity
        For each action the hidden confounding that would explain its mean effect away.
    """

    best_arm: int
    best_gain: Interval
    gain: Interval
    learner: str
    tried: int
    arms: int
    policy: str
    value: Interval
    sensitivity: tuple[Sensitivity, ...] = ()

    @property
    def personalize(self) -> bool:
        """Whether the interval of the gain lies above zero."""
        return self.policy != "none" and self.gain.low > 0.0

    def in_words(self, names: Sequence[str] = (), *, unit: str = "a customer") -> str:
        """Describe what the plan does and gains; `names` are those of the actions."""
        if self.policy == "none":
            return f"no tested action is expected to pay: treat none{self._confounding(names)}"
        spread = f"{self.gain.value:+.4g} {unit}, {self.gain.low:+.4g} to {self.gain.high:+.4g}"
        single = self._single(names)
        against = (
            f"personalizing gains {spread}, beyond {single}"
            if self.personalize
            else f"personalizing does not beat {single} beyond noise ({spread})"
        )
        return f"{_PLANS[self.policy]}; {against}{self._confounding(names)}"

    def _confounding(self, names: Sequence[str]) -> str:
        """Describe the hidden confounder that would explain the best action away."""
        arm = max(self.best_arm, 1)
        if len(self.sensitivity) < arm:
            return ""
        found = self.sensitivity[arm - 1]
        if found.bound <= 1.0:
            return ""
        name = f"'{names[arm - 1]}'" if names else f"action {arm}"
        return (
            f"; a hidden confounder would explain the effect of {name} away if it went with both "
            f"treatment and outcome at a risk ratio of {found.point:.2f} (E-value; "
            f"{found.bound:.2f} for the interval)"
        )

    def _single(self, names: Sequence[str]) -> str:
        if self.best_arm == 0:
            return "treat none"
        if names:
            return f"always '{names[self.best_arm - 1]}'"
        return "treat all" if self.arms == 2 else f"always action {self.best_arm}"

    def __str__(self) -> str:
        return self.in_words()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-able data."""
        return {
            "personalize": self.personalize,
            "policy": self.policy,
            "value": self.value.to_dict(),
            "best_arm": self.best_arm,
            "best_gain": self.best_gain.to_dict(),
            "gain": self.gain.to_dict(),
            "learner": self.learner,
            "tried": self.tried,
            "words": self.in_words(),
            "sensitivity": [found.to_dict() for found in self.sensitivity],
        }


def money(rows: ExperimentRows, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert scores (n, arms) of outcomes to money, net of the arms' costs."""
    return scores * rows.worth[:, None] - rows.cost


def policy_of(rows: ExperimentRows, effects: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the arm of each customer's highest forecast gain, control where none pays: (n,)."""
    gains = money(rows, np.column_stack([np.zeros(len(rows)), effects]))
    chosen: NDArray[np.int64] = np.argmax(gains, axis=1)
    return chosen


def best_arm(scores: NDArray[np.float64]) -> int:
    """Return the arm that does best for all; of equals the first."""
    return int(np.argmax(scores.mean(axis=0)))


def judge(
    rows: ExperimentRows,
    scores: NDArray[np.float64],
    effects: NDArray[np.float64],
    *,
    learner: str,
    tried: int,
    policy: str = "blend",
    sensitivity: tuple[Sensitivity, ...] = (),
) -> UpliftVerdict:
    """Compare the policy of held-out effects (n, arms - 1) with the best single arm."""
    worth = money(rows, scores)
    best = best_arm(worth)
    level = 1.0 - 0.05 / max(tried, 1)
    chosen = policy_of(rows, effects if policy != "none" else np.full_like(effects, -np.inf))
    return UpliftVerdict(
        best_arm=best,
        best_gain=paired_value(worth, best, 0, groups=rows.group),
        gain=paired_value(worth, chosen, best, groups=rows.group, level=level),
        learner=learner,
        tried=tried,
        arms=rows.arms,
        policy=policy,
        value=paired_value(worth, chosen, 0, groups=rows.group),
        sensitivity=sensitivity,
    )

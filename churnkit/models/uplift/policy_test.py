"""Whether personalising pays: a policy that follows forecasts against the best single arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation import paired_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.evaluation import Interval
    from churnkit.models.uplift.validation import ExperimentRows

__all__ = ["UpliftVerdict", "best_arm", "judge", "money", "policy_of"]


@dataclass(frozen=True, slots=True)
class UpliftVerdict:
    """What personalising gains, on customers that the forecasts did not see.

    Attributes
    ----------
    best_arm
        The single arm that does best for all; 0 is control.
    best_gain
        What it brings for each customer beyond control, in the outcome's unit or in money.
    gain
        What following the forecasts brings beyond the best arm, paired; the interval is widened
        for as many learners as were tried.
    learner
        Whose forecasts these are.
    tried
        How many learners were.
    arms
        How many there are, control included.
    """

    best_arm: int
    best_gain: Interval
    gain: Interval
    learner: str
    tried: int
    arms: int

    @property
    def personalise(self) -> bool:
        """Whether the interval of the gain lies above zero."""
        return self.gain.low > 0.0

    def in_words(self, names: Sequence[str] = ()) -> str:
        """Say the verdict; `names` are those of the actions, control left out."""
        spread = f"{self.gain.value:+.4g} a customer, {self.gain.low:+.4g} to {self.gain.high:+.4g}"
        if self.personalise:
            return f"personalising gains {spread}, beyond {self._single(names)}"
        return f"personalising gains nothing here ({spread}): {self._single(names)}"

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
            "personalise": self.personalise,
            "best_arm": self.best_arm,
            "best_gain": self.best_gain.to_dict(),
            "gain": self.gain.to_dict(),
            "learner": self.learner,
            "tried": self.tried,
            "words": self.in_words(),
        }


def money(rows: ExperimentRows, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn scores (n, arms) of outcomes into what they are worth, less what the arms cost."""
    return scores * rows.worth[:, None] - rows.cost


def policy_of(rows: ExperimentRows, effects: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give each customer the arm of the highest forecast gain, control where none pays: (n,)."""
    gains = money(rows, np.column_stack([np.zeros(len(rows)), effects]))
    chosen: NDArray[np.int64] = np.argmax(gains, axis=1)
    return chosen


def best_arm(scores: NDArray[np.float64]) -> int:
    """Give the arm that does best for all; of equals the first."""
    return int(np.argmax(scores.mean(axis=0)))


def judge(
    rows: ExperimentRows,
    scores: NDArray[np.float64],
    effects: NDArray[np.float64],
    *,
    learner: str,
    tried: int,
) -> UpliftVerdict:
    """Hold a learner's held-out effects (n, arms - 1) against the best single arm."""
    worth = money(rows, scores)
    best = best_arm(worth)
    level = 1.0 - 0.05 / max(tried, 1)
    return UpliftVerdict(
        best_arm=best,
        best_gain=paired_value(worth, best, 0, groups=rows.group),
        gain=paired_value(worth, policy_of(rows, effects), best, groups=rows.group, level=level),
        learner=learner,
        tried=tried,
        arms=rows.arms,
    )

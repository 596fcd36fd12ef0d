"""What a new model must beat before customers meet it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError
from churnkit.evaluation import METRICS, Comparison, compare

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GateResult", "PromotionGate"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a model may be promoted, and against what it was held.

    Parameters
    ----------
    passed
        Whether it may.
    baseline
        The model against the rule.
    champion
        The model against the champion, if there is one that could score the table.
    says
        The verdict in sentences.
    """

    passed: bool
    baseline: Comparison
    champion: Comparison | None
    says: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-able data."""
        return {
            "passed": self.passed,
            "baseline": self.baseline.to_dict(),
            "champion": None if self.champion is None else self.champion.to_dict(),
            "says": list(self.says),
        }


@dataclass(frozen=True, slots=True)
class PromotionGate:
    """Promote a model only if it beats a rule and the running champion.

    Against the rule the whole interval of the gain must lie above zero: a model that is not
    clearly better than a rule is not worth running. Against the champion the gain itself
    must: both have proved themselves, and the better guess is the newer one's if it is ahead
    on the same test customers. Intervals are paired, over resamples of those customers.

    Parameters
    ----------
    metric
        ``log_loss``, ``brier``, ``auc``... (see `churnkit.evaluation.METRICS`).

    Raises
    ------
    RecipeError
        If there is no such metric.
    """

    metric: str = "log_loss"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise RecipeError(f"gate: metric is one of {', '.join(METRICS)}")

    def judge(
        self,
        y: NDArray[Any],
        probability: NDArray[Any],
        baseline: NDArray[Any],
        champion: NDArray[Any] | None,
        *,
        rule: str,
        seed: int,
        sample_weight: NDArray[Any] | None = None,
    ) -> GateResult:
        """Hold a model's probabilities (n,) against the rule's and the champion's.

        Parameters
        ----------
        y
            Outcomes of the test customers, (n,).
        probability, baseline, champion
            What the model, the rule and the champion said of them, (n,).
        rule
            The rule in a sentence.
        seed
            For the resamples.
        sample_weight
            What each customer counts, (n,).
        """

        def compared(other: NDArray[Any]) -> Comparison:
            return compare(
                y, probability, other, metric=self.metric, sample_weight=sample_weight, seed=seed
            )

        against_rule = compared(baseline)
        beats_rule = against_rule.verdict == "better"
        says = [f"{'passed' if beats_rule else 'FAILED'} against the rule ({rule}): {against_rule}"]
        against_champion = None
        beats_champion = True
        if champion is not None:
            against_champion = compared(champion)
            beats_champion = against_champion.gain.value > 0.0
            verdict = "passed" if beats_champion else "FAILED"
            says.append(f"{verdict} against the champion: {against_champion}")
        return GateResult(
            beats_rule and beats_champion, against_rule, against_champion, tuple(says)
        )

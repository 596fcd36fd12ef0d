"""Promotion gate: paired comparisons of a new model with the baseline rule and the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.errors import RecipeError
from churnkit.evaluation import METRICS, Comparison, compare
from churnkit.evaluation.classification.fit_interval import compare_refits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.pipeline.training.actions_gate import ActionsVerdict

__all__ = ["GateResult", "PromotionGate"]

_LOG_LOSS = "log_loss"


@dataclass(frozen=True, slots=True)
class GateResult(Result):
    """Verdict of a promotion gate.

    Parameters
    ----------
    passed
        True if the model may be promoted.
    baseline
        Comparison with the baseline rule.
    champion
        Comparison with the champion; None if there is none that can score the table.
    says
        The verdict, one sentence per comparison.
    actions
        Verdict on actions that differ from the champion's under the same scores; None otherwise.
    """

    passed: bool
    baseline: Comparison
    champion: Comparison | None
    says: tuple[str, ...]
    actions: ActionsVerdict | None = None


@dataclass(frozen=True, slots=True)
class PromotionGate:
    """Promote a model only if it beats the baseline rule and the champion.

    Against both, the whole paired interval of the gain must be positive (see
    `churnkit.evaluation.compare`): a model that is ahead of the champion by chance alone is not
    promoted. With the log loss it must beat the overall churn rate in the same way. A model with
    the champion's scores and other actions is judged by its actions in place of the champion.

    Parameters
    ----------
    metric
        Metric of the comparison, a key of `churnkit.evaluation.METRICS`.

    Raises
    ------
    RecipeError
        If the metric is unknown.
    """

    metric: str = _LOG_LOSS

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise RecipeError(
                f"gate: metric must be one of {', '.join(METRICS)}, got '{self.metric}'"
            )

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
        actions: ActionsVerdict | None = None,
        cross_fitted: bool = False,
    ) -> GateResult:
        """Compare a model with the baseline rule and the champion.

        Parameters
        ----------
        y
            Outcomes of the test customers, shape (n,).
        probability, baseline, champion
            Predictions of the model, the rule and the champion, shape (n,). The champion's are
            NaN for customers that it was trained on; they are not compared.
        rule
            Description of the rule.
        seed
            Seed of the resamples.
        sample_weight
            Weight of each customer, shape (n,).
        actions
            Verdict on actions that differ from the champion's, see `judge_actions`; None if they
            are the same. It decides for a model with the champion's scores.
        cross_fitted
            Whether each row was predicted by a model fitted to other folds; intervals are then
            those of a refit, see `evaluate_refit`.

        Returns
        -------
        GateResult
            The verdict.
        """

        def compare_with(other: NDArray[Any], rows: NDArray[np.bool_]) -> Comparison:
            weight = None if sample_weight is None else sample_weight[rows]
            compared = compare(
                y[rows],
                probability[rows],
                other[rows],
                metric=self.metric,
                sample_weight=weight,
                seed=seed,
            )
            if not cross_fitted:
                return compared
            return compare_refits(compared, rows=int(rows.sum()), churners=int(y[rows].sum()))

        everybody = np.ones(len(y), dtype=np.bool_)
        with_rule = compare_with(baseline, everybody)
        passed = with_rule.verdict == "better"
        says = [f"{_verdict(passed)} against the baseline rule ({rule}): {with_rule}"]
        with_champion, decisive = None, None
        unseen = everybody if champion is None else ~np.isnan(champion)
        if champion is not None and np.unique(y[unseen]).size < 2:
            says.append(
                f"FAILED against the champion: the {int(unseen.sum()):,} rows that it was not trained "
                "on do not have both outcomes"
            )
            passed = False
        elif champion is not None:
            with_champion = compare_with(champion, unseen)
            beats_champion = with_champion.verdict == "better"
            reason = str(with_champion)
            if actions is not None and _is_same(probability, champion):
                decisive = actions
                beats_champion, reason = actions.passed, "the same scores, with other actions"
            compared = int(unseen.sum())
            if compared < len(y):
                reason += f", on the {compared:,} of {len(y):,} rows that it was not trained on"
            says.append(f"{_verdict(beats_champion)} against the champion: {reason}")
            passed = passed and beats_champion
            says += [] if decisive is None else [decisive.says]
        if self.metric == _LOG_LOSS:
            # A rule may be worse than no rule, in tables of noise.
            rate = np.full(len(y), np.average(y, weights=sample_weight))
            with_rate = compare_with(rate, everybody)
            if with_rate.verdict != "better":
                says.append(f"FAILED against the overall churn rate: {with_rate}")
                passed = False
        return GateResult(passed, with_rule, with_champion, tuple(says), decisive)


def _is_same(probability: NDArray[Any], champion: NDArray[Any]) -> bool:
    rows = ~np.isnan(champion)
    return np.array_equal(probability[rows], champion[rows])


def _verdict(passed: bool) -> str:  # noqa: FBT001 - the only argument
    return "passed" if passed else "FAILED"

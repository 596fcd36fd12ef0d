"""Promotion gate: paired comparisons of a new model with the baseline rule and the champion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.errors import RecipeError
from churnkit.evaluation import METRICS, Comparison, compare
from churnkit.evaluation.classification.fit_interval import compare_refits
from churnkit.evaluation.classification.repeated_rows import count_rarer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.pipeline.training.actions_gate import ActionsVerdict

__all__ = ["GateResult", "PromotionGate"]

_LOG_LOSS = "log_loss"
_USE_RULE = (
    ". One column predicts as well as all: act on the rule, or add tables and columns of what "
    "customers did before"
)
_NO_SIGNAL = (
    ". These features do not predict the label: check the label and its dates, or add tables and "
    "columns of what customers did before"
)
_RANKS = (
    ". The model ranks customers better than chance, but its probabilities are further from the "
    "outcomes than the overall rate: "
)
_MOVED = (
    "churn at the tested dates may differ from that at earlier ones. Use a longer period, or a "
    "shorter horizon"
)
_OVERCONFIDENT = (
    "they are over-confident or badly calibrated. Train on more customers or fewer columns, or with "
    "ChurnClassifier, which calibrates"
)


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

    The whole paired interval of the gain over the champion must be positive (see
    `churnkit.evaluation.compare`): a model that is ahead by chance alone is not promoted. With the
    log loss, so must the interval of the gain over the overall churn rate, and the estimated gain
    over the baseline rule must be positive. With other metrics the interval of the gain over the
    rule must be positive. A model with the champion's scores and other actions is judged by its
    actions in place of the champion.

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
        customers: NDArray[Any] | None = None,
        actions: ActionsVerdict | None = None,
        cross_fitted: bool = False,
        is_forward: bool = False,
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
            Weight of each row, shape (n,).
        customers
            Customer of each row, shape (n,); None if each has one row.
        actions
            Verdict on actions that differ from the champion's, see `judge_actions`; None if they
            are the same. It decides for a model with the champion's scores.
        cross_fitted
            Whether each row was predicted by a model fitted to other folds; intervals are then
            those of a refit, see `evaluate_refit`.
        is_forward
            Whether the tested rows are later than those that the models were fitted to.

        Returns
        -------
        GateResult
            The verdict.
        """

        def compare_with(
            other: NDArray[Any],
            rows: NDArray[np.bool_],
            metric: str = self.metric,
            *,
            scores: NDArray[Any] = probability,
        ) -> Comparison:
            weight = None if sample_weight is None else sample_weight[rows]
            ids = None if customers is None else customers[rows]
            compared = compare(
                y[rows],
                scores[rows],
                other[rows],
                metric=metric,
                sample_weight=weight,
                customers=ids,
                seed=seed,
            )
            return (
                compare_refits(compared, rarer=count_rarer(y[rows], ids))
                if cross_fitted
                else compared
            )

        everybody = np.ones(len(y), dtype=np.bool_)
        with_rule = compare_with(baseline, everybody)
        is_shown = with_rule.verdict == "better"
        passed = is_shown or (self.metric == _LOG_LOSS and with_rule.gain.value > 0)
        ahead = "ahead as estimated, which suffices; " if passed and not is_shown else ""
        # A rule may be worse than no rule, in tables of noise.
        rate = np.full(len(y), np.average(y, weights=sample_weight))
        rule_predicts = (
            with_rule.gain.value <= 0
            and compare_with(rate, everybody, _LOG_LOSS, scores=baseline).verdict == "better"
        )
        advice = _USE_RULE if rule_predicts else ""
        says = [
            f"{_verdict(passed)} against the baseline rule ({rule}): {ahead}{with_rule}{advice}"
        ]
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
            with_rate = compare_with(rate, everybody)
            beats_rate = with_rate.verdict == "better"
            passed = passed and beats_rate
            if not beats_rate or not is_shown:
                advice = ""
                if not beats_rate:
                    advice = _advise(
                        with_rate,
                        rarer=count_rarer(y, customers),
                        ranks=compare_with(rate, everybody, "auc").verdict == "better",
                        rule_predicts=rule_predicts,
                        is_forward=is_forward,
                    )
                says.append(
                    f"{_verdict(beats_rate)} against the overall churn rate: {with_rate}{advice}"
                )
        return GateResult(passed, with_rule, with_champion, tuple(says), decisive)


def _is_same(probability: NDArray[Any], champion: NDArray[Any]) -> bool:
    rows = ~np.isnan(champion)
    return np.array_equal(probability[rows], champion[rows])


def _advise(
    with_rate: Comparison, *, rarer: int, ranks: bool, rule_predicts: bool, is_forward: bool
) -> str:
    """Return why the gain over the rate is not shown, and what to do."""
    gain = with_rate.gain
    if gain.value <= 0 and ranks:
        return _RANKS + (_MOVED if is_forward else _OVERCONFIDENT)
    if gain.value <= 0:
        return "" if rule_predicts else _NO_SIGNAL
    # The width of an interval falls with the square root of the number of customers.
    needed = math.ceil(rarer * ((gain.value - gain.low) / gain.value) ** 2)
    return (
        f". The gain is positive but uncertain: {rarer:,} test customers of the rarer outcome are "
        f"too few, about {needed:,} show a gain of this size. Use a longer period or more customers"
    )


def _verdict(passed: bool) -> str:  # noqa: FBT001 - the only argument
    return "passed" if passed else "FAILED"

"""All metrics of a set of predictions, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.evaluation.classification.bootstrap import (
    LEVEL,
    percentile_interval,
    resampled_counts,
    share_interval,
)
from churnkit.evaluation.classification.compare import mean_interval
from churnkit.evaluation.classification.metrics import METRICS
from churnkit.evaluation.classification.repeated_rows import count_rarer
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.evaluation.validation import check_customers, check_outcome, check_weight

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval
    from churnkit.evaluation.classification.metrics import Metric
    from churnkit.evaluation.classification.score_order import ScoreGroups

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation(Result):
    """Result of `evaluate`.

    Parameters
    ----------
    metrics
        Each metric of `churnkit.evaluation.METRICS` by name, with its 95% interval.
    rows, churners
        Number of customers, and of churners among them.
    resamples
        Number of resamples behind the intervals.
    baseline
        The metrics of the baseline's probabilities; None without a baseline.
    level
        Confidence level of the intervals.
    """

    metrics: Mapping[str, Interval]
    rows: int
    churners: int
    resamples: int
    baseline: Mapping[str, Interval] | None = None
    level: float = field(default=LEVEL)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able numbers.

        Examples
        --------
        >>> found = evaluate([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.5], seed=0)
        >>> found.to_dict()["metrics"]["auc"]["value"]
        0.75
        """
        return {
            "rows": self.rows,
            "churners": self.churners,
            "resamples": self.resamples,
            "level": self.level,
            "metrics": {name: figure.to_dict() for name, figure in self.metrics.items()},
            "baseline": None
            if self.baseline is None
            else {name: figure.to_dict() for name, figure in self.baseline.items()},
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per metric.

        Examples
        --------
        >>> evaluate([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.5], seed=0).to_frame().loc["auc", "value"]
        np.float64(0.75)
        """
        import pandas as pd

        rows: dict[str, dict[str, Any]] = {}
        for name, figure in self.metrics.items():
            rows[name] = {"title": METRICS[name].title, **figure.to_dict()}
            if self.baseline is not None:
                baseline = self.baseline[name].to_dict()
                rows[name] |= {f"baseline_{key}": number for key, number in baseline.items()}
        frame = pd.DataFrame.from_dict(rows, orient="index")
        frame.index.name = "metric"
        return frame


def evaluate(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    baseline: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    customers: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 200,
) -> Evaluation:
    """Compute every metric with its 95% interval.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    baseline : (n,)
        Probabilities of a simpler model, measured on the same resamples.
    sample_weight : (n,)
        Weights of the rows.
    customers : (n,)
        The customer of each row, if customers have several: their rows depend on each other.
    seed
        The same seed gives the same intervals.
    resamples
        Number of resamples behind the intervals.

    Returns
    -------
    Evaluation
        `.metrics["auc"].value`, `.low`, `.high`, and so on.

    Raises
    ------
    EvaluationError
        Only one class occurs, or a probability is outside 0 to 1.

    Notes
    -----
    The intervals are of the metric for the same predictions on other customers of the same
    kind. Log loss and Brier score are means over rows and have gamma limits
    (`event_mean_interval`); AUC and average precision have intervals on the logit scale with the
    bootstrap's standard error, the others percentiles of a bootstrap over customers. The lower
    limit of the calibration error is 0 unless it exceeds what perfect probabilities have by
    chance.

    Examples
    --------
    >>> found = evaluate([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.5], baseline=[0.5] * 4, seed=0)
    >>> found.metrics["auc"].value, found.baseline["auc"].value
    (0.75, 0.5)
    """
    outcome = check_outcome(y)
    weight = check_weight(sample_weight, rows=len(outcome))
    codes = check_customers(customers, rows=len(outcome))
    predictions = [probability] if baseline is None else [probability, baseline]
    rankings = [RankedOutcomes(outcome, scores) for scores in predictions]
    resampled = [name for name, metric in METRICS.items() if metric.losses is None]
    replicates = np.empty((len(rankings), len(resampled), resamples))
    resampling = resampled_counts(outcome, resamples=resamples, seed=seed, customers=codes)
    for at, counts in enumerate(resampling):
        drawn = counts if weight is None else counts * weight
        for which, ranked in enumerate(rankings):
            groups = ranked.group(drawn)
            replicates[which, :, at] = [METRICS[name].compute(groups) for name in resampled]
    size = float(count_rarer(outcome, codes))
    measured = []
    for scores, ranked, draws in zip(predictions, rankings, replicates, strict=True):
        groups = ranked.group(weight)
        of_name = dict(zip(resampled, draws, strict=True))
        risk = np.asarray(scores, dtype=np.float64)
        measured.append(
            {
                name: replace(
                    mean_interval(metric.losses(outcome, risk), weight, codes),
                    value=metric.compute(groups),
                )
                if metric.losses is not None
                else _interval(metric, groups, of_name[name], size)
                for name, metric in METRICS.items()
            }
        )
    return Evaluation(
        metrics=measured[0],
        baseline=measured[1] if baseline is not None else None,
        rows=len(outcome),
        churners=int(outcome.sum()),
        resamples=resamples,
    )


def _interval(
    metric: Metric, groups: ScoreGroups, replicates: NDArray[np.float64], size: float
) -> Interval:
    value = metric.compute(groups)
    if metric.is_share:
        return share_interval(value, replicates, size)
    noise = None if metric.noise is None else metric.noise(groups)
    return percentile_interval(value, replicates, noise=noise)

"""All metrics of a set of predictions, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.bootstrap import LEVEL, interval, resampled_counts
from churnkit.evaluation.classification.metrics import METRICS
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.evaluation.validation import check_outcome, check_weight

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Result of `evaluate`.

    Attributes
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

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.4f}".format))


def evaluate(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    baseline: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 200,
) -> Evaluation:
    """Compute every metric with a stratified bootstrap interval.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn
    baseline : (n,) probabilities of a simpler model, measured on the same resamples
    sample_weight : (n,) weights of the rows
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
    Churners and stayers are resampled separately, so each resample has the table's churn rate.
    The interval of the calibration error is shifted to its value (see `Metric`).

    Examples
    --------
    >>> found = evaluate([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.5], baseline=[0.5] * 4, seed=0)
    >>> found.metrics["auc"].value, found.baseline["auc"].value
    (0.75, 0.5)
    """
    outcome = check_outcome(y)
    weight = check_weight(sample_weight, rows=len(outcome))
    rankings = [RankedOutcomes(outcome, probability)]
    if baseline is not None:
        rankings.append(RankedOutcomes(outcome, baseline))
    replicates = np.empty((len(rankings), len(METRICS), resamples))
    for at, counts in enumerate(resampled_counts(outcome, resamples=resamples, seed=seed)):
        drawn = counts if weight is None else counts * weight
        for which, ranked in enumerate(rankings):
            replicates[which, :, at] = _values(ranked, drawn)
    measured = [
        _intervals(_values(ranked, weight), replicates[which])
        for which, ranked in enumerate(rankings)
    ]
    return Evaluation(
        metrics=measured[0],
        baseline=measured[1] if baseline is not None else None,
        rows=len(outcome),
        churners=int(outcome.sum()),
        resamples=resamples,
    )


def _values(ranked: RankedOutcomes, weight: NDArray[np.float64] | None) -> list[float]:
    groups = ranked.group(weight)
    return [metric.compute(groups) for metric in METRICS.values()]


def _intervals(values: list[float], replicates: NDArray[np.float64]) -> dict[str, Interval]:
    return {
        name: interval(value, drawn, bias_corrected=metric.bias_corrected)
        for (name, metric), value, drawn in zip(METRICS.items(), values, replicates, strict=True)
    }

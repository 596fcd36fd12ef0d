"""Paired comparison of two sets of predictions on the same customers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.gamma_interval import event_mean_interval
from churnkit.evaluation.classification.bootstrap import percentile_interval, resampled_counts
from churnkit.evaluation.classification.metrics import METRICS, find_metric
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.evaluation.validation import check_customers, check_outcome, check_weight

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from churnkit.core.stats.interval import Interval

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison(Result):
    """Result of `compare`; prints as the verdict.

    Parameters
    ----------
    metric
        The metric's name in `churnkit.evaluation.METRICS`.
    new, old
        The metric of each set of predictions.
    gain
        Improvement of the new predictions in the metric's units, with its paired interval;
        above zero is better, whichever way the metric runs.
    """

    metric: str
    new: float
    old: float
    gain: Interval

    @property
    def verdict(self) -> Literal["better", "worse", "no difference"]:
        """Position of the gain's interval: above zero, below zero, or across it.

        Examples
        --------
        >>> compare([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.5], [0.1, 0.9, 0.4, 0.5], seed=0).verdict
        'no difference'
        """
        if self.gain.low > 0:
            return "better"
        if self.gain.high < 0:
            return "worse"
        return "no difference"

    def __str__(self) -> str:
        values = f"{METRICS[self.metric].title} {self.new:.4f} vs {self.old:.4f}"
        spread = f"(95% interval of the gain: {self.gain.low:+.4f} to {self.gain.high:+.4f})"
        if self.verdict == "no difference":
            return f"no detectable difference: {values} {spread}"
        return f"{self.verdict} by {abs(self.gain.value):.4f}: {values} {spread}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {**asdict(self), "verdict": self.verdict}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame of one row."""
        import pandas as pd

        gain = {"gain": self.gain.value, "gain_low": self.gain.low, "gain_high": self.gain.high}
        row = {"metric": self.metric, "new": self.new, "old": self.old, **gain}
        return pd.DataFrame([{**row, "verdict": self.verdict}])


def compare(
    y: ArrayLike,
    new: ArrayLike,
    old: ArrayLike,
    *,
    metric: str = "log_loss",
    sample_weight: ArrayLike | None = None,
    customers: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 500,
) -> Comparison:
    """Compare new predictions with old ones on the same customers.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    new, old : (n,)
        Probabilities of churn.
    metric
        A name of `churnkit.evaluation.METRICS`.
    sample_weight : (n,)
        Weights of the rows.
    customers : (n,)
        The customer of each row, if customers have several: their rows depend on each other.
    seed
        The same seed gives the same interval.
    resamples
        Number of paired resamples.

    Returns
    -------
    Comparison
        Prints as a verdict.

    Raises
    ------
    EvaluationError
        The metric is unknown, or outcomes or probabilities are invalid.

    Notes
    -----
    The interval is of the difference for these two sets of predictions on other customers.
    Differences of log loss and Brier score are means over rows with gamma limits
    (`event_mean_interval`); the others have percentiles of a paired bootstrap over customers.

    Examples
    --------
    >>> y = [0, 1] * 50
    >>> print(compare(y, [0.2, 0.8] * 50, [0.5] * 100, seed=0))  # doctest: +ELLIPSIS
    better by 0.4700: Log loss 0.2231 vs 0.6931 (95% interval of the gain: ...)
    """
    measure = find_metric(metric)
    outcome = check_outcome(y)
    weight = check_weight(sample_weight, rows=len(outcome))
    codes = check_customers(customers, rows=len(outcome))
    rankings = (RankedOutcomes(outcome, new), RankedOutcomes(outcome, old))
    values = [measure.compute(ranked.group(weight)) for ranked in rankings]
    if measure.losses is not None:
        losses = [measure.losses(outcome, np.asarray(p, dtype=np.float64)) for p in (new, old)]
        gain = mean_interval(losses[1] - losses[0], weight, codes)
    else:
        replicates = np.empty(resamples)
        draws = resampled_counts(outcome, resamples=resamples, seed=seed, customers=codes)
        for at, counts in enumerate(draws):
            drawn = counts if weight is None else counts * weight
            pair = [measure.compute(ranked.group(drawn)) for ranked in rankings]
            replicates[at] = measure.sign * (pair[0] - pair[1])
        gain = percentile_interval(measure.sign * (values[0] - values[1]), replicates)
    return Comparison(metric=metric, new=values[0], old=values[1], gain=gain)


def mean_interval(
    rows: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    customers: NDArray[np.intp] | None = None,
) -> Interval:
    """Return the weighted mean of row losses, or of their differences, with gamma limits.

    Examples
    --------
    >>> print(mean_interval(np.tile([0.0, 1.0], 50), None))
    0.500 (0.406 to 0.615)
    """
    if weight is None:
        return event_mean_interval(np.zeros(len(rows)), np.ones(len(rows)), rows, cluster=customers)
    share = weight / weight.mean()
    mean = float((share * rows).mean())
    return event_mean_interval(mean * (1 - share), share, rows, cluster=customers)

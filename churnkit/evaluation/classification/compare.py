"""Whether one set of predictions is better than another, or whether nobody can tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.evaluation.classification.bootstrap import interval, resampled_counts
from churnkit.evaluation.classification.metrics import METRICS
from churnkit.evaluation.classification.score_order import (
    EvaluationError,
    Ranked,
    checked_outcome,
    checked_weight,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from churnkit.core.stats.interval import Interval

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    metric
        The metric's name in `churnkit.evaluation.METRICS`.
    new, old
        The metric of each.
    gain
        How much better the new predictions are, in the metric's own units, above zero for
        better whichever way the metric runs; with its paired interval.
    """

    metric: str
    new: float
    old: float
    gain: Interval

    @property
    def verdict(self) -> Literal["better", "worse", "no difference"]:
        """One of three: the interval of the gain lies above zero, below it, or across it.

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
        title = METRICS[self.metric].title
        figures = f"{title} {self.new:.4f} against {self.old:.4f}"
        spread = f"(95% interval of the gain: {self.gain.low:+.4f} to {self.gain.high:+.4f})"
        if self.verdict == "no difference":
            return f"no difference that these customers can show: {figures} {spread}"
        return f"{self.verdict} by {abs(self.gain.value):.4f}: {figures} {spread}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {**asdict(self), "verdict": self.verdict}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame of one row."""
        import pandas as pd

        gain = {"gain": self.gain.value, "gain_low": self.gain.low, "gain_high": self.gain.high}
        row = {"metric": self.metric, "new": self.new, "old": self.old, **gain}
        return pd.DataFrame([{**row, "verdict": self.verdict}])

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


def compare(
    y: ArrayLike,
    new: ArrayLike,
    old: ArrayLike,
    *,
    metric: str = "log_loss",
    sample_weight: ArrayLike | None = None,
    seed: int = 0,
    resamples: int = 500,
) -> Comparison:
    """Hold new predictions against old ones on the same customers.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    new, old : (n,) probabilities of churn
    metric
        A name of `churnkit.evaluation.METRICS`.
    sample_weight : (n,) weights of the rows
    seed
        The same seed gives the same interval.
    resamples
        How many paired resamples the interval rests on.

    Returns
    -------
    Comparison
        Prints as a verdict.

    Raises
    ------
    EvaluationError
        The metric is unknown, or outcomes and probabilities cannot be used.

    Examples
    --------
    >>> y = [0, 1] * 50
    >>> print(compare(y, [0.2, 0.8] * 50, [0.5] * 100, seed=0))  # doctest: +ELLIPSIS
    better by 0.4700: Log loss 0.2231 against 0.6931 (95% interval of the gain: ...)
    """
    if metric not in METRICS:
        raise EvaluationError(f"there is no metric {metric!r}: use one of {', '.join(METRICS)}")
    outcome = checked_outcome(y)
    weight = checked_weight(sample_weight, rows=len(outcome))
    rankings = (Ranked(outcome, new), Ranked(outcome, old))
    of = METRICS[metric].of
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    replicates = np.empty(resamples)
    for at, counts in enumerate(resampled_counts(outcome, resamples=resamples, seed=seed)):
        drawn = counts if weight is None else counts * weight
        replicates[at] = sign * (of(rankings[0].mass(drawn)) - of(rankings[1].mass(drawn)))
    figures = [of(ranked.mass(weight)) for ranked in rankings]
    gain = interval(sign * (figures[0] - figures[1]), replicates)
    return Comparison(metric=metric, new=figures[0], old=figures[1], gain=gain)

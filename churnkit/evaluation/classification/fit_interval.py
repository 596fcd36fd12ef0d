"""Intervals of a model refitted on all rows, from predictions of fits to other folds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.metrics import METRICS

if TYPE_CHECKING:
    from churnkit.evaluation.classification.compare import Comparison
    from churnkit.evaluation.classification.evaluate import Evaluation

__all__ = ["compare_refits", "evaluate_refit"]

# Variance that the fits add, as in simulations (`python -m benchmarks.cross_fitting`): that of 50
# customers of the rarer class, relative to those in the table.
_FIT_VARIANCE = 50.0


def evaluate_refit(evaluation: Evaluation, *, rarer: int | None = None) -> Evaluation:
    """Widen the intervals of out-of-fold predictions to those of a refit on all rows.

    An interval of `evaluate` holds for fixed predictions. The refitted model differs from the
    models of the folds, by chance, and its own metrics on new customers vary with the table. The
    width is multiplied by the square root of ``1 + 50 / m``, where ``m`` is the number of churners
    or of those who stayed, whichever is smaller.

    Parameters
    ----------
    evaluation
        Of predictions by models that were each fitted without the row's fold.
    rarer
        Number of customers of the rarer outcome, if customers have several rows.

    Returns
    -------
    Evaluation

    References
    ----------
    Bates, Hastie and Tibshirani (2024). Cross-validation: what does it estimate and how well does
    it do it? JASA 119. doi:10.1080/01621459.2023.2197686

    Examples
    --------
    >>> from churnkit.evaluation import evaluate
    >>> crossed = evaluate([0, 1] * 50, [0.2, 0.8] * 50, seed=0)
    >>> print(crossed.metrics["log_loss"], evaluate_refit(crossed).metrics["log_loss"])
    0.223 (0.223 to 0.230) 0.223 (0.223 to 0.233)
    """
    factor = _factor(rarer or min(evaluation.churners, evaluation.rows - evaluation.churners))

    def widen(metrics: dict[str, Interval]) -> dict[str, Interval]:
        return {
            name: _widen(interval, factor, top=1.0 if METRICS[name].is_share else None)
            for name, interval in metrics.items()
        }

    baseline = evaluation.baseline
    return replace(
        evaluation,
        metrics=widen(dict(evaluation.metrics)),
        baseline=None if baseline is None else widen(dict(baseline)),
    )


def compare_refits(comparison: Comparison, *, rarer: int) -> Comparison:
    """Widen the interval of a gain in the same way.

    Parameters
    ----------
    comparison
        Of two sets of out-of-fold predictions.
    rarer
        Number of customers who churned, or who stayed, whichever is smaller.

    Examples
    --------
    >>> from churnkit.evaluation import compare
    >>> y = [0, 1, 1, 0, 1] * 20
    >>> crossed = compare(y, [0.2, 0.7, 0.6, 0.4, 0.5] * 20, [0.6] * 100, seed=0)
    >>> wide = compare_refits(crossed, rarer=40)
    >>> wide.gain.low < crossed.gain.low, wide.gain.value == crossed.gain.value
    (True, True)
    """
    gain = comparison.gain
    factor = _factor(rarer)
    low, high = (gain.value + factor * (limit - gain.value) for limit in (gain.low, gain.high))
    return replace(comparison, gain=Interval(gain.value, low, high))


def _factor(rarer: int) -> float:
    return float((1 + _FIT_VARIANCE / max(rarer, 1)) ** 0.5)


def _widen(interval: Interval, factor: float, *, top: float | None) -> Interval:
    """Return a wider interval of a metric that is not negative."""
    value = interval.value
    low = max(0.0, value + factor * (interval.low - value))
    high = value + factor * (interval.high - value)
    return Interval(value, low, high if top is None else min(top, high))

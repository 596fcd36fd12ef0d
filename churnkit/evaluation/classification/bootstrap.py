"""Stratified bootstrap: churners and stayers are resampled separately."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["LEVEL", "interval", "resampled_counts"]

LEVEL = 0.95


def resampled_counts(
    outcome: NDArray[np.float64], *, resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Yield how often each row is drawn; both classes keep their size.

    Parameters
    ----------
    outcome : (n,) 0 and 1
    resamples
        Number of resamples.
    seed
        The same seed yields the same counts.

    Yields
    ------
    (n,) counts as floats

    Examples
    --------
    >>> counts = next(resampled_counts(np.array([0.0, 1.0, 0.0]), resamples=2, seed=0))
    >>> counts.sum(), counts[1]
    (np.float64(3.0), np.float64(1.0))
    """
    if resamples < 2:
        raise EvaluationError(f"resamples must be at least 2, got {resamples}")
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(outcome == group) for group in (0.0, 1.0)]
    for _ in range(resamples):
        counts = np.empty(len(outcome))
        for rows in classes:
            drawn = rng.integers(len(rows), size=len(rows))
            counts[rows] = np.bincount(drawn, minlength=len(rows))
        yield counts


def interval(
    value: float, replicates: NDArray[np.float64], *, bias_corrected: bool = False
) -> Interval:
    """Return a value with the central 95% of its resampled values.

    Parameters
    ----------
    value
        The value on the original rows.
    replicates : (resamples,) the value on each resample
    bias_corrected
        Shift the replicates to the value and clip them at zero: for metrics that noise can
        only increase.

    Examples
    --------
    >>> interval(1.0, np.array([0.9, 1.0, 1.1]))
    Interval(value=1.0, low=0.905, high=1.095)
    """
    tail = (1 - LEVEL) / 2
    low, high = (float(edge) for edge in np.quantile(replicates, [tail, 1 - tail]))
    if bias_corrected:
        excess = float(replicates.mean()) - value
        low, high = max(0.0, low - excess), high - excess
    return Interval(value, low, high)

"""Bootstrap over customers, and intervals of metrics from its replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.core.stats.special import wilson_interval
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["LEVEL", "percentile_interval", "resampled_counts", "share_interval"]

LEVEL = 0.95


def resampled_counts(
    outcome: NDArray[np.float64],
    *,
    resamples: int,
    seed: int,
    customers: NDArray[np.intp] | None = None,
) -> Iterator[NDArray[np.float64]]:
    """Yield how often each row is drawn; resamples without both classes are redrawn.

    The number of churners varies from resample to resample, as it does between tables of
    customers: a stratified bootstrap would leave that variance out of the intervals.

    Parameters
    ----------
    outcome : (n,) 0 and 1
    resamples
        Number of resamples.
    seed
        The same seed yields the same counts.
    customers : (n,) codes from 0, without gaps; all rows of a customer are drawn together

    Yields
    ------
    (n,) counts as floats

    Examples
    --------
    >>> next(resampled_counts(np.array([0.0, 1.0, 0.0]), resamples=2, seed=0)).sum()
    np.float64(3.0)
    """
    if resamples < 2:
        raise EvaluationError(f"resamples must be at least 2, got {resamples}")
    rng = np.random.default_rng(seed)
    drawn = len(outcome) if customers is None else int(customers.max()) + 1
    for _ in range(resamples):
        churners, rows = 0.0, 0.0
        while not 0 < churners < rows:
            counts = np.bincount(rng.integers(drawn, size=drawn), minlength=drawn).astype(
                np.float64
            )
            counts = counts if customers is None else counts[customers]
            churners, rows = float(counts @ outcome), float(counts.sum())
        yield counts


def percentile_interval(
    value: float, replicates: NDArray[np.float64], *, noise: float | None = None
) -> Interval:
    """Return a value with the central 95% of its resampled values.

    Parameters
    ----------
    value
        The value on the original rows.
    replicates : (resamples,) the value on each resample
    noise
        For errors that noise increases: the expected value for a perfect model. The replicates
        are then shifted to the value, and the lower limit by the noise, down to zero.

    Returns
    -------
    Interval

    Examples
    --------
    >>> percentile_interval(1.0, np.array([0.9, 1.0, 1.1]))
    Interval(value=1.0, low=0.905, high=1.095)
    """
    tail = (1 - LEVEL) / 2
    low, high = (float(edge) for edge in np.quantile(replicates, [tail, 1 - tail]))
    if noise is not None:
        excess = float(replicates.mean()) - value
        low, high = max(0.0, low - excess - noise), high - excess
    return Interval(value, low, high)


def share_interval(value: float, replicates: NDArray[np.float64], size: float) -> Interval:
    """Return a value between 0 and 1 with its interval on the logit scale.

    Parameters
    ----------
    value
        The value on the original rows.
    replicates : (resamples,) the value on each resample
    size
        Number of rows of the rarer class, which with the number of resamples gives the degrees of
        freedom of the standard error; for values of 0 and 1, that of Wilson's interval.

    Returns
    -------
    Interval

    References
    ----------
    Boyd, Eng, Page (2013), ECML PKDD, doi:10.1007/978-3-642-40994-3_29 (average precision).

    Examples
    --------
    >>> print(share_interval(0.8, np.linspace(0.7, 0.9, 101), 20))
    0.800 (0.629 to 0.904)
    """
    from scipy.special import stdtrit

    inside = replicates[(replicates > 0) & (replicates < 1)]
    if not 0 < value < 1 or len(inside) < 2:
        low, high = map(float, wilson_interval(value, size))
        return Interval(value, low, high)
    logit = np.log(inside / (1 - inside))
    # Few churners and few resamples leave the standard error itself uncertain.
    freedom = 1.0 / (1.0 / max(size - 1.0, 1.0) + 1.0 / (len(inside) - 1.0))
    quantile = float(stdtrit(freedom, (1 + LEVEL) / 2))
    # Resampling m rows understates the variance by a share of about 2 / m (measured, 10 to 100).
    understated = (size + 1.0) / max(size - 1.0, 1.0)
    reach = float(np.exp(quantile * logit.std(ddof=1) * np.sqrt(understated)))
    odds = value / (1 - value)
    return Interval(value, odds / reach / (1 + odds / reach), odds * reach / (1 + odds * reach))

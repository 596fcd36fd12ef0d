"""Interval of a mean of rare or heavy-tailed events, by gamma distributions.

A normal or bootstrap interval degenerates where only a few events were observed: none at all leave
no variance. The gamma interval of a weighted sum of Poisson events (Fay and Feuer 1997) adds one
unobserved event to the upper limit, as Garwood's exact limits of a Poisson count do, and tends to
the normal interval as events grow frequent. Its unobserved event has the size-weighted mean size
(Tiwari, Clegg and Zou 2006); means of both signs are combined from the limits of their parts
(Zou and Donner 2008, MOVER).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.core.stats.interval import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["event_mean_interval"]


class _Part(NamedTuple):
    """Centered rows of a part of the mean, and the distances of its limits, below and above."""

    rows: NDArray[np.float64]
    below: float
    above: float


def event_mean_interval(
    base: NDArray[np.float64],
    weight: NDArray[np.float64],
    event: NDArray[np.float64],
    *,
    unseen: tuple[float, float] = (0.0, 0.0),
    cluster: NDArray[np.intp] | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the mean of ``base + weight * event`` with its interval.

    Parameters
    ----------
    base : (n,) ordinary part of each row
    weight : (n,) multiplier of the row's event, of any sign
    event : (n,) size of the row's event, 0 for most rows if events are rare
    unseen
        Sizes of a positive and of a negative event, for rows without any event.
    cluster : (n,) codes of rows that depend on each other; None if all are independent
    level
        Confidence level.

    Returns
    -------
    Interval

    References
    ----------
    Fay, Feuer (1997), Stat. Med. 16, doi:10.1002/(SICI)1097-0258(19970415)16:7<791::AID-SIM500>3.0.CO;2-#.
    Tiwari, Clegg, Zou (2006), Stat. Methods Med. Res. 15, doi:10.1177/0962280206070621.
    Zou, Donner (2008), Stat. Med. 27, doi:10.1002/sim.3095.

    Examples
    --------
    No event in 100 rows: the upper limit is that of a Poisson count of 0, 3.69 events.

    >>> rows = np.zeros(100)
    >>> print(event_mean_interval(rows, rows + 1, rows, unseen=(1.0, 0.0)))
    0.000 (0.000 to 0.037)
    """
    rows = len(base)
    contribution = weight * event
    positive, negative = np.maximum(contribution, 0.0), np.maximum(-contribution, 0.0)
    gain, loss = np.maximum(event, 0.0), np.maximum(-event, 0.0)
    if cluster is not None:
        cluster = np.unique(cluster, return_inverse=True)[1]
        base, positive, negative, gain, loss = (
            np.bincount(cluster, part).astype(np.float64)
            for part in (base, positive, negative, gain, loss)
        )
    typical_gain, typical_loss = _typical_size(gain), _typical_size(loss)
    if not typical_gain and not typical_loss:
        typical_gain, typical_loss = unseen
    highest, lowest = max(float(weight.max()), 0.0), max(-float(weight.min()), 0.0)
    largest_positive = max(highest * typical_gain, lowest * typical_loss)
    largest_negative = max(highest * typical_loss, lowest * typical_gain)
    scale = len(base) / rows
    parts = [
        _ordinary(base, level),
        _events(positive, largest_positive, level),
        _reversed(_events(negative, largest_negative, level)),
    ]
    value = float((base.sum() + positive.sum() - negative.sum()) / rows)
    return Interval(
        value,
        value - scale * _combined(parts, np.array([part.below for part in parts])),
        value + scale * _combined(parts, np.array([part.above for part in parts])),
    )


def _typical_size(sizes: NDArray[np.float64]) -> float:
    """Return the size-weighted mean size of the events."""
    total = float(sizes.sum())
    return float((sizes**2).sum()) / total if total > 0 else 0.0


def _ordinary(rows: NDArray[np.float64], level: float) -> _Part:
    from scipy.special import stdtrit

    centered = rows - rows.mean()
    error = float(np.sqrt((centered**2).sum() / max(len(rows) - 1, 1) / len(rows)))
    reach = float(stdtrit(max(len(rows) - 1, 1), (1 + level) / 2)) * error
    return _Part(centered, reach, reach)


def _events(rows: NDArray[np.float64], unobserved: float, level: float) -> _Part:
    count = len(rows)
    mean = float(rows.mean())
    centered = rows - mean
    variance = float((centered**2).sum()) / max(count - 1, 1) / count
    step = unobserved / count
    low = _gamma_quantile((1 - level) / 2, mean, variance)
    high = _gamma_quantile((1 + level) / 2, mean + step, variance + step**2)
    return _Part(centered, mean - low, high - mean)


def _gamma_quantile(share: float, mean: float, variance: float) -> float:
    from scipy.special import gammaincinv

    if mean <= 0 or variance <= 0:
        return mean
    return float(gammaincinv(mean**2 / variance, share)) * variance / mean


def _reversed(part: _Part) -> _Part:
    return _Part(-part.rows, part.above, part.below)


def _combined(parts: list[_Part], distance: NDArray[np.float64]) -> float:
    """Return the distance of the sum's limit from those of its parts, by their correlations."""
    rows = np.stack([part.rows for part in parts])
    norm = np.sqrt((rows**2).sum(axis=1))
    unit = np.divide(rows, norm[:, None], out=np.zeros_like(rows), where=norm[:, None] > 0)
    correlation = unit @ unit.T
    np.fill_diagonal(correlation, 1.0)
    return float(np.sqrt(max(distance @ correlation @ distance, 0.0)))

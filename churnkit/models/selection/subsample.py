"""A part of many rows that stands for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.classifiers.base import TrainingRows

__all__ = ["sampled"]

# Of the rarer outcome so many are kept, whatever its share.
_FEWEST_OF_A_KIND = 2_000


def sampled(rows: TrainingRows, most: int, *, seed: int) -> tuple[TrainingRows, NDArray[np.intp]]:
    """Draw rows, with weights that make up for how they were drawn.

    Parameters
    ----------
    rows
        Checked training rows.
    most
        How many to keep; all of them if there are no more.
    seed
        The same seed draws the same rows.

    Returns
    -------
    rows
        Those drawn, in their old order.
    at : (k,) their numbers

    Examples
    --------
    >>> from churnkit.models.classifiers.base import TrainingRows
    >>> rows = TrainingRows.of(np.zeros((10_000, 1)), np.arange(10_000) % 100 == 0.0)
    >>> few, at = sampled(rows, 1_000, seed=0)
    >>> len(at), int(few.outcome.sum()), round(float(few.weight @ few.outcome / few.weight.sum()), 4)
    (1000, 100, 0.01)
    """
    total = len(rows.matrix)
    if total <= most:
        return rows, np.arange(total)
    generator = np.random.default_rng(seed)
    churned = np.flatnonzero(rows.outcome == 1)
    stayed = np.flatnonzero(rows.outcome == 0)
    rare, common = (churned, stayed) if len(churned) <= len(stayed) else (stayed, churned)
    wanted = max(round(most * len(rare) / total), min(len(rare), _FEWEST_OF_A_KIND, most // 2))
    drawn = [
        generator.choice(rare, wanted, replace=False),
        generator.choice(common, most - wanted, replace=False),
    ]
    factor = np.zeros(total)
    for part, whole in zip(drawn, (rare, common), strict=True):
        factor[part] = len(whole) / len(part) * most / total
    at = np.sort(np.concatenate(drawn))
    kept = rows.take(at)
    return kept._replace(weight=kept.weight * factor[at]), at

"""Outcomes sorted by probability once, so that each metric is a single pass.

Equal probabilities form one group. A metric sees the churners and stayers of a group and never
their order, so the order of tied rows does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from churnkit.evaluation.validation import check_outcome, check_probability

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RankedOutcomes", "ScoreGroups"]


@dataclass(frozen=True)
class ScoreGroups:
    """Churners and stayers at each distinct probability, ascending.

    Attributes
    ----------
    probability : (g,) distinct probabilities, ascending
    churned : (g,) weight of the rows that churned
    stayed : (g,) weight of the rows that stayed
    """

    probability: NDArray[np.float64]
    churned: NDArray[np.float64]
    stayed: NDArray[np.float64]

    @cached_property
    def total(self) -> NDArray[np.float64]:
        """Weight of each group, (g,)."""
        return self.churned + self.stayed

    @cached_property
    def cumulative_churned(self) -> NDArray[np.float64]:
        """Weight of the churners up to each group, (g,)."""
        return np.cumsum(self.churned)

    @cached_property
    def cumulative_total(self) -> NDArray[np.float64]:
        """Weight of all rows up to each group, (g,)."""
        return np.cumsum(self.total)


class RankedOutcomes:
    """Outcomes ranked by probability, to be grouped under any row weights.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn

    Raises
    ------
    EvaluationError
        Lengths differ, a probability is outside 0 to 1, or an outcome is neither 0 nor 1.

    Examples
    --------
    >>> ranked = RankedOutcomes([1, 0, 1], [0.5, 0.2, 0.5])
    >>> ranked.group().churned
    array([0., 2.])
    """

    def __init__(self, y: ArrayLike, probability: ArrayLike) -> None:
        outcome = check_outcome(y)
        scores = check_probability(probability, rows=len(outcome))
        self._order: NDArray[np.intp] = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        is_new = np.ones(len(ordered), dtype=bool)
        np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
        self._starts: NDArray[np.intp] = np.flatnonzero(is_new)
        self._probability = ordered[self._starts]
        self._churned = outcome[self._order]

    def group(self, weight: NDArray[np.float64] | None = None) -> ScoreGroups:
        """Sum row weights by probability and outcome.

        Parameters
        ----------
        weight : (n,) in the original row order; ones if not given
        """
        total = np.ones(len(self._order)) if weight is None else weight[self._order]
        churned = total * self._churned
        if len(self._starts) < len(self._order):
            churned = np.add.reduceat(churned, self._starts)
            total = np.add.reduceat(total, self._starts)
        return ScoreGroups(self._probability, churned, total - churned)

"""Outcomes put in the order of their probabilities, once, so that each metric is one pass.

Equal probabilities form one group: a metric sees how much churn and how much staying a group
holds and never the order inside it, so ties are worth the same whatever order the rows came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["EvaluationError", "Mass", "Ranked", "checked_outcome", "checked_weight"]


class EvaluationError(ChurnkitError, ValueError):
    """Outcomes or probabilities that no metric can be computed from."""


@dataclass(frozen=True)
class Mass:
    """The churners and the stayers at each distinct probability, lowest first.

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
        """Weight of all rows of each group, (g,)."""
        return self.churned + self.stayed

    @cached_property
    def churned_up_to(self) -> NDArray[np.float64]:
        """Weight of the churners of each group and those below it, (g,)."""
        return np.cumsum(self.churned)

    @cached_property
    def up_to(self) -> NDArray[np.float64]:
        """Weight of each group and those below it, (g,)."""
        return np.cumsum(self.total)


class Ranked:
    """Rows ranked by probability; `mass` answers for any weighting of the rows.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities of churn

    Raises
    ------
    EvaluationError
        Lengths differ, a value is no probability, or an outcome is neither 0 nor 1.

    Examples
    --------
    >>> ranked = Ranked([1, 0, 1], [0.5, 0.2, 0.5])
    >>> ranked.mass().churned
    array([0., 2.])
    """

    def __init__(self, y: ArrayLike, probability: ArrayLike) -> None:
        outcome = checked_outcome(y)
        scores = _checked_probability(probability, rows=len(outcome))
        self._order: NDArray[np.intp] = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        is_new = np.ones(len(ordered), dtype=bool)
        np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
        self._starts: NDArray[np.intp] = np.flatnonzero(is_new)
        self._probability = ordered[self._starts]
        self._churned = outcome[self._order]

    def mass(self, weight: NDArray[np.float64] | None = None) -> Mass:
        """Sum the rows' weights by group and outcome.

        Parameters
        ----------
        weight : (n,) in the rows' own order; one for each row if not given
        """
        total = np.ones(len(self._order)) if weight is None else weight[self._order]
        churned = total * self._churned
        if len(self._starts) < len(self._order):
            churned = np.add.reduceat(churned, self._starts)
            total = np.add.reduceat(total, self._starts)
        return Mass(self._probability, churned, total - churned)


def checked_outcome(y: ArrayLike) -> NDArray[np.float64]:
    """Return outcomes as floats 0 and 1, both of which must occur.

    Examples
    --------
    >>> checked_outcome([True, False])
    array([1., 0.])
    """
    outcome = _vector(y, "the outcome")
    unknown = int(np.count_nonzero((outcome != 0) & (outcome != 1)))
    if unknown:
        raise EvaluationError(
            f"the outcome has {unknown} values that are neither 0 nor 1: "
            "encode churned as 1, stayed as 0, and leave out rows whose outcome is not known"
        )
    churners = int(outcome.sum())
    if churners in {0, len(outcome)}:
        raise EvaluationError(
            f"{churners} of {len(outcome)} rows churned: a metric needs churners and stayers"
        )
    return outcome


def checked_weight(weight: ArrayLike | None, *, rows: int) -> NDArray[np.float64] | None:
    """Return row weights as floats, or None.

    Examples
    --------
    >>> checked_weight([1, 2], rows=2)
    array([1., 2.])
    """
    if weight is None:
        return None
    checked = _vector(weight, "the weight")
    if len(checked) != rows:
        raise EvaluationError(f"{len(checked)} weights for {rows} rows: give one for each row")
    wrong = int(np.count_nonzero(~np.isfinite(checked) | (checked < 0)))
    if wrong:
        raise EvaluationError(
            f"{wrong} weights are negative or not finite: mend or drop those rows"
        )
    return checked


def _checked_probability(probability: ArrayLike, *, rows: int) -> NDArray[np.float64]:
    scores = _vector(probability, "the probability")
    if len(scores) != rows:
        raise EvaluationError(
            f"{len(scores)} probabilities for {rows} outcomes: give one for each row"
        )
    # Written so that NaN fails it too.
    wrong = int(np.count_nonzero(~((scores >= 0) & (scores <= 1))))
    if wrong:
        raise EvaluationError(
            f"{wrong} probabilities lie outside 0 to 1 or are missing: "
            "pass the probability of churn, not a raw score"
        )
    return scores


def _vector(values: Any, name: str) -> NDArray[np.float64]:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError(f"{name} holds values that are no numbers") from None
    if vector.ndim != 1:
        raise EvaluationError(f"{name} has {vector.ndim} dimensions: pass a single column")
    if not len(vector):
        raise EvaluationError(f"{name} has no rows")
    return vector

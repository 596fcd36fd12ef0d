"""Whether customers leave in the order that was predicted: concordance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError
from churnkit.evaluation.survival.kaplan_meier import (
    censoring_curve,
    checked_follow_up,
    just_before,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["concordance"]


def concordance(
    duration: ArrayLike,
    event: ArrayLike,
    risk: ArrayLike,
    *,
    kind: str = "harrell",
    until: float | None = None,
) -> float:
    """How often of two customers the one of higher risk leaves first; ties of risk count half.

    Pairs count if the earlier of the two ends is a leaving. ``"harrell"`` counts them equally,
    and its limit depends on how long customers happened to be watched; ``"uno"`` weighs each by
    ``1 / G(T-)^2`` (G: share still watched), which undoes that: use it, with `until`, to compare
    tables of different follow-up.

    Parameters
    ----------
    duration, event : (n,)
    risk : (n,) larger for customers expected to leave sooner; any scale
    kind
        ``"harrell"`` or ``"uno"``.
    until
        Only customers who left before this time count as the earlier one.

    Returns
    -------
    float
        .5 for chance, 1 for perfect order.

    Raises
    ------
    EvaluationError
        A column does not fit, or no pair can be compared.

    Notes
    -----
    Time grows as ``n log(n)^2``: a million customers take seconds.

    References
    ----------
    Harrell, Lee, Mark (1996), Stat. Med. 15; Uno, Cai, Pencina, D'Agostino, Wei (2011), Stat.
    Med. 30, doi:10.1002/sim.4154.

    Examples
    --------
    >>> concordance([1, 2, 3, 4], [1, 1, 0, 1], [0.9, 0.4, 0.5, 0.1])
    0.8
    """
    if kind not in {"harrell", "uno"}:
        raise EvaluationError("the kind of concordance is neither 'harrell' nor 'uno'")
    ends, left, _, weight = checked_follow_up(duration, event)
    scores = _checked_risk(risk, len(ends))
    # Latest first; of equal times the watched-on before the leavers, who come before them.
    order = np.lexsort((left, -ends))
    ends, left, scores = ends[order], left[order], scores[order]
    chosen = left if until is None else left & (ends < until)
    share = np.ones(len(ends))
    if kind == "uno":
        share = just_before(censoring_curve(ends, left, weight), ends) ** -2.0
    _, rank = np.unique(scores, return_inverse=True)
    leaving = np.flatnonzero(chosen)
    later = _first_of_leavers(ends, left)[leaving]
    below = _count_below(rank, later, rank[leaving])
    equal = _count_below(rank, later, rank[leaving] + 1) - below
    pairs = float(share[leaving] @ later)
    if pairs == 0:
        raise EvaluationError("no two customers can be compared: nobody left before another")
    return float(share[leaving] @ (below + 0.5 * equal)) / pairs


def _first_of_leavers(ends: NDArray[np.float64], left: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many rows come before the leavers of a row's time, in the order of rows."""
    starts = np.ones(len(ends), dtype=bool)
    starts[1:] = (ends[1:] != ends[:-1]) | (left[1:] != left[:-1])
    found: NDArray[np.int64] = np.maximum.accumulate(np.where(starts, np.arange(len(ends)), 0))
    return found


def _count_below(
    rank: NDArray[np.int64], first: NDArray[np.int64], below: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count, for each question, the ranks below `below` among the `first` first rows.

    The first rows are cut into blocks of powers of two, as the number's bits say; blocks of
    one size are sorted all at once, and each question is a binary search in one of them.
    """
    counted = np.zeros(len(first), dtype=np.int64)
    stride = int(rank.max(initial=0)) + 2
    for level in range(len(rank).bit_length()):
        asks = np.flatnonzero((first >> level) & 1)
        if not len(asks):
            continue
        block = (first[asks] >> (level + 1)) << 1
        keys = np.sort((np.arange(len(rank)) >> level) * stride + rank)
        counted[asks] += np.searchsorted(keys, block * stride + below[asks]) - (block << level)
    return counted


def _checked_risk(risk: Any, rows: int) -> NDArray[np.float64]:
    try:
        scores = np.asarray(risk, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError("the risk holds values that are no numbers") from None
    if scores.shape != (rows,):
        raise EvaluationError(f"the risk has the shape {scores.shape}: give one for each row")
    missing = int(np.count_nonzero(np.isnan(scores)))
    if missing:
        raise EvaluationError(f"the risk is missing in {missing} rows")
    return scores

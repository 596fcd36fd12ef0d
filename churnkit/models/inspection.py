"""What a scorer has learnt: which columns move it, and how it answers to each.

Everything is computed from the scorer's own arrays, with numpy alone, so it can be asked of a
loaded bundle as of a fitted model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.calibration.maps import Calibration
    from churnkit.models.scorers.base import Scorer

__all__ = ["Importance", "importance", "partial_dependence"]

_BLOCK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each column moves the customers' scores, (f,) each.

    Attributes
    ----------
    log_odds
        Mean absolute Shapley value.
    points
        Mean absolute effect on the probability in percentage points: the probability less what
        it would be without the column's contribution.
    order
        The columns' indices, the strongest first.
    """

    log_odds: NDArray[np.float64]
    points: NDArray[np.float64]
    order: NDArray[np.intp]


def importance(
    scorer: Scorer,
    X: ArrayLike,
    *,
    calibration: Calibration,
    sample_weight: ArrayLike | None = None,
) -> Importance:
    """Average the exact Shapley values of many customers.

    Parameters
    ----------
    scorer
        Of a fitted model or a bundle.
    X : (n, f) encoded matrix, missing as NaN
    calibration
        From log-odds to probability.
    sample_weight : (n,) weights of the rows

    Raises
    ------
    ModelDataError
        There is no row, or the matrix does not fit the scorer.

    Examples
    --------
    >>> from churnkit.models import Calibration, LinearScorer
    >>> scorer = LinearScorer.straight(
    ...     bias=0.0, coefficients=[2.0, 0.5], low=[-1, -1], high=[1, 1]
    ... )
    >>> found = importance(scorer, [[1, 1], [-1, -1]], calibration=Calibration.identity())
    >>> found.log_odds, found.order
    (array([2. , 0.5]), array([0, 1]))
    """
    matrix = _some_rows(scorer, X)
    weight = np.ones(len(matrix)) if sample_weight is None else np.asarray(sample_weight, float)
    log_odds = np.zeros(scorer.n_features)
    points = np.zeros(scorer.n_features)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        parts = scorer.contributions(matrix[rows])
        raw = parts.sum(axis=1)
        probability = calibration.apply(raw)
        log_odds += weight[rows] @ np.abs(parts[:, :-1])
        for column in np.flatnonzero(np.abs(parts[:, :-1]).max(axis=0)):
            moved = np.abs(probability - calibration.apply(raw - parts[:, column]))
            points[column] += 100.0 * (weight[rows] @ moved)
    total = weight.sum()
    order = np.argsort(-log_odds, kind="stable")
    return Importance(log_odds / total, points / total, order)


def partial_dependence(
    scorer: Scorer,
    X: ArrayLike,
    column: int,
    values: Sequence[float],
    *,
    calibration: Calibration,
) -> NDArray[np.float64]:
    """Return the customers' mean probability if all of them had each value, (len(values),).

    Friedman (2001), Ann. Stat. 29(5), doi:10.1214/aos/1013203451. It says what the model has
    learnt, not what would happen if a customer were changed; and where columns go together, it
    asks about customers that do not exist.

    Parameters
    ----------
    scorer
        Of a fitted model or a bundle.
    X : (n, f) encoded matrix, missing as NaN
    column
        Whose value is set.
    values
        Encoded values; NaN for missing.
    calibration
        From log-odds to probability.

    Raises
    ------
    ModelDataError
        There is no row or no such column, or the matrix does not fit the scorer.

    Examples
    --------
    >>> from churnkit.models import Calibration, LinearScorer
    >>> scorer = LinearScorer.straight(bias=0.0, coefficients=[2.0], low=[-1], high=[1])
    >>> identity = Calibration.identity()
    >>> partial_dependence(scorer, [[1.0], [-1.0]], 0, [0.0], calibration=identity)
    array([0.5])
    """
    matrix = _some_rows(scorer, X).copy()
    if not 0 <= column < scorer.n_features:
        raise ModelDataError(f"there is no column {column}: the model has {scorer.n_features}")
    found = np.empty(len(values))
    for at, value in enumerate(values):
        matrix[:, column] = value
        found[at] = calibration.apply(scorer.raw_score(matrix)).mean()
    return found


def _some_rows(scorer: Scorer, X: ArrayLike) -> NDArray[np.float64]:
    matrix = check_matrix(X, scorer.n_features)
    if not len(matrix):
        raise ModelDataError("there is no row to look at: pass the customers of the test")
    return matrix

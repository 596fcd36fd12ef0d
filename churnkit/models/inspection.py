"""Feature importance and partial dependence of a scorer.

Computed from the scorer's arrays with numpy alone, for a loaded bundle and a fitted model alike.
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
    """Importance of each column for the customers' scores, (f,) each.

    Attributes
    ----------
    log_odds
        Mean absolute Shapley value.
    points
        Mean absolute part of the difference between a customer's probability and the base
        probability, in percentage points.
    order
        Column indices, the most important first.
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
    """Average the absolute Shapley values of many customers.

    Parameters
    ----------
    scorer
        Of a fitted model or a bundle.
    X : (n, f) encoded matrix, missing as NaN
    calibration
        From log-odds to probability.
    sample_weight : (n,) weights of the rows

    Returns
    -------
    Importance

    Raises
    ------
    ModelDataError
        X has no rows, or a different number of columns.

    Examples
    --------
    >>> from churnkit.models import Calibration, LinearScorer
    >>> scorer = LinearScorer.straight(
    ...     bias=0.0, coefficients=[2.0, 0.5], low=[-1, -1], high=[1, 1]
    ... )
    >>> result = importance(scorer, [[1, 1], [-1, -1]], calibration=Calibration.identity())
    >>> result.log_odds, result.order
    (array([2. , 0.5]), array([0, 1]))
    """
    matrix = _check_rows(scorer, X)
    weight = np.ones(len(matrix)) if sample_weight is None else np.asarray(sample_weight, float)
    log_odds = np.zeros(scorer.n_features)
    points = np.zeros(scorer.n_features)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        parts = scorer.contributions(matrix[rows])
        absolute = np.abs(parts[:, :-1])
        slope = calibration.mean_slope(parts[:, -1], parts.sum(axis=1))
        log_odds += weight[rows] @ absolute
        points += 100.0 * ((weight[rows] * slope) @ absolute)
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
    """Return the mean probability of the customers with a column set to each value.

    It describes the model, not the effect of changing a customer. With correlated columns it
    averages over combinations that do not occur.

    Parameters
    ----------
    scorer
        Of a fitted model or a bundle.
    X : (n, f) encoded matrix, missing as NaN
    column
        Index of the column.
    values
        Encoded values; NaN for missing.
    calibration
        From log-odds to probability.

    Returns
    -------
    (len(values),) probabilities

    Raises
    ------
    ModelDataError
        X has no rows, a different number of columns, or no column of that index.

    References
    ----------
    Friedman (2001). Greedy function approximation: a gradient boosting machine. Annals of
    Statistics 29(5). doi:10.1214/aos/1013203451

    Examples
    --------
    >>> from churnkit.models import Calibration, LinearScorer
    >>> scorer = LinearScorer.straight(bias=0.0, coefficients=[2.0], low=[-1], high=[1])
    >>> identity = Calibration.identity()
    >>> partial_dependence(scorer, [[1.0], [-1.0]], 0, [0.0], calibration=identity)
    array([0.5])
    """
    matrix = _check_rows(scorer, X).copy()
    if not 0 <= column < scorer.n_features:
        raise ModelDataError(f"no column {column}: the model has {scorer.n_features} columns")
    probability = np.empty(len(values))
    for position, value in enumerate(values):
        matrix[:, column] = value
        probability[position] = calibration.apply(scorer.raw_score(matrix)).mean()
    return probability


def _check_rows(scorer: Scorer, X: ArrayLike) -> NDArray[np.float64]:
    matrix = check_matrix(X, scorer.n_features)
    if not len(matrix):
        raise ModelDataError("X has no rows: pass at least one customer")
    return matrix

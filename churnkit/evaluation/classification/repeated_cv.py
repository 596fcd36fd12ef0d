"""Comparison of models by repeated cross-validation, with corrected intervals.

Models of two folds share most of their training rows, so their scores are not independent and
the plain standard error of the mean is far too small. Nadeau and Bengio's correction widens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.bootstrap import LEVEL
from churnkit.evaluation.classification.compare import Comparison
from churnkit.evaluation.classification.metrics import find_metric
from churnkit.evaluation.classification.score_order import RankedOutcomes
from churnkit.evaluation.validation import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["compare_models", "corrected_interval", "repeated_folds"]


def corrected_interval(differences: ArrayLike, *, test_share: float) -> Interval:
    """Return the mean difference over folds with its corrected 95% interval.

    ``mean +- t * sqrt((1 / J + test_share / (1 - test_share)) * variance)`` for J differences:
    Nadeau and Bengio (2003), Machine Learning 52, doi:10.1023/A:1024068626366; for repeated
    folds Bouckaert and Frank (2004), doi:10.1007/978-3-540-24775-3_3.

    Parameters
    ----------
    differences : (J,)
        Difference in each fold of each repetition.
    test_share
        Share of the rows that each fold tests on: 0.2 for five folds.

    Returns
    -------
    Interval
        Mean difference and its limits.

    Raises
    ------
    EvaluationError
        There are fewer than two differences, or `test_share` is not within 0 and 1.

    Examples
    --------
    >>> print(corrected_interval([0.01, 0.02, 0.03, 0.02, 0.02], test_share=0.2))
    0.020 (0.007 to 0.033)
    """
    from scipy.special import stdtrit

    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise EvaluationError("an interval needs the differences of at least two folds")
    if not 0.0 < test_share < 1.0:
        raise EvaluationError(f"test_share must lie between 0 and 1, got {test_share}")
    mean = float(values.mean())
    spread = np.sqrt((1 / len(values) + test_share / (1 - test_share)) * values.var(ddof=1))
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2) * spread)
    return Interval(mean, mean - half, mean + half)


def compare_models(
    new: Any,
    old: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    metric: str = "log_loss",
    folds: int = 5,
    repeats: int = 2,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two unfitted models, each refitted on the same folds.

    `compare` tests given predictions on other customers; this tests the two ways of fitting,
    on other training customers as well.

    Parameters
    ----------
    new, old
        Unfitted estimators with ``predict_proba``; they are cloned.
    X : (n, f)
        Encoded matrix.
    y : (n,)
        Outcomes, 1 for churned.
    metric
        A name of `churnkit.evaluation.METRICS`.
    folds, repeats
        Number of stratified folds, and how often they are drawn.
    groups : (n,)
        Customer of each row; all rows of a customer go into one fold.
    seed
        The same seed gives the same folds.

    Returns
    -------
    Comparison
        Prints as a verdict; "no difference" where the corrected interval contains zero.

    Raises
    ------
    EvaluationError
        The metric is unknown, or there are too few rows of a class for the folds.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = X[:, 0] + rng.normal(size=200) > 0
    >>> compare_models(LogisticRegression(C=1.0), LogisticRegression(C=1.1), X, y).verdict
    'no difference'
    """
    from sklearn.base import clone

    measure = find_metric(metric)
    matrix, outcome = np.asarray(X, dtype=np.float64), np.asarray(y).astype(np.float64)

    def score(model: Any, train: NDArray[np.intp], test: NDArray[np.intp]) -> float:
        fitted = clone(model).fit(matrix[train], outcome[train])
        probability = fitted.predict_proba(matrix[test])[:, 1]
        return measure.compute(RankedOutcomes(outcome[test], probability).group())

    splits = repeated_folds(outcome, folds=folds, repeats=repeats, groups=groups, seed=seed)
    scores = [[score(model, train, test) for model in (new, old)] for train, test in splits]
    new_scores, old_scores = np.array(scores).T
    gain = corrected_interval(measure.sign * (new_scores - old_scores), test_share=1 / folds)
    return Comparison(
        metric=metric, new=float(new_scores.mean()), old=float(old_scores.mean()), gain=gain
    )


def repeated_folds(
    y: ArrayLike, *, folds: int, repeats: int, groups: ArrayLike | None = None, seed: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield training and test rows of stratified folds, redrawn for each repetition.

    All rows of a group go into one fold; a group counts as churned if any of its rows did.

    Raises
    ------
    EvaluationError
        There are fewer than two folds, or fewer rows of a class than folds.

    Examples
    --------
    >>> train, test = next(repeated_folds([0, 1] * 4, folds=2, repeats=1, seed=0))
    >>> len(train), len(test)
    (4, 4)
    """
    outcome = np.asarray(y).astype(np.float64)
    member = np.arange(len(outcome))
    if groups is not None:
        member = np.unique(np.asarray(groups), return_inverse=True)[1]
    churned = np.zeros(int(member.max(initial=-1)) + 1)
    np.maximum.at(churned, member, outcome)
    fewest = int(min(np.count_nonzero(churned == label) for label in (0.0, 1.0)))
    if folds < 2 or repeats < 1:
        raise EvaluationError(
            f"folds must be at least 2 and repeats at least 1, got {folds} and {repeats}"
        )
    if fewest < folds:
        raise EvaluationError(
            f"{fewest} customers of the rarer class are too few for {folds} folds: use fewer "
            "folds or more customers"
        )
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        fold_of_group = np.empty(len(churned), dtype=np.intp)
        for label in (0.0, 1.0):
            shuffled = rng.permutation(np.flatnonzero(churned == label))
            fold_of_group[shuffled] = np.arange(len(shuffled)) % folds
        fold = fold_of_group[member]
        for number in range(folds):
            yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)

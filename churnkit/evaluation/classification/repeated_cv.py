"""Differences over repeated cross-validation, with an interval that their overlap allows.

The models of two folds share most of their training rows, so the folds' figures are not
independent, and the plain standard error of their mean is far too small. Nadeau and Bengio's
correction widens it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.classification.bootstrap import LEVEL
from churnkit.evaluation.classification.compare import Comparison
from churnkit.evaluation.classification.metrics import METRICS
from churnkit.evaluation.classification.score_order import EvaluationError, Ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["compare_models", "corrected_interval", "repeated_folds"]


def corrected_interval(differences: ArrayLike, *, test_share: float) -> Interval:
    """Return the mean difference over folds with its corrected 95% interval.

    ``mean +- t * sqrt((1 / J + test_share / (1 - test_share)) * variance)`` for J figures:
    Nadeau and Bengio (2003), Machine Learning 52, doi:10.1023/A:1024068626366; for repeated
    folds Bouckaert and Frank (2004), doi:10.1007/978-3-540-24775-3_3.

    Parameters
    ----------
    differences : (J,) one figure for each fold of each repetition
    test_share
        Which share of the rows each fold tests on: .2 for five folds.

    Raises
    ------
    EvaluationError
        There are fewer than two figures, or the share is none.

    Examples
    --------
    >>> print(corrected_interval([0.01, 0.02, 0.03, 0.02, 0.02], test_share=0.2))
    0.020 (0.007 to 0.033)
    """
    from scipy.special import stdtrit

    found = np.asarray(differences, dtype=np.float64)
    if found.ndim != 1 or len(found) < 2:
        raise EvaluationError("fewer than two folds give no interval: use two or more")
    if not 0.0 < test_share < 1.0:
        raise EvaluationError("test_share is a share of the rows, above 0 and below 1")
    mean = float(found.mean())
    spread = np.sqrt((1 / len(found) + test_share / (1 - test_share)) * found.var(ddof=1))
    half = float(stdtrit(len(found) - 1, (1 + LEVEL) / 2) * spread)
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
    """Hold two unfitted models against each other, each fitted again on the same folds.

    `compare` asks whether these very predictions differ on other customers; this asks whether
    the two ways of fitting do, on other training customers as well.

    Parameters
    ----------
    new, old
        Unfitted estimators with ``predict_proba``; they are cloned.
    X : (n, f) encoded matrix
    y : (n,) outcomes, 1 for churned
    metric
        A name of `churnkit.evaluation.METRICS`.
    folds, repeats
        Stratified folds, dealt anew each time.
    groups : (n,) whose row it is, if customers have several: all go into one fold
    seed
        The same seed gives the same folds.

    Returns
    -------
    Comparison
        Prints as a verdict; "no difference" where the corrected interval holds zero.

    Raises
    ------
    EvaluationError
        The metric is unknown, or there are too few rows of a class for the folds.

    Examples
    --------
    >>> from churnkit.models import LogisticModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = X[:, 0] + rng.normal(size=200) > 0
    >>> found = compare_models(LogisticModel(C=1.0), LogisticModel(C=1.1), X, y)
    >>> found.verdict
    'no difference'
    """
    from sklearn.base import clone

    if metric not in METRICS:
        raise EvaluationError(f"there is no metric {metric!r}: use one of {', '.join(METRICS)}")
    matrix, outcome = np.asarray(X, dtype=np.float64), np.asarray(y).astype(np.float64)
    figures = []
    dealt = repeated_folds(outcome, folds=folds, repeats=repeats, groups=groups, seed=seed)
    for train, test in dealt:
        figures.append(
            [
                _figure(
                    clone(model).fit(matrix[train], outcome[train]), matrix, outcome, test, metric
                )
                for model in (new, old)
            ]
        )
    ours, theirs = np.array(figures).T
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    gain = corrected_interval(sign * (ours - theirs), test_share=1 / folds)
    return Comparison(metric=metric, new=float(ours.mean()), old=float(theirs.mean()), gain=gain)


def repeated_folds(
    y: ArrayLike, *, folds: int, repeats: int, groups: ArrayLike | None = None, seed: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield training and test rows of stratified folds, dealt anew for each repetition.

    With groups, all rows of one go into one fold; a group counts as churned if any of its rows
    did.

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
    which = np.arange(len(outcome))
    if groups is not None:
        which = np.unique(np.asarray(groups), return_inverse=True)[1]
    kinds = np.zeros(int(which.max(initial=-1)) + 1)
    np.maximum.at(kinds, which, outcome)
    fewest = int(min(np.count_nonzero(kinds == kind) for kind in (0.0, 1.0)))
    if folds < 2 or repeats < 1:
        raise EvaluationError("use two or more folds, once or more")
    if fewest < folds:
        raise EvaluationError(
            f"{fewest} customers of the rarer kind are too few for {folds} folds: use fewer folds, "
            "or bring more customers"
        )
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        dealt = np.empty(len(kinds), dtype=np.intp)
        for kind in (0.0, 1.0):
            rows = rng.permutation(np.flatnonzero(kinds == kind))
            dealt[rows] = np.arange(len(rows)) % folds
        fold = dealt[which]
        for each in range(folds):
            yield np.flatnonzero(fold != each), np.flatnonzero(fold == each)


def _figure(
    fitted: Any,
    matrix: NDArray[np.float64],
    outcome: NDArray[np.float64],
    test: Sequence[int] | NDArray[np.intp],
    metric: str,
) -> float:
    probability = fitted.predict_proba(matrix[test])[:, 1]
    return METRICS[metric].of(Ranked(outcome[test], probability).mass())

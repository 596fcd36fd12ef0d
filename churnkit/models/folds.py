"""Held-out scores: each row scored by a model that did not see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.classifiers.base import TrainingRows

__all__ = ["Fold", "average_held_out", "fold_numbers", "forward_folds", "make_folds"]


class Fold(NamedTuple):
    """Row numbers to train on, and row numbers to hold out."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def make_folds(cv: Any, rows: TrainingRows, *, groups: Any, seed: int) -> list[Fold]:
    """Return the folds of a splitter, each with both classes to train on.

    Parameters
    ----------
    cv
        How many stratified folds, a scikit-learn splitter, or pairs of row numbers.
    rows
        Checked training rows.
    groups : (rows of the caller's table,) rows of one group stay on one side of every fold
    seed
        For stratified folds.

    Raises
    ------
    ModelDataError
        There are fewer churners, stayers or groups than folds, or a fold lacks a class.

    Examples
    --------
    >>> from churnkit.models.classifiers.base import TrainingRows
    >>> rows = TrainingRows.of(np.zeros((4, 1)), np.array([0.0, 1.0, 0.0, 1.0]))
    >>> [len(fold.test) for fold in make_folds(2, rows, groups=None, seed=0)]
    [2, 2]
    """
    if groups is not None:
        groups = np.asarray(groups)[rows.position]
    if isinstance(cv, int):
        _check_counts(cv, rows, groups)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        cv = kind(cv, shuffle=True, random_state=seed)
    if hasattr(cv, "split"):
        folds = [Fold(*pair) for pair in cv.split(rows.matrix, rows.outcome, groups)]
    else:
        folds = [Fold(*(_renumbered(side, rows) for side in pair)) for pair in cv]
    if len(folds) < 2:
        raise ModelDataError(f"{len(folds)} folds cannot hold a model to account: use 2 or more")
    for number, fold in enumerate(folds):
        churners = int(rows.outcome[fold.train].sum())
        if churners in {0, len(fold.train)}:
            raise ModelDataError(
                f"fold {number} has {churners} churners among {len(fold.train)} training rows: "
                "use fewer folds, or folds that keep both classes"
            )
    return folds


def forward_folds(rows: TrainingRows, times: Any, *, parts: int) -> list[Fold]:
    """Return folds that go forward in time: each learns from all that is earlier.

    The rows fall into so many parts and one more, each of whole moments; the first is held
    out by none.

    Parameters
    ----------
    rows
        Checked training rows.
    times : (rows of the caller's table,) when each row was known: dates, or numbers
    parts
        How many folds, at most.

    Raises
    ------
    ModelDataError
        There are fewer than three moments, or both classes are not there early enough.

    Examples
    --------
    >>> from churnkit.models.classifiers.base import TrainingRows
    >>> rows = TrainingRows.of(np.zeros((6, 1)), np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
    >>> [fold.test.tolist() for fold in forward_folds(rows, [1, 1, 2, 2, 3, 3], parts=5)]
    [[2, 3], [4, 5]]
    """
    moments, moment = np.unique(np.asarray(times)[rows.position], return_inverse=True)
    if len(moments) < 3:
        raise ModelDataError(
            f"{len(moments)} moments are too few to hold models to account in time: "
            "bring snapshots of three dates or more, or leave times out"
        )
    # Whole moments, so many that the parts have about the same number of rows.
    passed = np.cumsum(np.bincount(moment)) - 1
    part = np.unique(passed * (parts + 1) // len(moment), return_inverse=True)[1][moment]
    folds = []
    for at in range(1, int(part.max()) + 1):
        train, test = np.flatnonzero(part < at), np.flatnonzero(part == at)
        # Too early to learn from, if all stayed or all left until then.
        if 0 < rows.outcome[train].sum() < len(train):
            folds.append(Fold(train, test))
    if len(folds) < 2:
        raise ModelDataError(
            "customers who left and customers who stayed are not there early enough to hold "
            "models to account in time: leave times out"
        )
    return folds


def average_held_out(
    folds: Sequence[Fold], parts: Sequence[NDArray[np.float64]], rows: int
) -> NDArray[np.float64]:
    """Return the held-out score of each row, (n,), NaN for a row that no fold holds out.

    Examples
    --------
    >>> fold = Fold(np.array([0, 1]), np.array([2]))
    >>> average_held_out([fold, fold], [np.array([1.0]), np.array([3.0])], 3)
    array([nan, nan,  2.])
    """
    total, times = np.zeros(rows), np.zeros(rows)
    for fold, part in zip(folds, parts, strict=True):
        total[fold.test] += part
        times[fold.test] += 1
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def fold_numbers(folds: Sequence[Fold], rows: int) -> NDArray[np.intp]:
    """Return which fold holds each row out, (n,), the last one if several do, -1 for none.

    Examples
    --------
    >>> fold_numbers([Fold(np.array([0, 1]), np.array([2]))], 3)
    array([-1, -1,  0])
    """
    number = np.full(rows, -1, dtype=np.intp)
    for at, fold in enumerate(folds):
        number[fold.test] = at
    return number


def _renumbered(side: Any, rows: TrainingRows) -> NDArray[np.intp]:
    """Turn row numbers of the caller's table into numbers of the rows that are left of it."""
    chosen = np.asarray(side)
    if chosen.dtype == bool:
        chosen = np.flatnonzero(chosen)
    numbers = np.searchsorted(rows.position, chosen)
    numbers = np.minimum(numbers, len(rows.position) - 1)
    return np.asarray(numbers[rows.position[numbers] == chosen], dtype=np.intp)


def _check_counts(cv: int, rows: TrainingRows, groups: Any) -> None:
    if cv < 2:
        raise ModelDataError(f"{cv} folds cannot hold a model to account: use 2 or more")
    churners = int(rows.outcome.sum())
    for count, who in ((churners, "churners"), (len(rows.outcome) - churners, "stayers")):
        if count < cv:
            raise ModelDataError(
                f"{count} {who} are too few for {cv} folds: gather more customers, "
                f"or set cv to at most {count} if that is 2 or more"
            )
    if groups is not None and len(np.unique(groups)) < cv:
        raise ModelDataError(
            f"{len(np.unique(groups))} groups are too few for {cv} folds: set a smaller cv"
        )

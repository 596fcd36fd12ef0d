"""Cross-validation folds and held-out scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.training_rows import TrainingRows

__all__ = ["Fold", "average_held_out", "fold_numbers", "forward_folds", "make_folds"]


class Fold(NamedTuple):
    """Row numbers for training and for holding out."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def make_folds(cv: Any, rows: TrainingRows, *, groups: Any, seed: int) -> list[Fold]:
    """Return the folds of a splitter, each with both classes in its training rows.

    Parameters
    ----------
    cv
        Number of stratified folds, a scikit-learn splitter, or pairs of row numbers.
    rows
        Checked training rows.
    groups : (rows of the caller's table,) rows of one group stay on one side of every fold
    seed
        For stratified folds.

    Returns
    -------
    list of Fold

    Raises
    ------
    ModelDataError
        There are fewer churners, stayers or groups than folds, or a fold lacks a class.

    Examples
    --------
    >>> from churnkit.models.training_rows import TrainingRows
    >>> rows = TrainingRows.from_arrays(np.zeros((4, 1)), np.array([0.0, 1.0, 0.0, 1.0]))
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
        raise ModelDataError(f"at least 2 folds are required, got {len(folds)}")
    for number, fold in enumerate(folds):
        churners = int(rows.outcome[fold.train].sum())
        if churners in {0, len(fold.train)}:
            raise ModelDataError(
                f"fold {number} has {churners} churners among {len(fold.train)} training rows: "
                "use fewer folds, or folds with both classes"
            )
    return folds


def forward_folds(rows: TrainingRows, times: Any, *, parts: int) -> list[Fold]:
    """Return folds that move forward in time: each trains on all earlier rows.

    The rows are divided into ``parts + 1`` parts of complete snapshot times; the first part is
    never held out.

    Parameters
    ----------
    rows
        Checked training rows.
    times : (rows of the caller's table,) snapshot time of each row: dates or numbers
    parts
        Maximum number of folds.

    Returns
    -------
    list of Fold

    Raises
    ------
    ModelDataError
        There are fewer than three times, or the early rows lack a class.

    Examples
    --------
    >>> from churnkit.models.training_rows import TrainingRows
    >>> rows = TrainingRows.from_arrays(np.zeros((6, 1)), np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
    >>> [fold.test.tolist() for fold in forward_folds(rows, [1, 1, 2, 2, 3, 3], parts=5)]
    [[2, 3], [4, 5]]
    """
    distinct, time = np.unique(np.asarray(times)[rows.position], return_inverse=True)
    if len(distinct) < 3:
        raise ModelDataError(
            f"folds forward in time need at least 3 snapshot times, got {len(distinct)}: add "
            "snapshots, or omit times"
        )
    # Complete times, grouped so that the parts have about the same number of rows.
    last_row = np.cumsum(np.bincount(time)) - 1
    part = np.unique(last_row * (parts + 1) // len(time), return_inverse=True)[1][time]
    folds = []
    for number in range(1, int(part.max()) + 1):
        train, test = np.flatnonzero(part < number), np.flatnonzero(part == number)
        # Skip parts before both classes have occurred.
        if 0 < rows.outcome[train].sum() < len(train):
            folds.append(Fold(train, test))
    if len(folds) < 2:
        raise ModelDataError(
            "fewer than 2 folds forward in time have both classes in their training rows: omit "
            "times"
        )
    return folds


def average_held_out(
    folds: Sequence[Fold], parts: Sequence[NDArray[np.float64]], rows: int
) -> NDArray[np.float64]:
    """Return the mean held-out score of each row, (n,), NaN for a row that no fold holds out.

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
    """Return the number of the (last) fold that holds each row out, (n,), -1 for none.

    Examples
    --------
    >>> fold_numbers([Fold(np.array([0, 1]), np.array([2]))], 3)
    array([-1, -1,  0])
    """
    number = np.full(rows, -1, dtype=np.intp)
    for position, fold in enumerate(folds):
        number[fold.test] = position
    return number


def _renumbered(side: Any, rows: TrainingRows) -> NDArray[np.intp]:
    """Convert row numbers of the caller's table to positions in the checked rows."""
    original = np.asarray(side)
    if original.dtype == bool:
        original = np.flatnonzero(original)
    numbers = np.searchsorted(rows.position, original)
    numbers = np.minimum(numbers, len(rows.position) - 1)
    return np.asarray(numbers[rows.position[numbers] == original], dtype=np.intp)


def _check_counts(cv: int, rows: TrainingRows, groups: Any) -> None:
    if cv < 2:
        raise ModelDataError(f"cv must be at least 2, got {cv}")
    churners = int(rows.outcome.sum())
    counts = {"churners": churners, "stayers": len(rows.outcome) - churners}
    if groups is not None:
        counts["groups"] = len(np.unique(groups))
    for name, count in counts.items():
        if count < cv:
            remedy = f"cv to at most {count}" if count > 1 else "a cv splitter"
            raise ModelDataError(
                f"{count} {name} are too few for {cv} folds: add customers, or set {remedy}"
            )

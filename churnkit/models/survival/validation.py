"""Checks of durations, events and stretches before a hazard is learnt from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from churnkit.models.errors import ModelDataError
from churnkit.models.survival.person_period import FollowUp

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator

__all__ = ["check_follow_up", "check_intervals", "checked_matrix"]

# Stretches may overlap by so much of a period, which rounding of times can do.
_ROUNDING = 1e-6


def checked_matrix(estimator: BaseEstimator, X: Any, *, reset: bool) -> NDArray[np.float64]:
    """Return X as scikit-learn checks it for an estimator, refusals without the table's values.

    Parameters
    ----------
    estimator
        Whose columns are learnt or compared.
    X : (n, f)
    reset
        Whether X says what columns there are (fitting), or must have them (predicting).

    Raises
    ------
    ModelDataError
        X is no finite numeric matrix, or has other columns; missing values may be NaN.
    """
    try:
        matrix: NDArray[np.float64] = validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )
    except ValueError as refusal:
        first, *rest = str(refusal).strip().splitlines()
        if "could not convert" in first.lower():
            first = "the matrix holds values that are no numbers: encode it with the contract first"
        elif any("Reshape your data" in line for line in (first, *rest)):
            # Its first line ends before the array that it goes on to quote.
            first = f"{first.rstrip(':')}. Reshape your data: one row a customer"
        raise ModelDataError(first) from None
    return matrix


def check_follow_up(
    duration: Any, event: Any, entry: Any, weight: Any, *, rows: int, width: float
) -> FollowUp:
    """Return times under risk in units of the width.

    Parameters
    ----------
    duration, event, entry, weight : (n,) as `HazardModel.fit` takes them
    rows
        How many rows the matrix has.
    width
        Length of a period.

    Raises
    ------
    ModelDataError
        A column has another length, holds missing or impossible values, or nobody left.

    Examples
    --------
    >>> check_follow_up([2, 3], [1, 0], None, None, rows=2, width=2.0).exit
    array([1. , 1.5])
    """
    if duration is None:
        raise ModelDataError(
            "requires y to be passed, but the target y is None: pass the durations"
        )
    ends = _column(duration, "duration", rows)
    begins = None if entry is None else _column(entry, "entry", rows)
    left = np.ones(rows) if event is None else _column(event, "event", rows)
    weights = _weights(weight, rows)
    _refuse(ends < 0, "durations are negative: a customer cannot leave before the start")
    _refuse((left != 0) & (left != 1), "events are neither 0 nor 1: 1 for left, 0 for still there")
    if begins is not None:
        _refuse(begins < 0, "entries are negative: the clock starts at 0")
        _refuse(
            ends <= begins,
            "durations are not above their entry: drop customers who left before the watching "
            "began",
        )
    if not ((left == 1) & (weights > 0)).any():
        raise ModelDataError(
            f"none of {rows} rows says that a customer left: a hazard needs some who did; "
            "lengthen the follow-up"
        )
    return FollowUp.of(ends, left == 1, width=width, entry=begins, weight=weights)


def check_intervals(customer: Any, watched: FollowUp) -> NDArray[np.int64]:
    """Return each row's customer as a number 0, 1, ..., (n,).

    Raises
    ------
    ModelDataError
        Stretches of a customer overlap, or go on after leaving.

    Examples
    --------
    >>> watched = check_follow_up([2, 3], [0, 1], [0, 2], None, rows=2, width=1.0)
    >>> check_intervals(["ann", "ann"], watched)
    array([0, 0])
    """
    names = np.asarray(customer)
    if names.shape != watched.exit.shape:
        raise ModelDataError(
            f"{names.size} customers for {len(watched.exit)} rows: give one for each row"
        )
    _, number = np.unique(names, return_inverse=True)
    order = np.lexsort((watched.entry, number))
    same = number[order][1:] == number[order][:-1]
    overlap = same & (watched.entry[order][1:] < watched.exit[order][:-1] - _ROUNDING)
    _refuse(overlap, "rows begin before the customer's row before them ends: cut the overlap")
    _refuse(same & watched.left[order][:-1], "rows go on after their customer left: drop them")
    return np.asarray(number.reshape(-1), dtype=np.int64)


def _column(values: Any, name: str, rows: int) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError(f"{name} holds values that are no numbers") from None
    if column.ndim == 2 and column.shape[1] == 1:
        import warnings

        from sklearn.exceptions import DataConversionWarning

        warnings.warn(
            "A column-vector y was passed when a 1d array was expected.",
            DataConversionWarning,
            stacklevel=4,
        )
        column = column[:, 0]
    if column.ndim != 1:
        raise ModelDataError(f"{name} has {column.ndim} dimensions: pass a single column")
    if len(column) != rows:
        raise ModelDataError(
            f"{len(column)} values of {name} for {rows} rows: give one for each row"
        )
    missing = int(np.count_nonzero(~np.isfinite(column)))
    if missing:
        raise ModelDataError(
            f"{name} contains NaN or inf in {missing} rows: fill them, or drop those rows"
        )
    return column


def _weights(weight: Any, rows: int) -> NDArray[np.float64]:
    if weight is None:
        return np.ones(rows)
    given = np.asarray(weight)
    if given.ndim > 1:
        raise ModelDataError("Sample weights must be 1D array or scalar")
    weights = _column(np.full(rows, given) if given.ndim == 0 else given, "sample_weight", rows)
    _refuse(weights < 0, "weights are negative: mend or drop those rows")
    if not weights.any():
        raise ModelDataError("all sample weights are zero: no row is left to train on")
    return weights


def _refuse(wrong: NDArray[np.bool_], what: str) -> None:
    count = int(np.count_nonzero(wrong))
    if count:
        raise ModelDataError(f"{count} {what}")

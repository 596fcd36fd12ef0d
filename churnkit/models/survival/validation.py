"""Checks of durations, events and intervals before a hazard is fitted."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.survival.person_period import MAX_PERIODS, FollowUp
from churnkit.models.training_rows import check_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_follow_up",
    "check_horizon",
    "check_intervals",
    "check_number",
    "check_width",
    "number_customers",
]

# Intervals may overlap by this share of a period, from rounding of times.
_ROUNDING = 1e-6


def check_follow_up(
    duration: Any, event: Any, entry: Any, weight: Any, *, rows: int, width: float
) -> FollowUp:
    """Return times at risk in units of the width.

    Parameters
    ----------
    duration, event, entry, weight : (n,) as for `HazardModel.fit`
    rows
        Number of rows of the matrix.
    width
        Length of a period.

    Returns
    -------
    FollowUp

    Raises
    ------
    ModelDataError
        A column has another length, missing or invalid values, or no customer churned.

    Examples
    --------
    >>> check_follow_up([2, 3], [1, 0], None, None, rows=2, width=2.0).exit
    array([1. , 1.5])
    """
    if duration is None:
        raise ModelDataError(
            "requires y to be passed, but the target y is None: pass the durations"
        )
    ends = _check_column(duration, "duration", rows)
    starts = None if entry is None else _check_column(entry, "entry", rows)
    churned = np.ones(rows) if event is None else _check_column(event, "event", rows)
    weights = check_weights(weight, rows)
    _check_rows(ends < 0, "durations are negative: a customer cannot churn before the start")
    _check_rows((churned != 0) & (churned != 1), "events are neither 0 (active) nor 1 (churned)")
    if starts is not None:
        _check_rows(starts < 0, "entries are negative: time starts at 0")
        _check_rows(
            ends <= starts,
            "durations do not exceed their entry: drop customers who churned before the "
            "observation began",
        )
    if not ((churned == 1) & (weights > 0)).any():
        raise ModelDataError(f"no customer churned in {rows} rows: lengthen the follow-up")
    return FollowUp.from_times(ends, churned == 1, width=width, entry=starts, weight=weights)


def check_number(name: str, value: Any) -> float:
    """Return a setting as a number.

    Raises
    ------
    ModelDataError
        Names the setting, if it is no number.

    Examples
    --------
    >>> check_number("width", 7)
    7.0
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ModelDataError(f"{name} must be a number, got {type(value).__name__}")
    return float(value)


def check_width(width: Any) -> float:
    """Return the width of a period.

    Raises
    ------
    ModelDataError
        If it is not a positive number.
    """
    checked = check_number("width", width)
    if not (np.isfinite(checked) and checked > 0):
        raise ModelDataError(f"width must be positive, got {checked:g}")
    return checked


def check_horizon(horizon: Any, *, longest: float, width: float) -> float:
    """Return the horizon, by default the longest duration.

    Raises
    ------
    ModelDataError
        If the horizon is not a positive number or spans too many periods, or if none is set and
        all durations are 0.
    """
    if horizon is None and longest == 0.0:
        raise ModelDataError("all durations are 0: pass the time from the start, or set a horizon")
    checked = longest if horizon is None else check_number("horizon", horizon)
    if not 0 < checked <= MAX_PERIODS * width:
        raise ModelDataError(
            f"horizon must be positive and at most {MAX_PERIODS:,} periods, got {checked:g}"
        )
    return checked


def check_intervals(customer: Any, follow_up: FollowUp) -> NDArray[np.int64]:
    """Return the number 0, 1, ... of each row's customer, (n,).

    Raises
    ------
    ModelDataError
        Intervals of a customer overlap, or continue after churn.

    Examples
    --------
    >>> follow_up = check_follow_up([2, 3], [0, 1], [0, 2], None, rows=2, width=1.0)
    >>> check_intervals(["ann", "ann"], follow_up)
    array([0, 0])
    """
    number = number_customers(customer, len(follow_up.exit))
    order = np.lexsort((follow_up.entry, number))
    same = number[order][1:] == number[order][:-1]
    overlap = same & (follow_up.entry[order][1:] < follow_up.exit[order][:-1] - _ROUNDING)
    _check_rows(overlap, "rows overlap the previous row of their customer: shorten one of them")
    _check_rows(
        same & follow_up.churned[order][:-1], "rows follow their customer's churn: drop them"
    )
    return number


def number_customers(customer: Any, rows: int) -> NDArray[np.int64]:
    """Return the number 0, 1, ... of each row's customer, (rows,); None for one row each.

    Raises
    ------
    ModelDataError
        The number of customers differs from that of the rows.

    Examples
    --------
    >>> number_customers(["ann", "bob", "ann"], 3)
    array([0, 1, 0])
    """
    if customer is None:
        return np.arange(rows, dtype=np.int64)
    names = np.asarray(customer)
    if names.shape != (rows,):
        raise ModelDataError(f"{names.size} customers for {rows} rows: pass one per row")
    _, number = np.unique(names, return_inverse=True)
    return np.asarray(number.reshape(-1), dtype=np.int64)


def _check_column(values: Any, name: str, rows: int) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError(f"{name} has values that are not numbers") from None
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
        raise ModelDataError(f"{len(column)} values of {name} for {rows} rows: pass one per row")
    missing = int(np.count_nonzero(~np.isfinite(column)))
    if missing:
        raise ModelDataError(
            f"{name} contains NaN or inf in {missing} rows: fill or drop those rows"
        )
    return column


def _check_rows(invalid: NDArray[np.bool_], message: str) -> None:
    count = int(np.count_nonzero(invalid))
    if count:
        raise ModelDataError(f"{count} {message}")

"""Checks of outcomes, probabilities and weights that all metrics share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.scalars import is_missing
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "EvaluationError",
    "check_customers",
    "check_groups",
    "check_outcome",
    "check_probability",
    "check_vector",
    "check_weight",
    "refuse",
]


class EvaluationError(ChurnkitError, ValueError):
    """Input from which a metric or estimate cannot be computed."""


def refuse(invalid: NDArray[np.bool_], message: str) -> None:
    """Raise an error that begins with the number of invalid rows, if there are any."""
    count = int(np.count_nonzero(invalid))
    if count:
        raise EvaluationError(f"{count} {message}")


def check_vector(
    values: Any, name: str, *, rows: int | None = None, finite: bool = False
) -> NDArray[np.float64]:
    """Return a column of numbers as floats, (n,).

    Parameters
    ----------
    values : (n,) numbers
    name
        The column's name in messages.
    rows
        Required length; any length above zero if not given.
    finite
        Refuse missing and infinite values.

    Raises
    ------
    EvaluationError
        The values are not numeric, not one-dimensional, empty, or of another length.

    Examples
    --------
    >>> check_vector([1, 2], "the duration")
    array([1., 2.])
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError(f"{name} contains values that are not numbers") from None
    if vector.ndim != 1:
        raise EvaluationError(f"{name} has {vector.ndim} dimensions: pass a single column")
    if not len(vector):
        raise EvaluationError(f"{name} has no rows")
    if rows is not None and len(vector) != rows:
        raise EvaluationError(f"{name} has {len(vector)} values for {rows} rows: pass one per row")
    if finite:
        missing = int(np.count_nonzero(~np.isfinite(vector)))
        if missing:
            raise EvaluationError(
                f"{name} is missing or not finite in {missing} rows: drop those rows"
            )
    return vector


def check_groups(group: ArrayLike) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the names of groups in order, and the position of each row's group among them, (n,).

    Parameters
    ----------
    group : (n,) texts or numbers

    Raises
    ------
    EvaluationError
        A group is missing, or texts and numbers are mixed.

    Examples
    --------
    >>> check_groups(["pro", "free", "pro"])
    (array(['free', 'pro'], dtype='<U4'), array([1, 0, 1]))
    """
    groups = np.asarray(group)
    missing = sum(map(is_missing, groups.tolist()))
    if missing:
        raise EvaluationError(
            f"group is missing in {missing} of {len(groups)} rows: leave these rows out, or give "
            "them a group of their own"
        )
    try:
        names, positions = np.unique(groups, return_inverse=True)
    except TypeError:
        raise EvaluationError("group has texts and numbers: make all of them texts") from None
    return names, positions


def check_customers(customers: ArrayLike | None, *, rows: int) -> NDArray[np.intp] | None:
    """Return codes of the customers from 0, (n,); None if each has one row.

    Examples
    --------
    >>> check_customers(["b", "a", "b"], rows=3)
    array([1, 0, 1])
    """
    if customers is None:
        return None
    names, codes = check_groups(customers)
    if len(codes) != rows:
        raise EvaluationError(
            f"customers has {len(codes)} values for {rows} rows: pass one per row"
        )
    return None if len(names) == rows else codes


def check_outcome(y: ArrayLike) -> NDArray[np.float64]:
    """Return outcomes as floats 0 and 1, both of which must occur.

    Examples
    --------
    >>> check_outcome([True, False])
    array([1., 0.])
    """
    outcome = check_vector(y, "the outcome")
    unknown = int(np.count_nonzero((outcome != 0) & (outcome != 1)))
    if unknown:
        raise EvaluationError(
            f"the outcome has {unknown} values that are neither 0 nor 1: "
            "encode churned as 1, stayed as 0, and drop rows whose outcome is unknown"
        )
    churners = int(outcome.sum())
    if churners in {0, len(outcome)}:
        raise EvaluationError(
            f"{churners} of {len(outcome)} rows churned: metrics need both classes"
        )
    return outcome


def check_weight(weight: ArrayLike | None, *, rows: int) -> NDArray[np.float64] | None:
    """Return row weights as floats, or None.

    Examples
    --------
    >>> check_weight([1, 2], rows=2)
    array([1., 2.])
    """
    if weight is None:
        return None
    checked = check_vector(weight, "the weight", rows=rows)
    refuse(
        ~np.isfinite(checked) | (checked < 0), "weights are negative or not finite: drop those rows"
    )
    return checked


def check_probability(probability: ArrayLike, *, rows: int) -> NDArray[np.float64]:
    """Return probabilities as floats; all must lie within 0 and 1.

    Examples
    --------
    >>> check_probability([0, 1], rows=2)
    array([0., 1.])
    """
    checked = check_vector(probability, "the probability", rows=rows)
    # Written so that NaN fails it too.
    refuse(
        ~((checked >= 0) & (checked <= 1)),
        "probabilities are missing or outside 0 to 1: pass the probability of churn, not a raw score",
    )
    return checked

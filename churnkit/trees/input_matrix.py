"""Take whatever holds rows of numbers, and give blocks of it as float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["as_matrix"]


def as_matrix(X: Any, n_features: int) -> npt.NDArray[Any]:
    """Return a two-dimensional numeric array of any order, without a copy where possible.

    Parameters
    ----------
    X
        A numpy array in C or Fortran order, a pyarrow table or record batch of numbers
        (nulls become missing values), or anything that numpy can turn into an array.
    n_features
        How many columns there must be.

    Raises
    ------
    ValueError
        If the shape or the kind of values is wrong.
    """
    matrix = _from_arrow(X) if hasattr(X, "column_names") else np.asarray(X)
    if matrix.dtype.kind == "O":
        matrix = _as_numbers(matrix)
    if matrix.dtype.kind not in "fiub":
        raise ValueError("X holds something else than numbers: turn categories into codes first.")
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise ValueError(
            f"The trees read rows of {n_features} columns, so X must have shape "
            f"(n, {n_features}); it has {matrix.shape}."
        )
    return matrix


def _as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Convert objects, without repeating in an error what a customer's row holds."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        message = "X holds values that are no numbers: turn categories into codes first."
        raise ValueError(message) from None


def _from_arrow(table: Any) -> npt.NDArray[np.float64]:
    """Copy the columns of a pyarrow table or record batch, nulls as NaN."""
    from pyarrow import types

    is_number = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    columns = np.empty((table.num_columns, table.num_rows), np.float64)
    for number, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if not any(test(column.type) for test in (*is_number, types.is_null)):
            raise ValueError(
                f"Column {name!r} has type {column.type}, which is no number: "
                "turn categories into codes first."
            )
        chunked = hasattr(column, "chunks")
        columns[number] = column.to_numpy() if chunked else column.to_numpy(zero_copy_only=False)
    return columns.T

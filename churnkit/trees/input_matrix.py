"""Convert rows of numbers of any library to a NumPy array."""

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
        A NumPy array in C or Fortran order, a pyarrow table or record batch of numbers (nulls
        become NaN), or anything that NumPy can convert.
    n_features
        Required number of columns.

    Raises
    ------
    ValueError
        If the shape or the type of the values is wrong.
    """
    matrix = _from_arrow(X) if hasattr(X, "column_names") else np.asarray(X)
    if matrix.dtype.kind == "O":
        matrix = _as_numbers(matrix)
    if matrix.dtype.kind not in "fiub":
        raise ValueError("X has values that are not numbers: encode categories first")
    if matrix.ndim != 2 or matrix.shape[1] != n_features:
        raise ValueError(f"X must have shape (n, {n_features}), got {matrix.shape}")
    return matrix


def _as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Convert objects, without customer values in the error."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError("X has values that are not numbers: encode categories first") from None


def _from_arrow(table: Any) -> npt.NDArray[np.float64]:
    """Copy the columns of a pyarrow table or record batch, nulls as NaN."""
    from pyarrow import types

    is_number = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    columns = np.empty((table.num_columns, table.num_rows), np.float64)
    for number, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        if not any(test(column.type) for test in (*is_number, types.is_null)):
            raise ValueError(
                f"column {name!r} has type {column.type}, which is not numeric: encode "
                "categories first"
            )
        chunked = hasattr(column, "chunks")
        columns[number] = column.to_numpy() if chunked else column.to_numpy(zero_copy_only=False)
    return columns.T

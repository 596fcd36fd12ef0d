"""Read rows of numbers of any library, where they lie if possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Column = npt.NDArray[Any]

__all__ = ["ColumnMatrix", "Rows", "as_matrix"]


class ColumnMatrix:
    """Rows whose columns are arrays of their own, of any numeric types.

    Parameters
    ----------
    columns
        Arrays of the same length.
    span
        The rows of the columns that belong to this matrix.
    """

    def __init__(self, columns: list[Column], span: range) -> None:
        self._columns, self._span = columns, span

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of columns."""
        return len(self._span), len(self._columns)

    def __len__(self) -> int:
        return len(self._span)

    def __getitem__(self, key: slice | tuple[slice, int]) -> Any:
        rows, column = key if isinstance(key, tuple) else (key, None)
        span = self._span[rows]
        if span.step != 1:
            raise IndexError("rows are selected by slices without a step")
        if column is None:
            return ColumnMatrix(self._columns, span)
        return self._columns[column][span.start : span.stop]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Column:  # noqa: FBT001
        matrix = np.empty(self.shape, dtype or np.float64)
        for number in range(len(self._columns)):
            matrix[:, number] = self[:, number]
        return matrix

    def tolist(self) -> list[list[float]]:
        """Return a list of rows."""
        rows: list[list[float]] = np.asarray(self).tolist()
        return rows


Rows: TypeAlias = "npt.NDArray[Any] | ColumnMatrix"


def as_matrix(X: Any, n_features: int) -> Rows:
    """Return rows of numbers, without a copy where possible.

    Parameters
    ----------
    X
        A NumPy array in C or Fortran order, a pyarrow table or record batch of numbers, or
        anything that NumPy can convert. Nulls become NaN. Columns of Arrow are read where they
        lie if they are integers or floating-point numbers without nulls in one chunk.
    n_features
        Required number of columns.

    Raises
    ------
    ValueError
        If the shape or the type of the values is wrong.
    """
    if hasattr(X, "column_names"):
        table = _from_arrow(X)
        _check_shape(table.shape, n_features)
        return table
    matrix = np.asarray(X)
    if matrix.dtype.kind == "O":
        matrix = _as_numbers(matrix)
    if matrix.dtype.kind not in "fiub":
        raise ValueError("X has values that are not numbers: encode categories first")
    _check_shape(matrix.shape, n_features)
    return matrix


def _check_shape(shape: tuple[int, ...], n_features: int) -> None:
    if len(shape) != 2 or shape[1] != n_features:
        raise ValueError(f"X must have shape (n, {n_features}), got {shape}")


def _as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Convert objects, without customer values in the error."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError("X has values that are not numbers: encode categories first") from None


def _from_arrow(table: Any) -> ColumnMatrix:
    """Read the columns of a pyarrow table or record batch, nulls as NaN."""
    from pyarrow import types

    is_number = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    columns: list[Column] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not any(test(column.type) for test in (*is_number, types.is_null)):
            raise ValueError(
                f"column {name!r} has type {column.type}, which is not numeric: encode "
                "categories first"
            )
        array = column
        if hasattr(column, "chunks"):
            array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        values = array.to_numpy(zero_copy_only=False)
        columns.append(values.astype(np.float64) if values.dtype.kind == "O" else values)
    return ColumnMatrix(columns, range(table.num_rows))

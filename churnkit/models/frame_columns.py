"""Columns of a frame as floats: numbers as they are, categories as codes, durations in days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.errors import DataError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "FrameColumn",
    "array_of_series",
    "frame_columns",
    "is_frame",
    "is_numeric_frame",
    "refuse_columns",
]

# Text with more distinct numbers than this is a number that was read as text, not a code.
_MAX_NUMERIC_CODES = 20
# A text column is an identifier if nearly all of many rows have different values.
_IDENTIFIER_ROWS, _IDENTIFIER_SHARE = 50, 0.95
_NUMBER_TEXT = r"^\s*[-+]?[$€£]?\s?[0-9][0-9.,'\s]*([eE][-+]?[0-9]+)?\s?[%$€£]?\s*$"
_DATE_TEXT = (
    r"^\s*([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4})"
)
_DAY_MICROSECONDS = 86_400e6


def is_frame(X: Any) -> bool:
    """Return True for a pandas, polars, Arrow or other table, and for a list of dicts.

    Examples
    --------
    >>> is_frame([{"plan": "a"}]), is_frame([[1.0]]), is_frame(np.zeros((1, 1)))
    (True, False, False)
    """
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], Mapping)
    kind = type(X)
    # Of the class: the attribute of a polars LazyFrame would resolve its schema.
    return hasattr(kind, "columns") or hasattr(kind, "column_names")


def is_numeric_frame(X: Any) -> bool:
    """Return True for a pandas frame whose columns are NumPy numbers or booleans.

    Examples
    --------
    >>> import pandas as pd
    >>> is_numeric_frame(pd.DataFrame({"fee": [1.0]})), is_numeric_frame([{"fee": 1.0}])
    (True, False)
    """
    if not hasattr(type(X), "iloc"):
        return False
    return all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in X.dtypes)


def frame_columns(X: Any) -> tuple[Sequence[Any], list[FrameColumn]]:
    """Return the labels and the columns of a frame.

    Parameters
    ----------
    X
        A table of n rows: pandas, polars, Arrow, or a list of dicts.

    Returns
    -------
    labels : (f,) names of the columns, as the frame has them
    columns : (f,)

    Raises
    ------
    ModelDataError
        X is not a table, or a column name appears twice.

    Examples
    --------
    >>> labels, columns = frame_columns([{"fee": 1.5, "plan": "a"}])
    >>> labels, [column.kind for column in columns]
    (['fee', 'plan'], ['number', 'text'])
    """
    from churnkit.contracts.arrow_interop import as_arrow
    from churnkit.contracts.parsing.arrow_columns import one_array

    try:
        table = as_arrow(X, name="X")
    except DataError as error:
        raise ModelDataError(str(error)) from None
    is_pandas = hasattr(type(X), "iloc")
    labels: Sequence[Any] = list(X.columns) if is_pandas else table.column_names
    columns = []
    for position, name in enumerate(table.column_names):
        # Arrow stores the number of a period, which is not a number of anything.
        is_period = is_pandas and str(X.dtypes.iloc[position]).startswith("period")
        columns.append(FrameColumn(name, one_array(table.column(position)), is_period=is_period))
    return labels, columns


class FrameColumn:
    """A column of a frame.

    Parameters
    ----------
    name
        For messages.
    array : pyarrow.Array of n values
    is_period
        True for pandas periods, which count as dates.

    Attributes
    ----------
    kind : str
        ``"number"`` (also for booleans), ``"text"``, ``"category"``, ``"duration"``, ``"date"``,
        ``"time"``, ``"empty"``, or ``"other"`` for lists, bytes and the like.

    Examples
    --------
    >>> import pyarrow as pa
    >>> FrameColumn("paid", pa.array([True, None])).numbers()
    array([ 1., nan])
    """

    def __init__(self, name: str, array: pa.Array, *, is_period: bool = False) -> None:
        self.name = name
        self.array = array
        self.kind: str = "date" if is_period else _kind(array.type)

    @classmethod
    def of(cls, values: NDArray[np.float64], name: object = "") -> Self:
        """Return a column of numbers, (n,)."""
        import pyarrow as pa

        return cls(str(name), pa.array(values, from_pandas=True))

    def numbers(self) -> NDArray[np.float64]:
        """Return numbers, booleans as 0 and 1, or durations in days, (n,); missing as NaN."""
        import pyarrow as pa

        if self.kind == "empty":
            return np.full(len(self.array), np.nan)
        if self.kind == "duration":
            microseconds = self.array.cast(pa.duration("us"), safe=False).cast(pa.int64())
            return _floats(microseconds) / _DAY_MICROSECONDS
        return _floats(self.array)

    def levels(self) -> tuple[Any, ...]:
        """Return the distinct values without missing ones, in order: strings, or floats."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values, is_ordered = self.array, False
        if pa.types.is_dictionary(values.type):
            is_ordered = values.type.ordered
            values = values.dictionary
        else:
            values = pc.unique(values)
        if self.is_text:
            texts = values.drop_null().to_pylist()
            return tuple(texts if is_ordered else sorted(set(texts)))
        numbers = _floats(values)
        return tuple(np.unique(numbers[~np.isnan(numbers)]).tolist())

    def codes(self, levels: Sequence[Any]) -> NDArray[np.float64]:
        """Return the position of each value among the levels, (n,), NaN if it is none of them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        array = self.array
        if self.kind == "empty" or not levels:
            return np.full(len(array), np.nan)
        is_dictionary = pa.types.is_dictionary(array.type)
        values = array.dictionary if is_dictionary else array
        if self.is_text:
            categories = pa.array(levels, pa.large_string())
            codes = _floats(pc.index_in(values.cast(pa.large_string()), categories))
        else:
            numbers, ordered = _floats(values), np.asarray(levels)
            at = np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)
            codes = np.where(ordered[at] == numbers, at, np.nan)
        if is_dictionary:
            indices = pc.fill_null(array.indices.cast(pa.int64()), len(codes))
            codes = np.append(codes, np.nan)[np.asarray(indices)]
        return codes

    def count_present(self) -> int:
        """Return the number of values that are not missing."""
        import pyarrow as pa

        if self.kind == "number" and pa.types.is_floating(self.array.type):
            return int(np.count_nonzero(~np.isnan(self.numbers())))
        return len(self.array) - int(self.array.null_count)

    @property
    def is_text(self) -> bool:
        """True if the values, or the categories, are strings."""
        import pyarrow as pa

        from churnkit.contracts.parsing.arrow_columns import is_text_type

        kind = self.array.type
        return is_text_type(kind.value_type if pa.types.is_dictionary(kind) else kind)

    def problem(self, *, is_declared: bool = False) -> str | None:
        """Return the reason why an estimator cannot use the column, or None.

        Parameters
        ----------
        is_declared
            True for a column of `categorical_features`: its text is not examined.
        """
        import pyarrow.compute as pc

        from churnkit.contracts.arrow_interop import INVALID_TEXT

        if self.kind == "date":
            return (
                "is a date: replace it by a number, such as the days from it to the date of the "
                "prediction, or drop it"
            )
        if self.kind == "time":
            return "is a time of day: replace it by a number, such as the hour, or drop it"
        if self.kind == "other":
            return f"has the type {self.array.type}: replace it by numbers or text, or drop it"
        if self.kind != "text":
            return None
        if pc.any(pc.equal(self.array, INVALID_TEXT)).as_py():
            return "has values that are neither numbers nor text: replace them, or drop it"
        return None if is_declared else self._text_problem()

    def _text_problem(self) -> str | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        levels = pa.array(self.levels(), pa.large_string())
        if not len(levels):
            return None
        keep = "name it in categorical_features if each value is a category"
        if _share(pc.match_substring_regex(levels, _DATE_TEXT)) > 0.5:
            return (
                "holds dates written as text: replace it by a number, such as the days from it to "
                f"the date of the prediction, or drop it; {keep}"
            )
        is_number = _share(pc.match_substring_regex(levels, _NUMBER_TEXT)) > 0.5
        if is_number and len(levels) > _MAX_NUMERIC_CODES:
            return (
                "holds numbers written as text: convert it, for example with pandas.to_numeric; "
                f"{keep}"
            )
        rows = self.count_present()
        if rows >= _IDENTIFIER_ROWS and len(levels) >= _IDENTIFIER_SHARE * rows:
            return (
                f"has {len(levels)} different texts in {rows} rows, as an id has: drop it; {keep}"
            )
        return None


def refuse_columns(problems: Mapping[str, str | None]) -> None:
    """Raise ModelDataError that names each column that has a problem.

    Examples
    --------
    >>> refuse_columns({"fee": None})
    """
    refused = [f"column {name!r} {problem}" for name, problem in problems.items() if problem]
    if refused:
        raise ModelDataError(f"X cannot be encoded: {'; '.join(refused)}")


def array_of_series(values: Any) -> Any:
    """Return the NumPy array of a pandas, polars or Arrow column; other values as they are.

    Raises
    ------
    ModelDataError
        Values are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> array_of_series(pd.Series([True, False], dtype="boolean"))
    array([ True, False])
    """
    if isinstance(values, (np.ndarray, list, tuple)) or isinstance(
        getattr(values, "dtype", None), np.dtype
    ):
        return values
    if hasattr(values, "to_frame"):
        values = values.to_frame("y")
    elif hasattr(values, "to_numpy") and hasattr(values, "null_count"):
        import pyarrow as pa

        values = pa.table({"y": values})
    else:
        return values
    column = frame_columns(values)[1][0]
    missing = len(column.array) - column.count_present()
    if missing:
        raise ModelDataError(
            f"Input y contains NaN: it is missing in {missing} rows, drop the rows whose outcome "
            "is unknown"
        )
    if column.kind == "number":
        return column.array.to_numpy(zero_copy_only=False)
    return np.asarray(column.array.to_pylist(), dtype=object)


def _kind(kind: pa.DataType) -> str:
    import pyarrow as pa

    from churnkit.contracts.parsing.arrow_columns import is_temporal, is_text_type

    types = pa.types
    if types.is_dictionary(kind):
        inner = _kind(kind.value_type)
        return "category" if inner in {"text", "number", "empty"} else inner
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    names = {
        "number": types.is_boolean,
        "text": is_text_type,
        "date": is_temporal,
        "duration": types.is_duration,
        "time": types.is_time,
        "empty": types.is_null,
    }
    return next((name for name, test in names.items() if test(kind)), "other")


def _floats(array: pa.Array) -> NDArray[np.float64]:
    import pyarrow as pa
    from pyarrow import types

    if types.is_boolean(array.type):
        array = array.cast(pa.int8())
    numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, dtype=np.float64)


def _share(mask: pa.Array) -> float:
    return float(np.asarray(mask).mean())

"""Convert tables of any library to Arrow, and results back to the caller's library."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from churnkit.contracts.parsing.arrow_columns import standard_types
from churnkit.contracts.parsing.scalars import is_missing, is_text, to_text
from churnkit.contracts.validation.violations import Violation
from churnkit.errors import DataError

__all__ = ["INVALID_TEXT", "as_arrow", "convert_like", "is_row_list"]

# Replaces a value without text form in a text column; every parser rejects it.
INVALID_TEXT = "\x00"
# Groups of Python types that Arrow stores unchanged if a column has values of one group only.
# It truncates half floats mixed with integers, so those are excluded.
_TYPE_GROUPS: tuple[tuple[type, ...], ...] = (
    (str,),
    (bool, np.bool_),
    (int, np.integer, float, np.float32),
    (Decimal,),
    (dt.datetime,),
    (dt.date,),
)


def is_row_list(table: Any) -> bool:
    """Return True for a table given as a list of dicts.

    Examples
    --------
    >>> is_row_list([{"id": 1}]), is_row_list("id")
    (True, False)
    """
    return isinstance(table, Sequence) and not isinstance(table, (str, bytes))


def as_arrow(table: Any, *, name: str = "the table") -> pa.Table:
    """Convert a pandas, polars or Arrow table, or a list of dicts, to an Arrow table.

    Columns of mixed Python types, which Arrow does not support, become text by
    `churnkit.contracts.parsing.scalars.to_text`; a value without text form becomes one that
    parsers reject. Types that few functions support are converted, see
    `churnkit.contracts.parsing.arrow_columns.standard_types`.

    Parameters
    ----------
    table
        n rows.
    name
        Name of the table in messages.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    DataError
        If the type is not supported, or a column name appears twice.

    Examples
    --------
    >>> as_arrow([{"id": 1, "plan": "a"}, {"id": "x", "plan": None}]).column("id").to_pylist()
    ['1', 'x']
    """
    return standard_types(_to_arrow(table, name))


def _to_arrow(table: Any, name: str) -> pa.Table:
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if isinstance(table, pa.Table):
        _check_unique(table.column_names, name)
        return table
    if is_row_list(table):
        return _from_rows(table, name)
    library = type(table).__module__.split(".")[0]
    if library == "pandas" and hasattr(table, "columns"):
        return _from_pandas(table, name)
    if library == "polars":
        return _from_polars(table, name)
    return _from_interchange(table, name)


def _not_a_table(name: str) -> DataError:
    return DataError(name, [Violation("", "not_a_table", 1)])


def _from_interchange(table: Any, name: str) -> pa.Table:
    import narwhals as nw

    try:
        if hasattr(table, "__arrow_c_stream__"):
            arrow = pa.table(table)
        else:
            arrow = nw.from_native(table, eager_only=True).to_arrow()
    except (TypeError, ValueError, pa.ArrowException):
        raise _not_a_table(name) from None
    _check_unique(arrow.column_names, name)
    return arrow


def _from_rows(rows: Sequence[Mapping[str, Any]], name: str) -> pa.Table:
    if any(not isinstance(row, Mapping) for row in rows):
        raise _not_a_table(name)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    names = _names(keys, len(rows), name)
    arrays = [_array([row.get(key) for row in rows]) for key in keys]
    return pa.table(dict(zip(names, arrays, strict=True)))


def _from_pandas(frame: Any, name: str) -> pa.Table:
    names = _names(list(frame.columns), len(frame), name)
    arrays = [_from_series(frame.iloc[:, position]) for position in range(len(names))]
    return pa.table(dict(zip(names, arrays, strict=True)))


def _names(columns: Sequence[Any], rows: int, name: str) -> list[str]:
    """Return the column names as text; Arrow cannot store rows without columns."""
    if rows and not columns:
        raise _not_a_table(name)
    names = [str(column) for column in columns]
    invalid = [ascii(column)[1:-1] for column in names if not is_text(column)]
    if invalid:
        raise DataError(name, [Violation(column, "unknown_column", 1) for column in invalid])
    _check_unique(names, name)
    return names


def _from_series(series: Any) -> pa.Array | pa.ChunkedArray:
    if series.dtype != object:
        if getattr(series.dtype, "tz", None) is not None:
            # Arrow reads time zones through an API that pandas 3.1 deprecates.
            timestamps = series.dt.tz_convert(None).to_numpy()
            return pa.array(timestamps, from_pandas=True).cast(
                pa.timestamp(series.dt.unit, tz=str(series.dtype.tz))
            )
        try:
            return pa.array(series, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return _array(series.tolist())
    return _array(series.tolist())


def _from_polars(table: Any, name: str) -> pa.Table:
    if hasattr(table, "collect"):
        table = table.collect()
    if not hasattr(table, "columns"):
        raise _not_a_table(name)
    return pa.table({column.name: _from_polars_series(column) for column in table.get_columns()})


def _from_polars_series(series: Any) -> pa.Array:
    # Arrow cannot store Python objects or integers of 128 bits.
    by_value = series.dtype.is_object() or str(series.dtype) in {"Int128", "UInt128"}
    return _array(series.to_list()) if by_value else series.to_arrow()


def _array(values: list[Any]) -> pa.Array:
    if _is_homogeneous(values):
        try:
            return pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # a number too large or a lone surrogate: converted to text below
    return pa.array([_as_text(value) for value in values], type=pa.string())


def _is_homogeneous(values: Iterable[Any]) -> bool:
    """Return True if Arrow stores all values without changing any of them.

    Arrow converts True to 1.0 among floats, and a timestamp to a day among dates.
    """
    examples = {type(value): value for value in values}
    kinds = {
        kind for kind, value in examples.items() if value is None or not _always_missing(value)
    }
    kinds.discard(type(None))
    if kinds <= {str, float}:  # a typical object column: texts, and NaN for missing
        return True
    if any(issubclass(kind, dt.datetime) for kind in kinds):
        zones = {value.tzinfo is None for value in values if isinstance(value, dt.datetime)}
        if len(zones) > 1:
            return False
    return any(
        all(issubclass(kind, group) and not issubclass(kind, _excluded(group)) for kind in kinds)
        for group in _TYPE_GROUPS
    )


def _always_missing(value: Any) -> bool:
    # Not NumPy's NaT: Arrow crashes the process on NaT mixed with NaN.
    return is_missing(value) and not isinstance(value, (float, np.generic, Decimal))


def _excluded(group: tuple[type, ...]) -> tuple[type, ...]:
    """Return the subclasses that do not belong to a group: bool of int, datetime of date."""
    if int in group:
        return (bool, np.timedelta64)
    return (dt.datetime,) if group == (dt.date,) else ()


def _as_text(value: Any) -> str | None:
    if is_missing(value):
        return None
    text = to_text(value)
    return INVALID_TEXT if text is None else text


def _check_unique(columns: Sequence[str], name: str) -> None:
    duplicates = sorted(column for column, count in Counter(columns).items() if count > 1)
    if duplicates:
        raise DataError(name, [Violation(column, "duplicate_column", 1) for column in duplicates])


def convert_like(original: Any, result: pa.Table) -> Any:
    """Convert `result` to the table type of `original`; a list of dicts for a list of dicts.

    A pandas frame keeps the index of `original`, so that its columns align with it.

    Examples
    --------
    >>> convert_like([{"id": 1}], pa.table({"id": [1], "churn_probability": [0.5]}))
    [{'id': 1, 'churn_probability': 0.5}]
    """
    if isinstance(original, (pa.Table, pa.RecordBatch)):
        return result
    if is_row_list(original):
        return result.to_pylist()
    # Not imported: only a caller that has pandas can give one of its frames.
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(original, pandas.DataFrame):
        frame = result.to_pandas()
        if len(frame) == len(original):
            frame.index = original.index
        return frame
    if type(original).__module__.split(".")[0] == "polars":
        import polars as pl

        return pl.from_arrow(result)
    return result

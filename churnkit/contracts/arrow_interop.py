"""Any table at the boundary, as one Arrow table, and back to what the caller uses."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from churnkit.contracts.parsing.scalars import is_missing, is_text, text_of
from churnkit.contracts.validation.violations import Violation
from churnkit.errors import DataError

__all__ = ["as_arrow", "is_rows", "like"]

# Arrow has no place for a value that is no text beside texts; every reader refuses this one.
_NO_TEXT = "\x00"
# Sorts of Python values that Arrow keeps as they are when a column holds one sort alone. It cuts
# half floats beside whole numbers, so those are not among them.
_SORTS: tuple[tuple[type, ...], ...] = (
    (str,),
    (bool, np.bool_),
    (int, np.integer, float, np.float32),
    (Decimal,),
    (dt.datetime,),
    (dt.date,),
)


def is_rows(table: Any) -> bool:
    """Tell whether a table is given as a list of dicts.

    Examples
    --------
    >>> is_rows([{"id": 1}]), is_rows("id")
    (True, False)
    """
    return isinstance(table, Sequence) and not isinstance(table, (str, bytes))


def as_arrow(table: Any, *, name: str = "the table") -> pa.Table:
    """Convert a pandas, polars or Arrow table, or a list of dicts, to an Arrow table.

    Columns of mixed Python values, which Arrow cannot type, become text, each value by
    `churnkit.contracts.parsing.scalars.text_of`; a value with no text becomes one that readers refuse.

    Raises
    ------
    DataError
        If it is none of these, or names a column twice.

    Examples
    --------
    >>> as_arrow([{"id": 1, "plan": "a"}, {"id": "x", "plan": None}]).column("id").to_pylist()
    ['1', 'x']
    """
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if isinstance(table, pa.Table):
        _refuse_duplicates(table.column_names, name)
        return table
    if is_rows(table):
        return _from_rows(table, name)
    library = type(table).__module__.split(".")[0]
    if library == "pandas" and hasattr(table, "columns"):
        return _from_pandas(table, name)
    if library == "polars":
        return _from_polars(table, name)
    return _from_others(table, name)


def _not_a_table(name: str) -> DataError:
    return DataError(name, [Violation("", "not_a_table", 1)])


def _from_others(table: Any, name: str) -> pa.Table:
    import narwhals as nw

    try:
        if hasattr(table, "__arrow_c_stream__"):
            arrow = pa.table(table)
        else:
            arrow = nw.from_native(table, eager_only=True).to_arrow()
    except (TypeError, ValueError, pa.ArrowException):
        raise _not_a_table(name) from None
    _refuse_duplicates(arrow.column_names, name)
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
    arrays = [_from_series(frame.iloc[:, place]) for place in range(len(names))]
    return pa.table(dict(zip(names, arrays, strict=True)))


def _names(columns: Sequence[Any], rows: int, name: str) -> list[str]:
    """Return the columns' names as text; rows without any column would be lost in Arrow."""
    if rows and not columns:
        raise _not_a_table(name)
    names = [str(column) for column in columns]
    strange = [ascii(column)[1:-1] for column in names if not is_text(column)]
    if strange:
        raise DataError(name, [Violation(column, "unknown_column", 1) for column in strange])
    _refuse_duplicates(names, name)
    return names


def _from_series(series: Any) -> pa.Array | pa.ChunkedArray:
    if series.dtype != object:
        if getattr(series.dtype, "tz", None) is not None:
            # Arrow asks pandas 3.1 for the values in a way that pandas calls deprecated.
            moments = series.dt.tz_convert(None).to_numpy()
            return pa.array(moments, from_pandas=True).cast(
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
    # Python objects in a polars column have no Arrow form at all.
    return _array(series.to_list()) if series.dtype.is_object() else series.to_arrow()


def _array(values: list[Any]) -> pa.Array:
    if _one_sort(values):
        try:
            return pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # a number too large, half a character: as text, value by value
    return pa.array([_as_text(value) for value in values], type=pa.string())


def _one_sort(values: Iterable[Any]) -> bool:
    """Tell whether Arrow holds all values without changing any of them.

    Left to itself it turns True into 1.0 beside a float, and a moment into a day beside a date.
    """
    examples = {type(value): value for value in values}
    kinds = {
        kind for kind, value in examples.items() if value is None or not _always_missing(value)
    }
    kinds.discard(type(None))
    if kinds <= {str, float}:  # the usual column of objects: texts, and NaN where there is none
        return True
    if any(issubclass(kind, dt.datetime) for kind in kinds):
        zones = {value.tzinfo is None for value in values if isinstance(value, dt.datetime)}
        if len(zones) > 1:
            return False
    return any(
        all(issubclass(kind, sort) and not issubclass(kind, _but(sort)) for kind in kinds)
        for sort in _SORTS
    )


def _always_missing(value: Any) -> bool:
    # numpy's "not a time" is left out: Arrow crashes the process on it beside a NaN.
    return is_missing(value) and not isinstance(value, (float, np.generic, Decimal))


def _but(sort: tuple[type, ...]) -> tuple[type, ...]:
    """Python counts truth values as whole numbers, and moments as days."""
    if int in sort:
        return (bool, np.timedelta64)
    return (dt.datetime,) if sort == (dt.date,) else ()


def _as_text(value: Any) -> str | None:
    if is_missing(value):
        return None
    text = text_of(value)
    return _NO_TEXT if text is None else text


def _refuse_duplicates(columns: Sequence[str], name: str) -> None:
    twice = sorted(column for column, count in Counter(columns).items() if count > 1)
    if twice:
        raise DataError(name, [Violation(column, "duplicate_column", 1) for column in twice])


def like(original: Any, result: pa.Table) -> Any:
    """Return `result` in the kind of table that `original` is; dicts for a list of dicts.

    Examples
    --------
    >>> like([{"id": 1}], pa.table({"id": [1], "churn_probability": [0.5]}))
    [{'id': 1, 'churn_probability': 0.5}]
    """
    if isinstance(original, (pa.Table, pa.RecordBatch)):
        return result
    if is_rows(original):
        return result.to_pylist()
    library = type(original).__module__.split(".")[0]
    if library == "pandas":
        return result.to_pandas()
    if library == "polars":
        import polars as pl

        return pl.from_arrow(result)
    return result

"""Arrow columns of Python values that workbooks, JSON and databases return."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["to_arrow", "to_table"]

# Arrow would store True as 1.0 among numbers, and a time of day as nothing among dates.
_GROUPS: tuple[tuple[type, ...], ...] = (
    (str,),
    (bool,),
    (int, float),
    (int, Decimal),
    (dt.datetime,),
    (dt.date,),
    (bytes,),
)


def to_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows of equal length as a table.

    Examples
    --------
    >>> to_table(["id", "paid"], [(1, 2.5), ("x", None)]).to_pylist()
    [{'id': '1', 'paid': 2.5}, {'id': 'x', 'paid': None}]
    """
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table([to_arrow(column) for column in columns], names=list(names))


def to_arrow(values: Sequence[Any]) -> pa.Array:
    """Return values of one kind with their type, and of several kinds as text.

    Examples
    --------
    >>> to_arrow([1, 2.5, None]).type, to_arrow([1, "x", True]).to_pylist()
    (DataType(double), ['1', 'x', 'true'])
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds or any(all(kind in group for kind in kinds) for group in _GROUPS):
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError):
            pass  # an integer of more than 64 bits or a lone surrogate: as text
    elif kinds <= {dt.datetime, dt.date}:
        return pa.array([_midnight(value) for value in values])
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _midnight(value: dt.date | None) -> dt.date | None:
    if value is None or isinstance(value, dt.datetime):
        return value
    return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - as in the table


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    return str(value).encode("utf-8", "replace").decode()

"""Rows of a table that one JSON object holds: an array in it, its columns, or its rows by id."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["unwrap_rows"]

_WRAPPERS = {
    "accounts", "customers", "data", "members", "records", "results", "rows", "subscribers", "users",
}  # fmt: skip
# Fewer columns or rows are the parts of one customer.
_MIN_COLUMNS, _MIN_ROWS = 2, 10


def unwrap_rows(objects: Iterator[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows that a single object holds; else the objects themselves.

    Parameters
    ----------
    objects
        Objects of the file's first level.
    name
        Name of the file in messages.

    Returns
    -------
    Iterator of dict
        The rows of ``{"data": [{...}, {...}]}``, of the columns ``{"plan": {"0": "a", "1": "b"}}`` or
        ``{"plan": ["a", "b"]}``, of ``{"columns": ["plan"], "data": [["a"], ["b"]]}``, and of rows by
        number or id, ``{"C1": {"plan": "a"}}``, whose ids are the column ``key``.

    Raises
    ------
    ChurnkitError
        If a single object has several arrays of objects.

    Examples
    --------
    >>> rows = {"id": {str(n): f"C{n}" for n in range(10)}, "plan": {str(n): "a" for n in range(10)}}
    >>> next(unwrap_rows(iter([rows]), "customers.json"))
    {'id': 'C0', 'plan': 'a'}
    """
    first = list(islice(objects, 2))
    single = first[0] if len(first) == 1 else {}
    table = _split(single) or _columns(single) or _rows_by_key(single)
    yield from table or _array(single, name) or first
    yield from objects


def _array(single: dict[str, Any], name: str) -> Sequence[dict[str, Any]]:
    """Return the array of objects in an object.

    An object wraps an array if the array has the name of one that does, such as ``data``, or if the
    object has no values of its own: a customer with orders is a customer.
    """
    arrays = {
        key: value
        for key, value in single.items()
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
    }
    if any(not isinstance(value, (dict, list)) for value in single.values()):
        arrays = {key: value for key, value in arrays.items() if key.casefold() in _WRAPPERS}
    if len(arrays) > 1:
        raise ChurnkitError(
            f"{name} has several arrays of objects ({', '.join(map(repr, arrays))}): write the one with "
            "the customers to a file of its own"
        )
    return next(iter(arrays.values()), [])


def _split(single: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object with the names of columns and arrays of values."""
    names, rows = single.get("columns"), single.get("data")
    if not isinstance(names, list) or not isinstance(rows, list) or not rows:
        return []
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return []
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def _columns(single: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object of columns, each an array or values by the row's number."""
    columns = list(single.values())
    if len(columns) < _MIN_COLUMNS or len({len(c) for c in columns if _is_long(c)}) != 1:
        return []
    if all(isinstance(column, list) for column in columns):
        if any(len(column) != len(columns[0]) or isinstance(column[0], dict) for column in columns):
            return []
        return [dict(zip(single, row, strict=True)) for row in zip(*columns, strict=True)]
    if not all(
        isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns
    ):
        return []
    if not _are_numbers(columns[0]) and (_are_numbers(single) or len(single) >= len(columns[0])):
        return []
    return [{name: values[row] for name, values in single.items()} for row in columns[0]]


def _rows_by_key(single: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object of similar objects, with their ids unless they are row numbers."""
    rows = list(single.values())
    if len(rows) < _MIN_ROWS or not all(isinstance(row, dict) and row for row in rows):
        return []
    common = set(rows[0]).intersection(*rows[1:])
    if len(common) < _MIN_COLUMNS:
        return []
    if _are_numbers(single) or any("key" in row for row in rows):
        return rows
    return [{"key": key, **row} for key, row in single.items()]


def _is_long(column: Any) -> bool:
    return isinstance(column, (dict, list)) and len(column) >= _MIN_ROWS


def _are_numbers(keys: dict[str, Any]) -> bool:
    return all(key.isdecimal() for key in keys)

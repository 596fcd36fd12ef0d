"""Rows of a table that one JSON object holds: an array in it, its columns, or its rows by id."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["unwrap_rows"]

_WRAPPERS = {
    "accounts", "customers", "data", "members", "records", "results", "rows", "subscribers", "users",
}  # fmt: skip
# Fewer columns or rows are the parts of one customer.
_MIN_COLUMNS, _MIN_ROWS = 2, 10
# Objects of so many times more parts than each part has values are rows, and the other way round.
_MIN_RATIO = 10
_DIGIT = re.compile(r"\d")


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
        number or id, ``{"C1": {"plan": "a"}}``. Keys of rows that are not the numbers of the rows
        from 0 or 1 on are the column ``key``.

    Raises
    ------
    ChurnkitError
        If a single object has several arrays of objects, or its rows and columns cannot be told
        apart.

    Examples
    --------
    >>> rows = {"id": {str(n): f"C{n}" for n in range(10)}, "plan": {str(n): "a" for n in range(10)}}
    >>> next(unwrap_rows(iter([rows]), "customers.json"))
    {'id': 'C0', 'plan': 'a'}
    """
    first = list(islice(objects, 2))
    single = first[0] if len(first) == 1 else {}
    table = _split(single) or _arrays(single) or _objects(single, name)
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
    table = [dict(zip(map(str, names), row, strict=True)) for row in rows]
    keys = single.get("index")
    return _add_keys(table, keys) if isinstance(keys, list) and len(keys) == len(rows) else table


def _arrays(single: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object of arrays, one for each column."""
    columns = list(single.values())
    if len(columns) < _MIN_COLUMNS or not all(isinstance(column, list) for column in columns):
        return []
    if len({*map(len, columns)}) != 1 or len(columns[0]) < _MIN_ROWS:
        return []
    if any(isinstance(value, dict) for column in columns for value in column):
        return []
    return [dict(zip(single, row, strict=True)) for row in zip(*columns, strict=True)]


def _objects(single: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the rows of an object of objects, each a row, or a column by the keys of rows."""
    parts = list(single.values())
    if not parts or not all(isinstance(part, dict) and part for part in parts):
        return []
    inner = list(dict.fromkeys(key for part in parts for key in part))
    layout = _layout_of_numbers(single, inner) or _layout_of_texts(single, inner)
    common = set(parts[0]).intersection(*parts[1:])
    if layout == "rows" and len(common) >= _MIN_COLUMNS:
        return _add_keys(parts, list(single))
    if layout == "columns" and not all(
        isinstance(v, dict) for part in parts for v in part.values()
    ):
        rows = ({column: part.get(key) for column, part in single.items()} for key in inner)
        return _add_keys(list(rows), inner)
    if layout == "unknown":
        raise ChurnkitError(
            f"the rows and columns of the objects in {name} cannot be told apart: write an array of "
            "objects, or one object a line"
        )
    return []


def _layout_of_numbers(single: dict[str, Any], inner: list[str]) -> str:
    """Return where the keys are numbers of rows or numeric ids; empty if they are texts."""
    outer = list(single)
    are_rows, are_columns = (all(map(str.isdecimal, keys)) for keys in (outer, inner))
    if are_rows and are_columns:
        are_rows, are_columns = _number_rows(outer), _number_rows(inner)
    elif not are_rows and not are_columns:
        return ""
    if are_rows == are_columns:
        return "unknown"
    if are_columns and len(single) < _MIN_COLUMNS:
        return "customer"
    return "rows" if are_rows else "columns"


def _layout_of_texts(single: dict[str, Any], inner: list[str]) -> str:
    """Return the layout by the types of values, by digits in the keys, and by the size."""
    outer, parts = list(single), list(single.values())
    if max(len(outer), len(inner)) < _MIN_ROWS or min(len(outer), len(inner)) < _MIN_COLUMNS:
        return "customer"
    if any(len(part) != len(inner) for part in parts):
        return "rows" if len(outer) >= _MIN_ROWS else "customer"
    evidence = [
        (_are_typed([part[key] for part in parts] for key in inner),
         _are_typed(part.values() for part in parts)),
        (all(map(_DIGIT.search, outer)), all(map(_DIGIT.search, inner))),
        (len(outer) >= _MIN_RATIO * len(inner), len(inner) >= _MIN_RATIO * len(outer)),
    ]  # fmt: skip
    for are_rows, are_columns in evidence:
        if are_rows != are_columns:
            is_one = are_rows and len(outer) < _MIN_ROWS
            return "customer" if is_one else "rows" if are_rows else "columns"
    return "unknown"


def _are_typed(columns: Iterable[Iterable[Any]]) -> bool:
    """Return True if no column has values of several types."""
    return all(
        len({float if type(v) is int else type(v) for v in column if v is not None}) <= 1
        for column in columns
    )


def _add_keys(rows: list[dict[str, Any]], keys: list[Any]) -> list[dict[str, Any]]:
    """Add the keys as the column ``key``, unless they are the numbers of the rows."""
    if _number_rows(keys):
        return rows
    column = "key"
    while any(column in row for row in rows):
        column += "_"
    return [{column: key, **row} for key, row in zip(keys, rows, strict=True)]


def _number_rows(keys: list[Any]) -> bool:
    """Return True for the numbers from 0 or 1 on in their order."""
    return any(
        all(str(key) == str(number) for number, key in enumerate(keys, start)) for start in (0, 1)
    )

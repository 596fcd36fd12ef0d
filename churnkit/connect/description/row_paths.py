"""Paths into JSON rows: ``items.data.0.price``."""

from __future__ import annotations

from typing import Any

__all__ = ["rows_at", "value_at"]


def value_at(data: Any, path: str) -> Any:
    """Return the value at a path; None if there is none.

    Examples
    --------
    >>> value_at({"items": [{"price": 3}]}, "items.0.price")
    3
    """
    if not path:
        return data
    for name in path.split("."):
        if isinstance(data, dict):
            data = data.get(name)
        elif isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        else:
            return None
    return data


def rows_at(body: Any, path: str, item: str = "", explode: str = "") -> list[dict[str, Any]]:
    """Return the rows of a body.

    Parameters
    ----------
    body
        Parsed body.
    path
        Path of the list of rows.
    item
        Path inside each element.
    explode
        Path, inside each element, of an object with a list of entries for each name: each entry
        becomes a row ``{"parent": element, "name": name, "entry": entry}``.

    Examples
    --------
    >>> rows_at({"list": [{"subscription": {"id": 1}}]}, "list", "subscription")
    [{'id': 1}]
    >>> rows_at([{"id": 1, "h": {"plan": [{"value": "a"}]}}], "", explode="h")[0]["entry"]
    {'value': 'a'}
    """
    elements = value_at(body, path)
    if not isinstance(elements, list):
        return []
    rows = [value_at(element, item) for element in elements]
    if not explode:
        return [row for row in rows if isinstance(row, dict)]
    return [
        {"parent": row, "name": name, "entry": entry}
        for row in rows
        if isinstance(histories := value_at(row, explode), dict)
        for name, entries in histories.items()
        for entry in entries
    ]

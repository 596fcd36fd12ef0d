"""What a journal's decisions say of themselves: the place in a list, and the customer's columns."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["logged_features", "logged_places", "read_details"]

_MOST_LEVELS = 20


def read_details(details: Sequence[str | None]) -> list[dict[str, Any]]:
    """Read the details of decisions; those without any are empty.

    Examples
    --------
    >>> read_details(['{"place": 2}', None])
    [{'place': 2}, {}]
    """
    found = [json.loads(text) if text else {} for text in details]
    return [one if isinstance(one, dict) else {} for one in found]


def logged_places(details: Sequence[dict[str, Any]]) -> NDArray[np.intp] | None:
    """Give each decision's place in its list, from 0; None where no decision is of a list.

    Examples
    --------
    >>> logged_places([{"place": 2}, {}])
    array([1, 0])
    """
    if not any("place" in one for one in details):
        return None
    return np.array([int(one.get("place", 1)) - 1 for one in details], dtype=np.intp)


def logged_features(details: Sequence[dict[str, Any]]) -> NDArray[np.float64] | None:
    """Give what was known of each customer as numbers, (n, f); None where nothing was logged.

    Numbers stand as they are, on one scale, with the mean where one is missing and a column that
    says so; each of the 20 most frequent words of a column has a column of its own.

    Examples
    --------
    >>> rows = [{"row": {"age": 30, "plan": "a"}}, {"row": {"age": 50, "plan": "b"}}]
    >>> logged_features(rows).tolist()
    [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    rows = [one["row"] if isinstance(one.get("row"), dict) else {} for one in details]
    names = sorted({name for row in rows for name in row})
    columns: list[NDArray[np.float64]] = []
    for name in names:
        values = [row.get(name) for row in rows]
        if any(not isinstance(value, (int, float, type(None))) for value in values):
            columns += _of_words([None if value is None else str(value) for value in values])
        else:
            columns += _of_numbers(values)
    # A column that is the same for all says nothing.
    kept = [column for column in columns if np.ptp(column) > 0.0]
    return np.column_stack(kept) if kept else None


def _of_numbers(values: Sequence[Any]) -> list[NDArray[np.float64]]:
    numbers = np.array([math.nan if value is None else float(value) for value in values])
    missing = ~np.isfinite(numbers)
    if missing.all():
        return []
    numbers = np.where(missing, numbers[~missing].mean(), numbers)
    spread = float(numbers.std())
    return [(numbers - numbers.mean()) / (spread or 1.0), missing.astype(np.float64)]


def _of_words(values: Sequence[str | None]) -> list[NDArray[np.float64]]:
    counts = Counter(value for value in values if value is not None)
    levels = sorted(counts, key=lambda level: (-counts[level], level))[:_MOST_LEVELS]
    return [np.array([float(value == level) for value in values]) for level in levels]

"""Features and list positions that decisions of the journal were made with."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["logged_features", "logged_positions", "read_details"]

_MAX_LEVELS = 20


def read_details(details: Sequence[str | None]) -> list[dict[str, Any]]:
    """Parse the details of decisions; a decision without details gets an empty dict.

    Examples
    --------
    >>> read_details(['{"place": 2}', None])
    [{'place': 2}, {}]
    """
    parsed = [json.loads(text) if text else {} for text in details]
    return [detail if isinstance(detail, dict) else {} for detail in parsed]


def logged_positions(details: Sequence[dict[str, Any]]) -> NDArray[np.intp] | None:
    """Return each decision's position in its list from 0, (n,); None if no list was shown.

    Examples
    --------
    >>> logged_positions([{"place": 2}, {}])
    array([1, 0])
    """
    if not any("place" in detail for detail in details):
        return None
    return np.array([int(detail.get("place", 1)) - 1 for detail in details], dtype=np.intp)


def logged_features(details: Sequence[dict[str, Any]]) -> NDArray[np.float64] | None:
    """Encode the logged rows of customers as numbers, (n, f); None if no row was logged.

    Numbers are standardized; missing ones become the mean, with an indicator column. Each of the
    20 most frequent levels of a text column gets an indicator column. Constant columns are
    dropped.

    Examples
    --------
    >>> rows = [{"row": {"age": 30, "plan": "a"}}, {"row": {"age": 50, "plan": "b"}}]
    >>> logged_features(rows).tolist()
    [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    rows = [detail["row"] if isinstance(detail.get("row"), dict) else {} for detail in details]
    columns: list[NDArray[np.float64]] = []
    for name in sorted({name for row in rows for name in row}):
        values = [row.get(name) for row in rows]
        if any(not isinstance(value, (int, float, type(None))) for value in values):
            columns += _encode_texts([None if value is None else str(value) for value in values])
        else:
            columns += _encode_numbers(values)
    varying = [column for column in columns if np.ptp(column) > 0.0]
    return np.column_stack(varying) if varying else None


def _encode_numbers(values: Sequence[Any]) -> list[NDArray[np.float64]]:
    numbers = np.array([math.nan if value is None else float(value) for value in values])
    missing = ~np.isfinite(numbers)
    if missing.all():
        return []
    numbers = np.where(missing, numbers[~missing].mean(), numbers)
    spread = float(numbers.std())
    return [(numbers - numbers.mean()) / (spread or 1.0), missing.astype(np.float64)]


def _encode_texts(values: Sequence[str | None]) -> list[NDArray[np.float64]]:
    counts = Counter(value for value in values if value is not None)
    levels = sorted(counts, key=lambda level: (-counts[level], level))[:_MAX_LEVELS]
    return [np.array([float(value == level) for value in values]) for level in levels]

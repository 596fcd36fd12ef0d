"""The groups of test customers that a model card compares."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column
    from churnkit.pipeline.training.dataset import TrainingData

__all__ = ["groups_of", "rounded", "sliced_columns"]

_MOST_LEVELS = 12
_MOST_COLUMNS = 12
_PERSONAL = ("entity", "pii")


def sliced_columns(contract: Contract, wanted: Sequence[str] | None) -> tuple[Column, ...]:
    """Return the columns to compare groups of: those wanted, or categories with few levels.

    Raises
    ------
    RecipeError
        If one is unknown, or names or describes a person.
    """
    if wanted is None:
        few = (
            column
            for column in contract.features
            if column.type == "boolean"
            or (column.is_category and 2 <= len(column.levels or ()) <= _MOST_LEVELS)
        )
        return tuple(few)[:_MOST_COLUMNS]
    for name in wanted:
        if name not in contract:
            known = ", ".join(column.name for column in contract.columns)
            raise RecipeError(f"slices: there is no column '{name}'; there are: {known}")
        if contract[name].has_role(*_PERSONAL):
            raise RecipeError(
                f"slices: column '{name}' holds personal data, which a bundle must not hold: make "
                "a coarser column of it with the role context or ignore"
            )
    return tuple(contract[name] for name in wanted)


def groups_of(data: TrainingData, wanted: Sequence[str] | None) -> dict[str, list[str | None]]:
    """Return each column's title with the group of each test customer, in the schema's words.

    Numbers are cut at the quartiles of the training customers.
    """
    return {
        column.title: _groups(data, column)
        for column in sliced_columns(data.contract, wanted)
        if column.has_role("feature") or column.name in data.test.table.column_names
    }


def _groups(data: TrainingData, column: Column) -> list[str | None]:
    if column.has_role("feature"):
        place = data.contract.feature_names.index(column.name)
        codes, known = data.test.X[:, place], data.train.X[:, place]
        if column.is_category or column.type == "boolean":
            return [_word(column.decode(code)) for code in codes.tolist()]
        return _quarters(codes, known)
    tables = (data.test.table, data.train.table)
    if column.type in {"number", "integer"}:
        test, train = (_numbers(table[column.name]) for table in tables)
        return _quarters(test, train)
    told = (to_text(value) for value in tables[0][column.name].to_pylist())
    return [None if text is None else text.strip(BLANKS) or None for text in told]


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        told = [to_text(value) for value in column.to_pylist()]
        return np.array([_number(text) for text in told])
    found: NDArray[np.float64] = pc.cast(column, pa.float64()).to_numpy()
    return found


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _quarters(values: NDArray[np.float64], known: NDArray[np.float64]) -> list[str | None]:
    sure = known[np.isfinite(known)]
    cuts = np.quantile(sure, [0.25, 0.5, 0.75]) if len(sure) else np.empty(0)
    edges = sorted({rounded(float(edge)) for edge in cuts})
    if not edges:
        return [None] * len(values)
    names = [f"below {edges[0]:g}"]
    names += [f"{low:g} to below {high:g}" for low, high in pairwise(edges)]
    names.append(f"{edges[-1]:g} or more")
    place = np.searchsorted(edges, values, side="right")
    return [
        None if np.isnan(value) else names[at]
        for value, at in zip(values.tolist(), place.tolist(), strict=True)
    ]


def rounded(value: float) -> float:
    """Round to three digits: an edge that is near a customer's value and is not that value.

    Examples
    --------
    >>> rounded(1234.5), rounded(0.012345)
    (1230.0, 0.0123)
    """
    return float(f"{value:.3g}")

"""Slices of test customers that a model card compares."""

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
    from churnkit.pipeline.training.data.dataset import TrainingData

__all__ = ["round_edge", "slice_columns", "slice_customers"]

_MAX_LEVELS = 12
_MAX_COLUMNS = 12


def slice_columns(contract: Contract, names: Sequence[str] | None) -> tuple[Column, ...]:
    """Return the columns to slice by: those named, or features with few levels.

    Raises
    ------
    RecipeError
        If a column is unknown or holds personal data.
    """
    if names is None:
        features = (
            column
            for column in contract.features
            if column.type == "boolean"
            or (column.is_category and 2 <= len(column.levels or ()) <= _MAX_LEVELS)
        )
        return tuple(features)[:_MAX_COLUMNS]
    for name in names:
        if name not in contract:
            available = ", ".join(column.name for column in contract.columns)
            raise RecipeError(f"slices: no column '{name}'; available: {available}")
        if contract[name].has_role("entity", "pii"):
            raise RecipeError(
                f"slices: column '{name}' holds personal data, which a bundle must not contain: "
                "derive a coarser column with the role context or ignore"
            )
    return tuple(contract[name] for name in names)


def slice_customers(data: TrainingData, names: Sequence[str] | None) -> dict[str, list[str | None]]:
    """Return the slice of each test customer by column title; None where a value is missing.

    Numbers are cut at the quartiles of the training customers.
    """
    return {
        column.title: _slices(data, column)
        for column in slice_columns(data.contract, names)
        if column.has_role("feature") or column.name in data.tested.table.column_names
    }


def _slices(data: TrainingData, column: Column) -> list[str | None]:
    if column.has_role("feature"):
        index = data.contract.feature_names.index(column.name)
        codes = data.tested.X[:, index]
        if column.is_category or column.type == "boolean":
            return [_level_name(column.decode(code)) for code in codes.tolist()]
        return _quartiles(codes, data.train.X[:, index])
    test, train = (part.table[column.name] for part in (data.tested, data.train))
    if column.type in {"number", "integer"}:
        return _quartiles(_to_numbers(test), _to_numbers(train))
    texts = ((to_text(value) or "").strip(BLANKS) for value in test.to_pylist())
    return [text or None for text in texts]


def _level_name(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)


def _to_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array([_to_number(to_text(value)) for value in column.to_pylist()])
    numbers: NDArray[np.float64] = pc.cast(column, pa.float64()).to_numpy()
    return numbers


def _to_number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _quartiles(values: NDArray[np.float64], training: NDArray[np.float64]) -> list[str | None]:
    finite = training[np.isfinite(training)]
    cuts = np.quantile(finite, [0.25, 0.5, 0.75]) if len(finite) else np.empty(0)
    edges = sorted({round_edge(float(cut)) for cut in cuts})
    if not edges:
        return [None] * len(values)
    names = [f"below {edges[0]:g}"]
    names += [f"{low:g} to below {high:g}" for low, high in pairwise(edges)]
    names.append(f"{edges[-1]:g} or more")
    bins = np.searchsorted(edges, values, side="right")
    return [
        None if np.isnan(value) else names[index]
        for value, index in zip(values.tolist(), bins.tolist(), strict=True)
    ]


def round_edge(value: float) -> float:
    """Round to three digits, so that an edge does not disclose a customer's value.

    Examples
    --------
    >>> round_edge(1234.5), round_edge(0.012345)
    (1230.0, 0.0123)
    """
    return float(f"{value:.3g}")

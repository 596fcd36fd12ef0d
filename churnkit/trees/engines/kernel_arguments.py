"""Lay the parts of a forest out as the tuples of arrays that the kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.trees.layout.binning import NumericInput
from churnkit.trees.shapley import quadrature

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.layout.derived import Parts

    Arrays = tuple[npt.NDArray[Any], ...]
    Ints = npt.NDArray[np.int64]

__all__ = ["Arguments", "Explanation", "pack_arguments", "pack_explanation"]


@dataclass(frozen=True, eq=False)
class Arguments:
    """What the scoring kernels take; ragged arrays lie flat, beside where each part starts.

    Parameters
    ----------
    features
        Shape (inputs,): the column that each input reads.
    inputs
        Thresholds and their starts, codes of missing and of zero, classes and their starts,
        and the first column that each input makes.
    tables
        Tables of the columns, their starts, and whether a column is the code itself.
    program
        Kind, column, cut, width, masks, left, right and out of `Program`.
    trees
        Starts of nodes, starts of leaves, and values of leaves.
    walk
        Input, begin, cut, table, left, right and root of `Walk`.
    n_columns, n_slots
        Sizes of the scratch space.
    dtype
        The type of columns and slots.
    """

    features: Ints
    inputs: Arrays
    tables: Arrays
    program: Arrays
    trees: Arrays
    walk: Arrays
    n_columns: int
    n_slots: int
    dtype: np.dtype[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the kernels for Shapley values take besides.

    Parameters
    ----------
    paths
        Nodes and sides of the steps, and where each link starts and ends.
    leaves
        Values, first columns, and where each leaf's links start.
    links
        Inputs, columns and shares.
    rule
        Points and weights of the quadratures for 0, 1, 2... links, and where each starts.
    """

    paths: Arrays
    leaves: Arrays
    links: Arrays
    rule: Arrays


def pack_arguments(parts: Parts) -> Arguments:
    """Lay out what scoring needs."""
    program, inputs = parts.program, parts.coding.inputs
    numeric = [source if isinstance(source, NumericInput) else None for source in inputs]
    thresholds = [np.empty(0) if source is None else source.thresholds for source in numeric]
    classes = [
        np.empty(0, np.int32) if isinstance(source, NumericInput) else source.class_of
        for source in inputs
    ]
    dtype = np.promote_types(program.column_dtype, program.place_dtype)
    tables = [table.astype(dtype) for table in program.column_table]
    is_code = [np.array_equal(table, np.arange(len(table))) for table in tables]
    first_column = np.searchsorted(program.column_input, np.arange(len(inputs) + 1))
    walk = parts.walk
    return Arguments(
        features=np.array([source.feature for source in inputs], np.int64),
        inputs=(
            _flat(thresholds, np.float64),
            _starts(thresholds),
            np.array([0 if s is None else s.nan_code for s in numeric], np.int64),
            np.array([-1 if s is None else s.zero_code for s in numeric], np.int64),
            _flat(classes, np.int32),
            _starts(classes),
            first_column.astype(np.int64),
        ),
        tables=(_flat(tables, dtype), _starts(tables), np.array(is_code, bool)),
        program=(
            program.kind,
            program.column,
            program.cut,
            program.width,
            program.masks,
            program.left,
            program.right,
            program.out,
        ),
        trees=(parts.forest.node_offset, parts.forest.leaf_offset, parts.value_at),
        walk=(walk.number, walk.begin, walk.cut, walk.table, walk.left, walk.right, walk.root),
        n_columns=len(tables),
        n_slots=program.n_slots,
        dtype=dtype,
    )


def pack_explanation(parts: Parts) -> Explanation:
    """Lay out what explaining needs."""
    attribution, paths = parts.attribution, parts.paths
    longest = int(np.diff(attribution.link_offset).max(initial=0))
    rules = [((), ()), *(quadrature(length) for length in range(1, longest + 1))]
    return Explanation(
        paths=(paths.node, paths.is_right, np.append(paths.link_start, len(paths.node))),
        leaves=(attribution.leaf_value, attribution.leaf_column, attribution.link_offset),
        links=(attribution.link_input, attribution.link_column, attribution.link_zero),
        rule=(
            _flat([np.array(points) for points, _ in rules], np.float64),
            _flat([np.array(weights) for _, weights in rules], np.float64),
            np.cumsum([0, *(len(points) for points, _ in rules)]).astype(np.int64),
        ),
    )


def _flat(parts: list[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def _starts(parts: list[npt.NDArray[Any]]) -> Ints:
    return np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)

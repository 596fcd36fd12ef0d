"""Pack the layout of a forest in tuples of arrays for the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.trees.layout.binning import CategoricalInput, NumericInput
from churnkit.trees.layout.block_program import ANSWER_COLUMNS
from churnkit.trees.shapley import quadrature

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.layout.derived import ForestLayout

    Arrays = tuple[npt.NDArray[Any], ...]
    Ints = npt.NDArray[np.int64]

__all__ = [
    "KernelArguments",
    "RowArguments",
    "ShapArguments",
    "pack_arguments",
    "pack_row_arguments",
    "pack_shap_arguments",
]


@dataclass(frozen=True, eq=False)
class KernelArguments:
    """Arguments of the scoring kernels; ragged arrays are flat, with the start of each part.

    Parameters
    ----------
    features
        Shape (inputs,): the column of each input.
    inputs
        Thresholds and their starts, codes of missing and zero, classes and their starts, the
        first column of each input, and for all inputs the magnitude up to which numbers are
        zero, and 1 if categories must be whole numbers.
    tables
        Tables of the columns, their starts, and flags of columns that equal the code.
    program
        Column, mask, cut, word, left, right and out of `BlockProgram`.
    words
        Class columns, sources and starts of words, and answers of `BlockProgram`.
    trees
        Starts of nodes, starts of leaves, and values of leaves.
    traversal
        Input, begin, cut, table, left, right and root of `Traversal`.
    n_columns, n_slots
        Sizes of the scratch buffers; columns include those of answers.
    dtype
        Type of columns and slots.
    """

    features: Ints
    inputs: Arrays
    tables: Arrays
    program: Arrays
    words: Arrays
    trees: Arrays
    traversal: Arrays
    n_columns: int
    n_slots: int
    dtype: np.dtype[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class RowArguments:
    """Arguments of the kernel that scores single rows by leaf masks.

    Parameters
    ----------
    integers
        The number of inputs, the position of the first leaf in `numbers`, 1 if categories must be
        whole numbers, and 1 if leaf values are added in single precision; for each input its
        feature, the first row of its masks, start and end of its thresholds in `numbers`, start
        and end of its classes in `integers`, and the codes of missing and zero; the classes.
    numbers
        The magnitude up to which numbers are zero, thresholds, and the values of leaves from
        left to right through all trees.
    """

    integers: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShapArguments:
    """Additional arguments of the kernels for Shapley values.

    Parameters
    ----------
    paths
        Nodes and sides of the steps, and the start and end of each link.
    leaves
        Values, first columns, and the start of each leaf's links.
    links
        Inputs, columns and shares.
    rule
        Points and weights of the quadratures for 0, 1, 2... links, and their starts.
    """

    paths: Arrays
    leaves: Arrays
    links: Arrays
    rule: Arrays


def pack_arguments(layout: ForestLayout) -> KernelArguments:
    """Pack the arguments for scoring."""
    program, inputs = layout.program, layout.binning.inputs
    numeric = [source if isinstance(source, NumericInput) else None for source in inputs]
    thresholds = [np.empty(0) if source is None else source.thresholds for source in numeric]
    classes = [
        np.empty(0, np.int32) if isinstance(source, NumericInput) else source.class_of
        for source in inputs
    ]
    dtype = np.promote_types(program.column_dtype, program.position_dtype)
    tables = [table.astype(dtype) for table in program.column_table]
    is_code = [np.array_equal(table, np.arange(len(table))) for table in tables]
    first_column = np.searchsorted(program.column_input, np.arange(len(inputs) + 1))
    traversal = layout.traversal
    return KernelArguments(
        features=np.array([source.feature for source in inputs], np.int64),
        inputs=(
            _flat(thresholds, np.float64),
            _starts(thresholds),
            np.array([source.nan_code for source in inputs], np.int64),
            np.array([-1 if s is None else s.zero_code for s in numeric], np.int64),
            _flat(classes, np.int32),
            _starts(classes),
            first_column.astype(np.int64),
            _reading_rules(inputs),
        ),
        tables=(_flat(tables, dtype), _starts(tables), np.array(is_code, bool)),
        program=(
            program.column,
            program.mask.astype(dtype),
            program.cut.astype(dtype),
            program.word,
            program.left,
            program.right,
            program.out,
        ),
        words=(program.class_column, program.word_source, program.word_begin, program.answers),
        trees=(
            layout.forest.node_offset,
            layout.forest.leaf_offset,
            layout.leaf_values.astype(layout.score_dtype, copy=False),
        ),
        traversal=(
            traversal.number,
            traversal.begin,
            traversal.cut,
            traversal.table,
            traversal.left,
            traversal.right,
            traversal.root,
        ),
        n_columns=len(tables) + ANSWER_COLUMNS * len(program.class_column),
        n_slots=program.n_slots,
        dtype=dtype,
    )


def pack_row_arguments(arguments: KernelArguments, first_row: Ints) -> RowArguments:
    """Pack the arguments for single rows, with the first row of each input's masks."""
    thresholds, threshold_at, nan_code, zero_code, class_of, class_at, _, rules = arguments.inputs
    n_inputs, is_single = len(arguments.features), arguments.trees[2].dtype == np.float32
    classes = class_at + 4 + 8 * n_inputs
    ends = [threshold_at[:-1] + 1, threshold_at[1:] + 1, classes[:-1], classes[1:]]
    fields = [arguments.features, first_row[:n_inputs], *ends, nan_code, zero_code]
    head = np.array([n_inputs, len(thresholds) + 1, int(rules[1]), int(is_single)])
    return RowArguments(
        np.concatenate([head, np.stack(fields, axis=1).reshape(-1), class_of]).astype(np.int32),
        np.concatenate([rules[:1], thresholds, arguments.trees[2]]),
    )


def pack_shap_arguments(layout: ForestLayout) -> ShapArguments:
    """Pack the arguments for Shapley values."""
    attribution, paths = layout.attribution, layout.paths
    longest = int(np.diff(attribution.link_offset).max(initial=0))
    rules = [((), ()), *(quadrature(length) for length in range(1, longest + 1))]
    return ShapArguments(
        paths=(paths.node, paths.is_right, np.append(paths.link_start, len(paths.node))),
        leaves=(attribution.leaf_value, attribution.leaf_column, attribution.link_offset),
        links=(attribution.link_input, attribution.link_column, attribution.link_zero),
        rule=(
            _flat([np.array(points) for points, _ in rules], np.float64),
            _flat([np.array(weights) for _, weights in rules], np.float64),
            np.cumsum([0, *(len(points) for points, _ in rules)]).astype(np.int64),
        ),
    )


def _reading_rules(
    inputs: tuple[NumericInput | CategoricalInput, ...],
) -> npt.NDArray[np.float64]:
    """Return the rules by which values are read, the same for all inputs of a forest."""
    tiny = [source.tiny for source in inputs if isinstance(source, NumericInput)]
    exact = [source.is_exact for source in inputs if isinstance(source, CategoricalInput)]
    return np.array([tiny[0] if tiny else -1.0, float(any(exact))])


def _flat(parts: list[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def _starts(parts: list[npt.NDArray[Any]]) -> Ints:
    return np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)

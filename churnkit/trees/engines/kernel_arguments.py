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

# The length of the head of `RowArguments.integers`, and of the record of an input.
_HEAD = _RECORD = 8


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
    """Arguments of the kernels that score single rows.

    Parameters
    ----------
    integers
        The number of inputs, the position of the first leaf in `numbers`, 1 if categories must be
        whole numbers, 1 if leaf values are added in single precision, words of a mask, trees, and
        the position of the trees' first leaves in `integers`. Then for each input its feature, the
        first row of its masks, the start and levels of its search tree in `numbers` (of a
        category the start and number of its classes in `integers`), the codes of missing and zero,
        and 1 if it is a category. Then the classes, and the first leaf of each tree.
    numbers
        The magnitude up to which numbers are zero, the thresholds of each input as a search tree,
        and the values of leaves from left to right through all trees.
    words
        Flat masks of `churnkit.trees.layout.leaf_bitmasks.LeafMasks`; empty without masks.
    scratch_size
        Words of scratch memory: a mask, a word of zeros, and the masks of the inputs.
    """

    integers: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.float64]
    words: npt.NDArray[np.uint64]
    scratch_size: int


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


def pack_row_arguments(layout: ForestLayout) -> RowArguments:
    """Pack the arguments for single rows, with masks where the layout has them."""
    inputs, masks = layout.binning.inputs, layout.masks
    n_words = 0 if masks is None else masks.words.shape[1]
    classes_at = _HEAD + _RECORD * len(inputs)
    records: list[int] = []
    # Arrays throughout: the classes of a wide category are millions of numbers.
    classes: list[npt.NDArray[np.int32]] = []
    numbers = [_reading_rules(inputs)[:1]]
    row, n_numbers, n_classes = 0, 1, 0
    for source in inputs:
        if isinstance(source, NumericInput):
            place, size, is_category = n_numbers, len(source.thresholds).bit_length(), 0
            numbers.append(_search_tree(source.thresholds))
            n_numbers += len(numbers[-1])
        else:
            place, size, is_category = classes_at + n_classes, len(source.class_of), 1
            classes.append(source.class_of)
            n_classes += size
        zero_code = source.zero_code if isinstance(source, NumericInput) else -1
        records += [source.feature, row, place, size, source.nan_code, zero_code, is_category, 0]
        row += source.n_codes
    rules = int(_reading_rules(inputs)[1]), int(layout.score_dtype == np.float32)
    starts_at = classes_at + n_classes
    head = [len(inputs), n_numbers, *rules, n_words, layout.forest.n_trees, starts_at, 0]
    leaf_starts = layout.forest.leaf_offset[:-1].astype(np.int32)
    return RowArguments(
        np.concatenate([np.array([*head, *records], np.int32), *classes, leaf_starts]),
        np.concatenate([*numbers, layout.leaf_values]),
        np.empty(0, np.uint64) if masks is None else masks.words.reshape(-1),
        scratch_size=n_words + 1 + len(inputs) + 5,
    )


def _search_tree(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Arrange ascending thresholds as a complete search tree, level by level from the root.

    Examples
    --------
    >>> _search_tree(np.array([1.0, 2.0, 3.0, 4.0]))
    array([ 4.,  2., inf,  1.,  3., inf, inf])
    """
    levels = len(thresholds).bit_length()
    full = np.full(2**levels - 1, np.inf)
    full[: len(thresholds)] = thresholds
    steps = [2 ** (levels - level) for level in range(levels)]
    return np.concatenate([np.empty(0), *(full[step // 2 - 1 :: step] for step in steps)])


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

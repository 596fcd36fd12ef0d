"""Program for scoring blocks of rows, node by node from the leaves up.

Each node is one pass over a block: ``out = right if code > cut else left``, where `left` and
`right` are the outputs of the children, and the output of a leaf is its position. After the root,
`out` is the leaf of each row. There are no branches per row, so the passes run as vector
instructions.

Missing values need no branch either. A node that sends them left reads a column in which they
have the smallest code, a node that sends them right one in which they have the largest.

A categorical node with few classes reads a column with one bit per class, and tests it against a
mask. With more classes, the answers of 64 nodes of the same input are one word per class: a block
looks up one word per row, splits it into eight columns of bytes, and each node tests one bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.forest import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_ZERO,
)
from churnkit.trees.layout.binning import NumericInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning, CategoricalInput, Codes
    from churnkit.trees.layout.topology import Topology

    Ints = npt.NDArray[np.int64]
    UnsignedTable = npt.NDArray[np.unsignedinteger]

__all__ = ["ANSWER_COLUMNS", "BlockProgram", "build_program", "numeric_table"]

# Columns of bytes that hold a word of answers.
ANSWER_COLUMNS = 8
# With more classes, the answers of nodes are looked up in words.
_MAX_CLASSES = 8


@dataclass(frozen=True, eq=False)
class BlockProgram:
    """The nodes of all trees in order of evaluation, children first.

    A node sends a row right if ``column & mask > cut``.

    Parameters
    ----------
    column_input
        Shape (columns,): the input of each column.
    column_table
        For each column its value for each code of its input.
    column_dtype
        The type of all columns.
    column, mask, cut
        Shape (nodes,): the test. Columns after those of `column_table` are columns of answers,
        eight for each element of `class_column`.
    word
        Shape (nodes,): the word of answers to which the node's column belongs, otherwise -1.
    class_column
        Shape (inputs with words,): a column of classes.
    word_source, word_begin
        Shape (words,): the element of `class_column` that selects from a word, and the word's
        start in `answers`.
    answers
        For each word one element per class.
    left, right
        Shape (nodes,): the child's slot, or ``~position`` for a leaf.
    out
        Shape (nodes,): the slot of the output, never that of a child.
    n_slots
        The largest slot plus one.
    position_dtype
        The smallest unsigned type for all positions.
    node_offset
        Shape (trees + 1,): the start of each tree's nodes.
    """

    column_input: Ints
    column_table: tuple[UnsignedTable, ...]
    column_dtype: np.dtype[np.unsignedinteger]
    column: Ints
    mask: Ints
    cut: Ints
    word: Ints
    class_column: Ints
    word_source: Ints
    word_begin: Ints
    answers: npt.NDArray[np.uint64]
    left: Ints
    right: Ints
    out: Ints
    n_slots: int
    position_dtype: np.dtype[np.unsignedinteger]
    node_offset: Ints

    def columns(self, codes: Codes) -> UnsignedTable:
        """Compute the columns (columns, n) of a block from its codes (inputs, n)."""
        columns = np.empty((len(self.column_input), codes.shape[1]), self.column_dtype)
        for number, table in enumerate(self.column_table):
            table.take(codes[self.column_input[number]], out=columns[number], mode="clip")
        return columns


def build_program(forest: Forest, topology: Topology, binning: Binning) -> BlockProgram:
    """Arrange the nodes of a forest and the columns that they read."""
    columns = _Columns(binning, rank=np.argsort(topology.order))
    columns.add_nodes(forest)
    order = topology.order
    left, right = _operands(topology)
    slot = 2 * topology.depth + topology.is_right
    largest = max((int(table.max(initial=0)) for table in columns.tables), default=0)
    dtype = np.dtype(np.min_scalar_type(largest))
    is_answer = columns.word >= 0
    columns.column[is_answer] += len(columns.tables)
    columns.mask[columns.mask < 0] = np.iinfo(dtype).max
    return BlockProgram(
        column_input=np.array(columns.inputs, np.int64),
        column_table=tuple(table.astype(dtype) for table in columns.tables),
        column_dtype=dtype,
        column=columns.column[order],
        mask=columns.mask[order],
        cut=columns.cut[order],
        word=columns.word[order],
        class_column=np.array(columns.class_columns, np.int64),
        word_source=np.array(columns.word_source, np.int64),
        word_begin=np.cumsum([0, *(len(word) for word in columns.answers)])[:-1].astype(np.int64),
        answers=np.concatenate([np.empty(0, np.uint64), *columns.answers]),
        left=left[order],
        right=right[order],
        out=slot[order],
        n_slots=int(slot.max(initial=0)) + 1,
        position_dtype=np.dtype(
            np.min_scalar_type(int(np.diff(forest.node_offset).max(initial=0)))
        ),
        node_offset=forest.node_offset,
    )


def _operands(topology: Topology) -> tuple[Ints, Ints]:
    """Return the slots of each node's children, or the positions of its leaves.

    A node at depth k writes slot 2k or 2k + 1, as a left or right child. It is evaluated after its
    children and never overwrites an output that is still needed.
    """
    left, right = ~topology.start, ~topology.middle
    inner = np.flatnonzero(topology.parent >= 0)
    above, side = topology.parent[inner], topology.is_right[inner]
    slot = 2 * topology.depth[inner] + side
    left[above[~side]] = slot[~side]
    right[above[side]] = slot[side]
    return left, right


class _Columns:
    """The distinct columns that the nodes of a forest read, and the nodes' tests.

    Parameters
    ----------
    binning
        The inputs.
    rank
        Shape (nodes,): the position of each node in the order of evaluation.
    """

    def __init__(self, binning: Binning, rank: Ints) -> None:
        self.binning, self.rank = binning, rank
        self.inputs: list[int] = []
        self.tables: list[Ints] = []
        self.class_columns: list[int] = []
        self.word_source: list[int] = []
        self.answers: list[npt.NDArray[np.uint64]] = []
        self.column = np.zeros(len(rank), np.int64)
        self.mask = np.full(len(rank), -1, np.int64)
        self.cut = binning.node_cut.copy()
        self.word = np.full(len(rank), -1, np.int64)

    def add_nodes(self, forest: Forest) -> None:
        """Add the columns and tests of all nodes, in the forest's order."""
        by_input = np.argsort(self.binning.node_input, kind="stable")
        bounds = np.searchsorted(
            self.binning.node_input[by_input], np.arange(len(self.binning.inputs) + 1)
        )
        for number, source in enumerate(self.binning.inputs):
            nodes = by_input[bounds[number] : bounds[number + 1]]
            if isinstance(source, NumericInput):
                self.column[nodes] = self._numeric(number, source, forest.decision[nodes])
                continue
            if source.n_codes <= _MAX_CLASSES:
                bits = 1 << np.arange(source.n_codes)
                self.column[nodes] = self._add(number, bits)
                self.mask[nodes] = ~source.members[self.cut[nodes]] @ bits
            else:
                self._add_words(number, source, nodes[np.argsort(self.rank[nodes])])
            self.cut[nodes] = 0

    def _add(self, number: int, table: Ints) -> int:
        self.inputs.append(number)
        self.tables.append(table)
        return len(self.tables) - 1

    def _add_words(self, number: int, source: CategoricalInput, nodes: Ints) -> None:
        """Pack the answers of nodes, in the order of evaluation, to words."""
        element, place = len(self.class_columns), np.arange(len(nodes))
        self.class_columns.append(self._add(number, np.arange(source.n_codes)))
        self.word[nodes] = len(self.answers) + place // 64
        self.column[nodes] = ANSWER_COLUMNS * element + place % 64 // 8
        self.mask[nodes] = 1 << place % 8
        for start in range(0, len(nodes), 64):
            goes_right = np.zeros((64, source.n_codes), bool)
            part = nodes[start : start + 64]
            goes_right[: len(part)] = ~source.members[self.cut[part]]
            bits = np.packbits(np.ascontiguousarray(goes_right.T), axis=1, bitorder="little")
            self.answers.append(bits.view("<u8")[:, 0].astype(np.uint64))
            self.word_source.append(element)

    def _numeric(self, number: int, source: NumericInput, decision: npt.NDArray[np.uint8]) -> Ints:
        """Add one column per treatment of missing values among the nodes."""
        treatments, which = np.unique(decision & ~np.uint8(CATEGORICAL), return_inverse=True)
        added: list[tuple[Ints, int]] = []
        columns = []
        for treatment in treatments:
            table = numeric_table(source, int(treatment))
            same = [column for other, column in added if np.array_equal(other, table)]
            columns.append(same[0] if same else self._add(number, table))
            added.append((table, columns[-1]))
        node_column: Ints = np.array(columns, np.int64)[which.reshape(-1)]
        return node_column


def numeric_table(source: NumericInput, treatment: int) -> Ints:
    """Map each code to the code that a node with this treatment of missing values compares."""
    size = len(source.thresholds)
    table = np.arange(source.n_codes)
    zero = int(np.searchsorted(source.thresholds, 0.0))
    missing = 0 if treatment & DEFAULT_LEFT else size
    kind = treatment >> 2
    if source.zero_code >= 0:
        table[source.zero_code] = missing if kind == MISSING_ZERO else zero
    if source.nan_code > size:
        as_missing = kind in {MISSING_NAN, MISSING_ZERO}
        table[source.nan_code] = missing if as_missing else zero
    return table

"""Program for scoring blocks of rows, node by node from the leaves up.

Each node is one pass over a block: ``out = right if code > cut else left``, where `left` and
`right` are the outputs of the children, and the output of a leaf is its position. After the root,
`out` is the leaf of each row. There are no branches per row, so the passes run as vector
instructions.

Missing values need no branch either. A node that sends them left reads a column in which they
have the smallest code, a node that sends them right one in which they have the largest. A
categorical node reads planes, byte columns in which a row has the bit of its class set, and tests
them against a mask.
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
from churnkit.trees.layout.binning import CategoricalInput, NumericInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning, Codes
    from churnkit.trees.layout.topology import Topology

    Ints = npt.NDArray[np.int64]
    UnsignedTable = npt.NDArray[np.unsignedinteger]

__all__ = ["COMPARE", "LOOKUP", "PLANES", "BlockProgram", "build_program", "numeric_table"]

COMPARE, PLANES, LOOKUP = 0, 1, 2

# With more planes, a table of one byte per class is used instead.
_MAX_PLANES = 8


@dataclass(frozen=True, eq=False)
class BlockProgram:
    """The nodes of all trees in order of evaluation, children first.

    Parameters
    ----------
    column_input
        Shape (columns,): the input of each column.
    column_table
        For each column its value for each code of its input.
    column_dtype
        The type of all columns.
    kind
        Shape (nodes,): COMPARE a column with a cut, test PLANES against masks, or LOOKUP the class
        in a table.
    column
        Shape (nodes,): the column, the first plane, or (LOOKUP) a column of classes.
    cut
        Shape (nodes,): the cut, or the start of the masks or the table in `masks`.
    width
        Shape (nodes,): the number of planes or entries.
    masks
        Bytes: for PLANES a bit per class that goes left, for LOOKUP a 1 per class.
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
    kind: Ints
    column: Ints
    cut: Ints
    width: Ints
    masks: npt.NDArray[np.uint8]
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
    columns = _Columns(binning)
    kind, column, cut, width = columns.add_nodes(forest)
    order = topology.order
    left, right = _operands(topology)
    slot = 2 * topology.depth + topology.is_right
    largest = max((int(table.max(initial=0)) for table in columns.tables), default=0)
    dtype = np.dtype(np.min_scalar_type(largest))
    return BlockProgram(
        column_input=np.array(columns.inputs, np.int64),
        column_table=tuple(table.astype(dtype) for table in columns.tables),
        column_dtype=dtype,
        kind=kind[order],
        column=column[order],
        cut=cut[order],
        width=width[order],
        masks=np.concatenate([np.empty(0, np.uint8), *columns.masks]),
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
    """The distinct columns that the nodes of a forest read."""

    def __init__(self, binning: Binning) -> None:
        self.binning = binning
        self.inputs: list[int] = []
        self.tables: list[Ints] = []
        self.masks: list[npt.NDArray[np.uint8]] = []
        self._n_masks = 0

    def add_nodes(self, forest: Forest) -> tuple[Ints, Ints, Ints, Ints]:
        """Add columns for all nodes; return kind, column, cut and width in the forest's order."""
        n_nodes = len(forest.feature)
        kind, column = np.zeros(n_nodes, np.int64), np.zeros(n_nodes, np.int64)
        cut, width = self.binning.node_cut.copy(), np.zeros(n_nodes, np.int64)
        by_input = np.argsort(self.binning.node_input, kind="stable")
        bounds = np.searchsorted(
            self.binning.node_input[by_input], np.arange(len(self.binning.inputs) + 1)
        )
        for number, source in enumerate(self.binning.inputs):
            nodes = by_input[bounds[number] : bounds[number + 1]]
            if isinstance(source, NumericInput):
                column[nodes] = self._numeric(number, source, forest.decision[nodes])
            else:
                kind[nodes], column[nodes], cut[nodes], width[nodes] = self._categorical(
                    number, source, cut[nodes]
                )
        return kind, column, cut, width

    def _add(self, number: int, table: Ints) -> int:
        self.inputs.append(number)
        self.tables.append(table)
        return len(self.tables) - 1

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

    def _categorical(
        self, number: int, source: CategoricalInput, row: Ints
    ) -> tuple[int, int, Ints, int]:
        """Add the planes of a categorical input, or a lookup table if there are too many classes."""
        n_sets, n_classes = source.members.shape
        n_planes = -(-n_classes // 8)
        if n_planes > _MAX_PLANES:
            kind, width = LOOKUP, n_classes
            masks = source.members.astype(np.uint8)
            first = self._add(number, np.arange(n_classes))
        else:
            kind, width = PLANES, n_planes
            masks = np.packbits(source.members, axis=1, bitorder="little")
            classes = np.arange(n_classes)
            planes = [
                self._add(number, np.where(classes >> 3 == plane, 1 << (classes & 7), 0))
                for plane in range(n_planes)
            ]
            first = planes[0]
        begin = self._n_masks
        self.masks.append(masks.reshape(-1))
        self._n_masks += n_sets * width
        return kind, first, begin + row * width, width


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

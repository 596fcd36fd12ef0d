"""Arrange the trees for scoring whole blocks of rows, node by node from the leaves up.

Each node is one pass over a block: ``out = right if code > cut else left``, where `left` and
`right` are what the children put out, and a leaf puts out its place. After the root, `out`
holds each row's leaf. There are no branches on rows, so the passes run at the speed of vector
instructions.

Missing values need no branch either. A node that sends missing values left reads a column in
which they have the smallest code, one that sends them right a column in which they have the
largest. A categorical node reads planes: byte columns in which a row has one bit set, the bit
of its class; the node tests them against a mask.
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
    from churnkit.trees.layout.binning import Codes, Coding
    from churnkit.trees.layout.topology import Geometry

    Ints = npt.NDArray[np.int64]
    UnsignedTable = npt.NDArray[np.unsignedinteger]

__all__ = ["COMPARE", "LOOKUP", "PLANES", "Program", "build_program", "numeric_table"]

COMPARE, PLANES, LOOKUP = 0, 1, 2

# Beyond so many planes a table of one byte a class is read instead.
_MOST_PLANES = 8


@dataclass(frozen=True, eq=False)
class Program:
    """The nodes of all trees in order of evaluation, children first.

    Parameters
    ----------
    column_input
        Shape (columns,): the input that each column is made from.
    column_table
        One for each column: its value for each code of its input.
    column_dtype
        The type of all columns.
    kind
        Shape (nodes,): COMPARE a column with a cut, test PLANES against masks, or LOOKUP the
        class in a table.
    column
        Shape (nodes,): the column, the first plane, or (LOOKUP) a column of classes.
    cut
        Shape (nodes,): the cut, or where masks or table begin in `masks`.
    width
        Shape (nodes,): how many planes or entries there are.
    masks
        Bytes. For PLANES a bit for each class that goes left, for LOOKUP a 1 for each.
    left, right
        Shape (nodes,): the child's slot, or ``~place`` for a leaf.
    out
        Shape (nodes,): the slot to write; never a child's own.
    n_slots
        One more than the largest slot.
    place_dtype
        The smallest unsigned type that holds all places.
    node_offset
        Shape (trees + 1,): where each tree's nodes start.
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
    place_dtype: np.dtype[np.unsignedinteger]
    node_offset: Ints

    def columns(self, codes: Codes) -> UnsignedTable:
        """Make the columns of a block from its codes, shapes (columns, n) and (inputs, n)."""
        made = np.empty((len(self.column_input), codes.shape[1]), self.column_dtype)
        for number, table in enumerate(self.column_table):
            table.take(codes[self.column_input[number]], out=made[number], mode="clip")
        return made


def build_program(forest: Forest, geometry: Geometry, coding: Coding) -> Program:
    """Lay out the nodes of a forest and the columns that they read."""
    columns = _Columns(coding)
    kind, column, cut, width = columns.place_nodes(forest)
    order = geometry.order
    left, right = _operands(geometry)
    slot = 2 * geometry.depth + geometry.is_right
    largest = max((int(table.max(initial=0)) for table in columns.tables), default=0)
    dtype = np.dtype(np.min_scalar_type(largest))
    return Program(
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
        place_dtype=np.dtype(np.min_scalar_type(int(np.diff(forest.node_offset).max(initial=0)))),
        node_offset=forest.node_offset,
    )


def _operands(geometry: Geometry) -> tuple[Ints, Ints]:
    """Give each node its children's slots, or the places of its leaves.

    A node at depth k writes slot 2k or 2k + 1, as left or right child. Evaluated after its
    children, it never writes where something still waits to be read.
    """
    left, right = ~geometry.start, ~geometry.middle
    inner = np.flatnonzero(geometry.parent >= 0)
    above, side = geometry.parent[inner], geometry.is_right[inner]
    slot = 2 * geometry.depth[inner] + side
    left[above[~side]] = slot[~side]
    right[above[side]] = slot[side]
    return left, right


class _Columns:
    """Collects the columns that the nodes of a forest read, each made once."""

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self.inputs: list[int] = []
        self.tables: list[Ints] = []
        self.masks: list[npt.NDArray[np.uint8]] = []
        self._n_masks = 0

    def place_nodes(self, forest: Forest) -> tuple[Ints, Ints, Ints, Ints]:
        """Return kind, column, cut and width of each node, in the forest's order."""
        n_nodes = len(forest.feature)
        kind, column = np.zeros(n_nodes, np.int64), np.zeros(n_nodes, np.int64)
        cut, width = self.coding.node_cut.copy(), np.zeros(n_nodes, np.int64)
        by_input = np.argsort(self.coding.node_input, kind="stable")
        bounds = np.searchsorted(
            self.coding.node_input[by_input], np.arange(len(self.coding.inputs) + 1)
        )
        for number, source in enumerate(self.coding.inputs):
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
        """Add one column for each treatment of missing values that some node asks for."""
        treatments, which = np.unique(decision & ~np.uint8(CATEGORICAL), return_inverse=True)
        made: list[tuple[Ints, int]] = []
        columns = []
        for treatment in treatments:
            table = numeric_table(source, int(treatment))
            same = [place for other, place in made if np.array_equal(other, table)]
            columns.append(same[0] if same else self._add(number, table))
            made.append((table, columns[-1]))
        column: Ints = np.array(columns, np.int64)[which.reshape(-1)]
        return column

    def _categorical(
        self, number: int, source: CategoricalInput, row: Ints
    ) -> tuple[int, int, Ints, int]:
        """Add the planes of a categorical input, or none if its nodes look classes up."""
        n_sets, n_classes = source.members.shape
        n_planes = -(-n_classes // 8)
        if n_planes > _MOST_PLANES:
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
    """Say which code a node with this treatment of missing values should see for each code."""
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

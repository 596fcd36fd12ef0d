"""Decide nodes one row at a time, with tables from codes to sides.

Masks are faster for single rows, but they grow with codes times leaves; models too large for
them walk down from the root. Walking needs one small table for each kind of node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.layout.binning import NumericInput
from churnkit.trees.layout.block_program import COMPARE

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Codes, Coding
    from churnkit.trees.layout.block_program import Program
    from churnkit.trees.layout.topology import Geometry

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["Walk", "build_walk", "decide_nodes", "walk_down"]


@dataclass(frozen=True, eq=False)
class Walk:
    """The nodes of all trees in the forest's order.

    A node sends a row right if ``table[begin + code] > cut``, with the code of its input.

    Parameters
    ----------
    number, begin, cut
        Shape (nodes,): the input, where its table begins, and the cut.
    table
        The tables, one after the other.
    left, right
        Shape (nodes,): the child's number among all nodes, or the complement of a leaf's
        number from left to right through all trees.
    root
        Shape (trees,): each tree's root, or the complement of its only leaf.
    """

    number: Ints
    begin: Ints
    cut: Ints
    table: npt.NDArray[np.int32]
    left: Ints
    right: Ints
    root: Ints


def build_walk(forest: Forest, geometry: Geometry, coding: Coding, program: Program) -> Walk:
    """Collect tables, and point each node to its children."""
    tables = list(program.column_table)
    column_begin = np.cumsum([0, *(len(table) for table in tables)])
    begin, cut = np.zeros(len(geometry.order), np.int64), coding.node_cut.copy()
    compares = program.kind == COMPARE
    begin[geometry.order[compares]] = column_begin[program.column[compares]]
    size = int(column_begin[-1])
    for number, source in enumerate(coding.inputs):
        if not isinstance(source, NumericInput):
            nodes = np.flatnonzero(coding.node_input == number)
            begin[nodes] = size + cut[nodes] * source.n_codes
            cut[nodes] = 0
            tables.append((~source.members).reshape(-1).astype(program.column_dtype))
            size += source.members.size
    leaf_base = forest.leaf_offset[geometry.tree]
    left, right = ~(geometry.start + leaf_base), ~(geometry.middle + leaf_base)
    inner = np.flatnonzero(geometry.parent >= 0)
    side = geometry.is_right[inner]
    left[geometry.parent[inner[~side]]] = inner[~side]
    right[geometry.parent[inner[side]]] = inner[side]
    first_node, first_leaf = forest.node_offset[:-1], forest.leaf_offset[:-1]
    return Walk(
        number=coding.node_input,
        begin=begin,
        cut=cut,
        table=np.concatenate([np.empty(0, np.int32), *tables]).astype(np.int32),
        left=left,
        right=right,
        root=np.where(np.diff(forest.node_offset) > 0, first_node, ~first_leaf),
    )


def decide_nodes(walk: Walk, node: Ints, codes: Ints) -> Bools:
    """Whether nodes send rows right.

    Parameters
    ----------
    walk
        The nodes.
    node
        Shape (k,) or (k, n): nodes for all rows, or for each.
    codes
        Shape (inputs, n).

    Returns
    -------
    ndarray
        Shape (k, n).
    """
    if node.ndim == 1:
        node = node[:, None]
    code = codes[walk.number[node], np.arange(codes.shape[1])]
    goes_right: Bools = walk.table[walk.begin[node] + code] > walk.cut[node]
    return goes_right


def walk_down(walk: Walk, codes: Codes) -> Ints:
    """Return the leaf that each row reaches in each tree, counted through all trees.

    Returns
    -------
    ndarray
        Shape (trees, n).
    """
    wide = codes.astype(np.int64)
    reached = np.repeat(walk.root[:, None], codes.shape[1], axis=1)
    while True:
        tree, row = np.nonzero(reached >= 0)
        if not len(tree):
            return ~reached
        node = reached[tree, row]
        code = wide[walk.number[node], row]
        goes_right = walk.table[walk.begin[node] + code] > walk.cut[node]
        reached[tree, row] = np.where(goes_right, walk.right[node], walk.left[node])

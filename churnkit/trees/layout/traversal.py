"""Traverse trees from the root, with tables that map codes to sides.

Leaf masks are faster for single rows, but their size grows with codes times leaves; models too
large for them traverse the trees. That needs one small table per kind of node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.layout.binning import NumericInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning, Codes
    from churnkit.trees.layout.block_program import BlockProgram
    from churnkit.trees.layout.topology import Topology

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["Traversal", "build_traversal", "decide_nodes", "traverse"]


@dataclass(frozen=True, eq=False)
class Traversal:
    """The nodes of all trees in the forest's order.

    A node sends a row right if ``table[begin + code] > cut``, with the code of its input.

    Parameters
    ----------
    number, begin, cut
        Shape (nodes,): the input, the start of its table, and the cut.
    table
        The concatenated tables.
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


def build_traversal(
    forest: Forest, topology: Topology, binning: Binning, program: BlockProgram
) -> Traversal:
    """Collect the tables and the children of each node."""
    tables = list(program.column_table)
    column_begin = np.cumsum([0, *(len(table) for table in tables)])
    begin, cut = np.zeros(len(topology.order), np.int64), binning.node_cut.copy()
    has_column = program.word < 0
    begin[topology.order[has_column]] = column_begin[program.column[has_column]]
    size = int(column_begin[-1])
    for number, source in enumerate(binning.inputs):
        if not isinstance(source, NumericInput):
            nodes = np.flatnonzero(binning.node_input == number)
            begin[nodes] = size + cut[nodes] * source.n_codes
            cut[nodes] = 0
            tables.append((~source.members).reshape(-1).astype(program.column_dtype))
            size += source.members.size
    leaf_base = forest.leaf_offset[topology.tree]
    left, right = ~(topology.start + leaf_base), ~(topology.middle + leaf_base)
    inner = np.flatnonzero(topology.parent >= 0)
    side = topology.is_right[inner]
    left[topology.parent[inner[~side]]] = inner[~side]
    right[topology.parent[inner[side]]] = inner[side]
    first_node, first_leaf = forest.node_offset[:-1], forest.leaf_offset[:-1]
    return Traversal(
        number=binning.node_input,
        begin=begin,
        cut=cut,
        table=np.concatenate([np.empty(0, np.int32), *tables]).astype(np.int32),
        left=left,
        right=right,
        root=np.where(np.diff(forest.node_offset) > 0, first_node, ~first_leaf),
    )


def decide_nodes(traversal: Traversal, node: Ints, codes: Ints) -> Bools:
    """Test which nodes send rows right.

    Parameters
    ----------
    traversal
        The nodes.
    node
        Shape (k,) or (k, n): nodes of all rows, or of each row.
    codes
        Shape (inputs, n).

    Returns
    -------
    ndarray
        Shape (k, n).
    """
    if node.ndim == 1:
        node = node[:, None]
    code = codes[traversal.number[node], np.arange(codes.shape[1])]
    goes_right: Bools = traversal.table[traversal.begin[node] + code] > traversal.cut[node]
    return goes_right


def traverse(traversal: Traversal, codes: Codes) -> Ints:
    """Return the leaf of each row in each tree, numbered across all trees.

    Returns
    -------
    ndarray
        Shape (trees, n).
    """
    wide = codes.astype(np.int64)
    reached = np.repeat(traversal.root[:, None], codes.shape[1], axis=1)
    while True:
        tree, row = np.nonzero(reached >= 0)
        if not len(tree):
            return ~reached
        node = reached[tree, row]
        code = wide[traversal.number[node], row]
        goes_right = traversal.table[traversal.begin[node] + code] > traversal.cut[node]
        reached[tree, row] = np.where(goes_right, traversal.right[node], traversal.left[node])

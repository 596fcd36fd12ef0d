"""Paths from the leaves to the roots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning
    from churnkit.trees.layout.topology import Topology

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

__all__ = ["LeafPaths", "find_paths"]


@dataclass(frozen=True, eq=False)
class LeafPaths:
    """Steps of all paths, sorted by leaf and input, from the root down.

    All steps of a path with the same input form a link.

    Parameters
    ----------
    node, is_right
        Shape (steps,): the node, and true if the path goes right there.
    share
        Shape (steps,): the share of the node's training rows that go the same way.
    link_start
        Shape (links,): the first step of each link.
    link_leaf, link_input
        Shape (links,): the leaf, counted from left to right through all trees, and the input.
    """

    node: Ints
    is_right: npt.NDArray[np.bool_]
    share: Floats
    link_start: Ints
    link_leaf: Ints
    link_input: Ints


def find_paths(forest: Forest, topology: Topology, binning: Binning) -> LeafPaths:
    """Follow the paths of all leaves to their roots."""
    tree_of_leaf = np.repeat(np.arange(forest.n_trees), np.diff(forest.leaf_offset))
    leaf = topology.leaf_position + forest.leaf_offset[tree_of_leaf]
    node, is_right, count = topology.leaf_parent, topology.leaf_is_right, forest.leaf_count
    steps = [(leaf[:0], node[:0], is_right[:0], np.empty(0))]
    while True:
        inside = node >= 0
        leaf, node, is_right, count = leaf[inside], node[inside], is_right[inside], count[inside]
        if not len(node):
            break
        total = forest.node_count[node]
        share = np.divide(count, total, out=np.zeros(len(node)), where=total > 0)
        steps.append((leaf, node, is_right, share))
        node, is_right, count = topology.parent[node], topology.is_right[node], total
    steps.reverse()
    leaf, node, is_right, share = (np.concatenate(part) for part in zip(*steps, strict=True))
    number = binning.node_input[node]
    order = np.lexsort((number, leaf))
    leaf, number = leaf[order], number[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(leaf) != 0) | (np.diff(number) != 0)
    start = np.flatnonzero(begins)
    return LeafPaths(node[order], is_right[order], share[order], start, leaf[start], number[start])

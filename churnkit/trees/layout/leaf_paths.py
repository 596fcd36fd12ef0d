"""Every step of every path from a leaf up to its root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Coding
    from churnkit.trees.layout.topology import Geometry

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

__all__ = ["Paths", "find_paths"]


@dataclass(frozen=True, eq=False)
class Paths:
    """Steps of paths, sorted by leaf and input, from the root down.

    All steps of one path that read the same input make one link.

    Parameters
    ----------
    node, is_right
        Shape (steps,): the node, and whether the path goes right there.
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


def find_paths(forest: Forest, geometry: Geometry, coding: Coding) -> Paths:
    """Climb from all leaves to their roots at once."""
    tree_of_leaf = np.repeat(np.arange(forest.n_trees), np.diff(forest.leaf_offset))
    leaf = geometry.leaf_place + forest.leaf_offset[tree_of_leaf]
    node, is_right, count = geometry.leaf_parent, geometry.leaf_is_right, forest.leaf_count
    steps = [(leaf[:0], node[:0], is_right[:0], np.empty(0))]
    while True:
        inside = node >= 0
        leaf, node, is_right, count = leaf[inside], node[inside], is_right[inside], count[inside]
        if not len(node):
            break
        total = forest.node_count[node]
        share = np.divide(count, total, out=np.zeros(len(node)), where=total > 0)
        steps.append((leaf, node, is_right, share))
        node, is_right, count = geometry.parent[node], geometry.is_right[node], total
    steps.reverse()
    leaf, node, is_right, share = (np.concatenate(part) for part in zip(*steps, strict=True))
    number = coding.node_input[node]
    order = np.lexsort((number, leaf))
    leaf, number = leaf[order], number[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(leaf) != 0) | (np.diff(number) != 0)
    start = np.flatnonzero(begins)
    return Paths(node[order], is_right[order], share[order], start, leaf[start], number[start])

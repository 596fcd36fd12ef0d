"""Where each node and leaf of a forest stands: parents, depths, and leaves from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["Geometry", "find_geometry"]


@dataclass(frozen=True, eq=False)
class Geometry:
    """The trees' shape, for all nodes and leaves of a forest at once.

    Leaves are counted from left to right within their tree, so that the leaves below a node
    are a range: ``start <= place < middle`` below its left child, ``middle <= place < stop``
    below its right one.

    Parameters
    ----------
    tree, depth, parent, is_right, start, middle, stop
        Shape (nodes,): the tree's number; steps from the root; the parent's number among all
        nodes (-1 for a root); whether it is the parent's right child; the range of leaves.
    order
        Shape (nodes,): all nodes, tree after tree, each after its children.
    leaf_place, leaf_parent, leaf_is_right
        Shape (leaves,), in LightGBM's order of leaves.
    leaf_at
        Shape (leaves,), tree after tree from left to right: the leaf's number within its tree
        in LightGBM's order.
    """

    tree: Ints
    depth: Ints
    parent: Ints
    is_right: Bools
    start: Ints
    middle: Ints
    stop: Ints
    order: Ints
    leaf_place: Ints
    leaf_parent: Ints
    leaf_is_right: Bools
    leaf_at: Ints


def find_geometry(forest: Forest) -> Geometry:
    """Walk all trees of a checked forest at once, level by level."""
    nodes = np.diff(forest.node_offset)
    n_nodes, n_leaves = len(forest.feature), len(forest.leaf_value)
    tree = np.repeat(np.arange(forest.n_trees), nodes)
    left = _global_child(forest.left, forest, nodes)
    right = _global_child(forest.right, forest, nodes)
    parent, is_right = np.full(n_nodes, -1, np.int64), np.zeros(n_nodes, bool)
    leaf_parent, leaf_is_right = np.full(n_leaves, -1, np.int64), np.zeros(n_leaves, bool)
    for child, side in ((left, False), (right, True)):
        numbers, is_leaf = np.arange(n_nodes), child < 0
        parent[child[~is_leaf]], is_right[child[~is_leaf]] = numbers[~is_leaf], side
        leaf_parent[~child[is_leaf]], leaf_is_right[~child[is_leaf]] = numbers[is_leaf], side

    levels = _levels(forest.node_offset[:-1][nodes > 0], left, right)
    depth = np.zeros(n_nodes, np.int64)
    width = np.zeros(n_nodes, np.int64)
    left_width = np.zeros(n_nodes, np.int64)
    for number, level in reversed(list(enumerate(levels))):
        depth[level] = number
        left_width[level] = _width(left[level], width)
        width[level] = left_width[level] + _width(right[level], width)

    start = np.zeros(n_nodes, np.int64)
    for level in levels[1:]:
        above = parent[level]
        start[level] = start[above] + np.where(is_right[level], left_width[above], 0)
    leaf_place = np.zeros(n_leaves, np.int64)
    has_parent = leaf_parent >= 0
    above = leaf_parent[has_parent]
    leaf_place[has_parent] = start[above] + np.where(
        leaf_is_right[has_parent], left_width[above], 0
    )
    leaf_base = np.repeat(forest.leaf_offset[:-1], np.diff(forest.leaf_offset))
    leaf_at = np.empty(n_leaves, np.int64)
    leaf_at[leaf_place + leaf_base] = np.arange(n_leaves) - leaf_base
    return Geometry(
        tree=tree,
        depth=depth,
        parent=parent,
        is_right=is_right,
        start=start,
        middle=start + left_width,
        stop=start + width,
        order=np.lexsort((-depth, start + width, tree)),
        leaf_place=leaf_place,
        leaf_parent=leaf_parent,
        leaf_is_right=leaf_is_right,
        leaf_at=leaf_at,
    )


def _global_child(child: npt.NDArray[np.int32], forest: Forest, nodes: Ints) -> Ints:
    """Count nodes and leaves through all trees; a leaf stays marked by its complement."""
    local = child.astype(np.int64)
    node_base = np.repeat(forest.node_offset[:-1], nodes)
    leaf_base = np.repeat(forest.leaf_offset[:-1], nodes)
    return np.where(local >= 0, local + node_base, ~(~local + leaf_base))


def _levels(roots: Ints, left: Ints, right: Ints) -> list[Ints]:
    levels = []
    level = roots
    while len(level):
        levels.append(level)
        children = np.concatenate([left[level], right[level]])
        level = children[children >= 0]
    return levels


def _width(child: Ints, width: Ints) -> Ints:
    """Leaves below each child: its width if it is a node, one if it is a leaf."""
    return np.where(child >= 0, width[np.maximum(child, 0)], 1)

"""Parents, depths and left-to-right leaf positions of a forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["Topology", "count_levels", "find_topology"]


@dataclass(frozen=True, eq=False)
class Topology:
    """The shape of the trees, for all nodes and leaves of a forest.

    Leaves are counted from left to right within their tree, so that the leaves below a node
    are a range: ``start <= position < middle`` below its left child, ``middle <= position <
    stop`` below its right child.

    Parameters
    ----------
    tree, depth, parent, is_right, start, middle, stop
        Shape (nodes,): the number of the tree; steps from the root; the parent's number among
        all nodes (-1 for a root); true for a right child; the range of leaves.
    order
        Shape (nodes,): all nodes, tree by tree, each after its children.
    leaf_position, leaf_parent, leaf_is_right
        Shape (leaves,), in LightGBM's order of leaves.
    leaf_number
        Shape (leaves,), tree by tree from left to right: the leaf's number within its tree in
        LightGBM's order.
    """

    tree: Ints
    depth: Ints
    parent: Ints
    is_right: Bools
    start: Ints
    middle: Ints
    stop: Ints
    order: Ints
    leaf_position: Ints
    leaf_parent: Ints
    leaf_is_right: Bools
    leaf_number: Ints


def find_topology(forest: Forest) -> Topology:
    """Traverse all trees of a checked forest level by level."""
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
    leaf_position = np.zeros(n_leaves, np.int64)
    has_parent = leaf_parent >= 0
    above = leaf_parent[has_parent]
    leaf_position[has_parent] = start[above] + np.where(
        leaf_is_right[has_parent], left_width[above], 0
    )
    leaf_base = np.repeat(forest.leaf_offset[:-1], np.diff(forest.leaf_offset))
    leaf_number = np.empty(n_leaves, np.int64)
    leaf_number[leaf_position + leaf_base] = np.arange(n_leaves) - leaf_base
    return Topology(
        tree=tree,
        depth=depth,
        parent=parent,
        is_right=is_right,
        start=start,
        middle=start + left_width,
        stop=start + width,
        order=np.lexsort((-depth, start + width, tree)),
        leaf_position=leaf_position,
        leaf_parent=leaf_parent,
        leaf_is_right=leaf_is_right,
        leaf_number=leaf_number,
    )


def count_levels(forest: Forest, most: int) -> tuple[int, int]:
    """Return the number of levels of the deepest tree, and the lengths of all paths to leaves.

    Stops after `most` levels; the first number is then larger.
    """
    nodes = np.diff(forest.node_offset)
    children = [_global_child(side, forest, nodes) for side in (forest.left, forest.right)]
    level, depth, steps = forest.node_offset[:-1][nodes > 0], 0, 0
    while len(level) and depth <= most:
        below = np.concatenate([child[level] for child in children])
        level, depth = below[below >= 0], depth + 1
        steps += depth * (len(below) - len(level))
    return depth, steps


def _global_child(child: npt.NDArray[np.int32], forest: Forest, nodes: Ints) -> Ints:
    """Number nodes and leaves across all trees; a leaf is the complement of its number."""
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
    """Count the leaves below each child: the width of a node, one for a leaf."""
    return np.where(child >= 0, width[np.maximum(child, 0)], 1)

"""Arrange trees of other libraries as the arrays of a forest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.forest import (
    CATEGORICAL,
    DOUBLE,
    EXACT,
    Forest,
    check_words,
    join_arrays,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]
    Words = npt.NDArray[np.uint32]

__all__ = [
    "MALFORMED",
    "CategorySets",
    "check_count",
    "constant_tree",
    "exact_forest",
    "leaf_counts",
    "tree_arrays",
]

MALFORMED = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError),
    RecursionError,
)
"""Errors that reading a malformed document raises."""
# Each column or output takes memory, and no model of customers has nearly as many.
_MOST_COLUMNS = 100_000
# The counts of all leaves of a tree together; their sums must fit 64 bits.
_MOST_COUNTS = 2.0**60
_LARGEST_WEIGHT = float(np.finfo(np.float32).max)


def check_count(name: str, count: int, most: int = _MOST_COLUMNS) -> int:
    """Return a number of columns or outputs.

    Raises
    ------
    BundleError
        If it is negative or too large.

    Examples
    --------
    >>> check_count("num_feature", 12)
    12
    """
    if not 0 <= count <= most:
        raise BundleError(f"the model's {name} must be from 0 to {most:,}")
    return count


def leaf_counts(weight: npt.NDArray[np.float64], per_unit: int) -> npt.NDArray[np.int64]:
    """Return whole numbers, at least 1, in proportion to the weights of a tree's leaves.

    Parameters
    ----------
    weight
        Shape (n,): sums of the weights of training rows.
    per_unit
        Counts for a weight of 1; fewer where the weights are so large that sums of counts would
        not fit 64 bits, since only the ratios of counts are used.

    Raises
    ------
    BundleError
        If a weight is negative, not finite, or no single-precision number.

    Examples
    --------
    >>> leaf_counts(np.array([0.5, 2.0, 0.0]), 1_000)
    array([ 500, 2000,    1])
    """
    if not ((weight >= 0) & (weight <= _LARGEST_WEIGHT)).all():
        raise BundleError("the model is malformed: the weight of a leaf is out of range")
    scale = min(float(per_unit), _MOST_COUNTS / max(float(weight.sum()), 1.0))
    return np.maximum(np.round(scale * weight), 1).astype(np.int64)


def tree_arrays(
    *,
    is_leaf: npt.NDArray[np.bool_],
    left: npt.NDArray[Any],
    right: npt.NDArray[Any],
    feature: npt.NDArray[Any],
    threshold: npt.NDArray[Any],
    decision: npt.NDArray[Any],
    value: npt.NDArray[Any],
    count: npt.NDArray[Any],
    sets: Sequence[Words] = (),
) -> Arrays:
    """Return the arrays of one tree whose nodes and leaves are numbered together.

    Parameters
    ----------
    is_leaf
        Shape (n,): the leaves among all nodes; parents precede their children.
    left, right
        Shape (n,): the children's numbers, ignored for leaves.
    feature, threshold, decision
        Shape (n,): as in `Forest`, ignored for leaves.
    value
        Shape (n,): the outputs of leaves.
    count
        Shape (n,): training rows.
    sets
        The words of the sets of the categorical nodes, in order.
    """
    inner = ~is_leaf
    nodes = int(inner.sum())
    # Nodes and leaves are numbered separately; a leaf is stored as the complement of its number.
    position = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(inner) - 1)
    categorical = (decision[inner] & CATEGORICAL) > 0
    category_set = np.full(nodes, -1)
    category_set[categorical] = np.arange(len(sets))
    return {
        "node_offset": np.array([0, nodes]),
        "leaf_offset": np.array([0, nodes + 1]),
        "feature": feature[inner],
        "threshold": np.where(categorical, 0.0, threshold[inner]),
        "decision": decision[inner],
        "left": position[left[inner]],
        "right": position[right[inner]],
        "node_count": count[inner],
        "category_set": category_set,
        "category_offset": np.cumsum([0, *(len(words) for words in sets)]),
        "category_words": np.concatenate([np.empty(0, np.uint32), *sets]),
        "leaf_value": value[is_leaf],
        "leaf_count": count[is_leaf],
    }


def constant_tree(value: float) -> Arrays:
    """Return the arrays of a tree of one leaf."""
    none, zero = np.zeros(1), np.zeros(1, np.int64)
    return tree_arrays(
        is_leaf=np.ones(1, bool),
        left=zero,
        right=zero,
        feature=zero,
        threshold=none,
        decision=zero,
        value=none + value,
        count=zero + 1,
    )


class CategorySets:
    """Sets of categories of one model as bits, up to the size that a forest may have.

    Examples
    --------
    >>> CategorySets().pack(np.array([1, 33]))
    array([2, 2], dtype=uint32)
    """

    def __init__(self) -> None:
        self._words = 0

    def pack(self, categories: npt.NDArray[np.int64]) -> Words:
        """Return a set as bits.

        Raises
        ------
        BundleError
            If all sets together are too large; a short list with one large category is enough.
        """
        words = int(categories.max(initial=0)) // 32 + 1
        self._words += words
        check_words(self._words)
        bits = np.zeros(words * 32, np.uint8)
        bits[categories] = 1
        return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)


def exact_forest(
    trees: Sequence[Arrays],
    *,
    n_features: int,
    objective: str,
    n_outputs: int = 1,
    average_output: bool = False,
    precision: str = DOUBLE,
) -> Forest:
    """Join trees to a checked forest that compares numbers as they are.

    Parameters
    ----------
    trees
        The arrays of each tree.
    n_features
        Number of columns of a row.
    objective, n_outputs, average_output, precision
        See `Forest`.
    """
    forest = Forest(
        feature_names=tuple(f"Column_{at}" for at in range(n_features)),
        objective=objective,
        n_outputs=n_outputs,
        average_output=average_output,
        comparison=EXACT,
        precision=precision,
        **join_arrays(trees),
    )
    forest.check()
    return forest

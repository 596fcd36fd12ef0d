"""Limits of stored trees: what loading and scoring may take of time and memory.

A file of trees can be small and still unfold to gigabytes: a chain of nodes has paths of quadratic
length, and a category near the end of a set makes a table of its whole length. At these limits,
loading takes some seconds, and explaining a row at most 2.5 GB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.layout.topology import count_levels

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest

    Ints = npt.NDArray[np.int64]

__all__ = ["check_limits"]

MAX_TREES: Final = 100_000
MAX_DEPTH: Final = 500
MAX_STEPS: Final = 20_000_000
"""Sum of the lengths of the paths to all leaves."""
MAX_TABLE: Final = 2**25
"""Sum over the columns of the largest category."""
MAX_CELLS: Final = 20_000_000
"""Sum over the columns of distinct categories times sets."""


def check_limits(forest: Forest) -> None:
    """Check the size of a checked forest.

    Parameters
    ----------
    forest
        Its arrays fit each other.

    Raises
    ------
    BundleError
        Names the limit.
    """
    _require(forest.n_trees, MAX_TREES, "trees")
    _require(
        forest.n_outputs, max(forest.n_trees, 1), "outputs, which cannot be more than its trees"
    )
    depth, steps = count_levels(forest, MAX_DEPTH)
    _require(depth, MAX_DEPTH, "levels in a tree")
    _require(steps, MAX_STEPS, "steps on the paths to its leaves")
    _check_categories(forest)


def _require(count: int, limit: int, name: str) -> None:
    if count > limit:
        raise BundleError(
            f"the trees have {count:,} {name}; a saved model may have {limit:,}: train with fewer "
            "or smaller trees"
        )


def _check_categories(forest: Forest) -> None:
    nodes = np.flatnonzero(forest.category_set >= 0)
    if not len(nodes):
        return
    words = np.diff(forest.category_offset)
    ones = np.array([byte.bit_count() for byte in range(256)], np.int64)
    bits = ones[forest.category_words.view(np.uint8)].reshape(-1, 4).sum(axis=1)
    members = np.add.reduceat(bits, forest.category_offset[:-1])
    used = np.unique(
        np.stack([forest.feature[nodes], forest.category_set[nodes]]).astype(np.int64), axis=1
    )
    table = cells = 0
    for feature in np.unique(used[0]):
        sets = used[1, used[0] == feature]
        largest = 32 * int(words[sets].max())
        table += largest
        cells += len(sets) * min(largest, int(members[sets].sum()))
    _require(table, MAX_TABLE, "categories")
    _require(cells, MAX_CELLS, "categories times sets of categories")

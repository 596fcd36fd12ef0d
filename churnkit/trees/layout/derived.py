"""The arrays derived from a forest, each computed on first use.

Two threads may compute the same array at once, with the same result.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.trees.forest import SINGLE
from churnkit.trees.layout.binning import build_binning
from churnkit.trees.layout.block_program import build_program
from churnkit.trees.layout.leaf_bitmasks import build_masks
from churnkit.trees.layout.leaf_paths import find_paths
from churnkit.trees.layout.topology import find_topology
from churnkit.trees.layout.traversal import build_traversal
from churnkit.trees.shapley import build_attribution

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning
    from churnkit.trees.layout.block_program import BlockProgram
    from churnkit.trees.layout.leaf_bitmasks import LeafMasks
    from churnkit.trees.layout.leaf_paths import LeafPaths
    from churnkit.trees.layout.topology import Topology
    from churnkit.trees.layout.traversal import Traversal
    from churnkit.trees.shapley import Attribution

    Floats = npt.NDArray[np.float64]

__all__ = ["MAX_MASK_BYTES", "ForestLayout"]

# Models with larger masks traverse the trees instead, and build masks in pieces to explain.
MAX_MASK_BYTES = 8_000_000


class ForestLayout:
    """A forest and its derived arrays.

    Parameters
    ----------
    forest
        The checked trees.

    Attributes
    ----------
    topology, binning, program
        The positions of nodes, the codes of values, the evaluation of blocks.
    leaf_values
        Shape (leaves,): the values of the leaves from left to right, tree by tree.
    score_dtype
        The type in which leaf values are added.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.topology: Topology = find_topology(forest)
        self.binning: Binning = build_binning(forest)
        self.program: BlockProgram = build_program(forest, self.topology, self.binning)
        leaf_base = np.repeat(forest.leaf_offset[:-1], np.diff(forest.leaf_offset))
        self.leaf_values: Floats = forest.leaf_value[leaf_base + self.topology.leaf_number]
        self.score_dtype: np.dtype[np.floating[Any]] = np.dtype(
            np.float32 if forest.precision == SINGLE else np.float64
        )

    @cached_property
    def paths(self) -> LeafPaths:
        """The path from each leaf to its root."""
        return find_paths(self.forest, self.topology, self.binning)

    @cached_property
    def traversal(self) -> Traversal:
        """Tables for decisions of single nodes."""
        return build_traversal(self.forest, self.topology, self.binning, self.program)

    @cached_property
    def attribution(self) -> Attribution:
        """Values and links of all leaves for Shapley values."""
        return build_attribution(self.forest, self.binning, self.paths, self.leaf_values)

    @cached_property
    def mask_leaves(self) -> int:
        """The number of leaves, a multiple of 64, whose masks fit in MAX_MASK_BYTES."""
        n_codes = sum(source.n_codes for source in self.binning.inputs)
        words = MAX_MASK_BYTES // (8 * max(1, n_codes))
        return max(1, int(words)) * 64

    @cached_property
    def masks(self) -> LeafMasks | None:
        """The leaves that are reachable with each code, or None if the masks are too large."""
        n_leaves = len(self.leaf_values)
        if n_leaves > self.mask_leaves:
            return None
        return build_masks(self.binning, self.forest, self.paths, 0, n_leaves)

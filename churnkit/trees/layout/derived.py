"""All that is derived from a forest, each part when it is first needed.

Two threads that need a part at once may both build it; they build the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.layout.binning import build_coding
from churnkit.trees.layout.block_program import build_program
from churnkit.trees.layout.leaf_bitmasks import build_masks
from churnkit.trees.layout.leaf_paths import find_paths
from churnkit.trees.layout.topology import find_geometry
from churnkit.trees.layout.traversal import build_walk
from churnkit.trees.shapley import build_attribution

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.leaf_bitmasks import LeafMasks
    from churnkit.trees.layout.leaf_paths import Paths
    from churnkit.trees.layout.traversal import Walk
    from churnkit.trees.shapley import Attribution

    Floats = npt.NDArray[np.float64]

__all__ = ["MOST_MASK_BYTES", "Parts"]

# A model whose masks are larger walks instead, and builds masks piece by piece to explain.
MOST_MASK_BYTES = 8_000_000


class Parts:
    """A forest and what follows from it.

    Parameters
    ----------
    forest
        The checked trees.

    Attributes
    ----------
    geometry, coding, program
        Where nodes stand, how values are coded, how blocks are evaluated.
    value_at
        Shape (leaves,): the leaves' values from left to right, tree after tree.
    """

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.geometry = find_geometry(forest)
        self.coding = build_coding(forest)
        self.program = build_program(forest, self.geometry, self.coding)
        leaf_base = np.repeat(forest.leaf_offset[:-1], np.diff(forest.leaf_offset))
        self.value_at: Floats = forest.leaf_value[leaf_base + self.geometry.leaf_at]

    @cached_property
    def paths(self) -> Paths:
        """Every step from a leaf to its root."""
        return find_paths(self.forest, self.geometry, self.coding)

    @cached_property
    def walk(self) -> Walk:
        """Tables to decide single nodes."""
        return build_walk(self.forest, self.geometry, self.coding, self.program)

    @cached_property
    def attribution(self) -> Attribution:
        """What Shapley values need beside the rows' answers."""
        return build_attribution(self.forest, self.coding, self.paths, self.value_at)

    @cached_property
    def mask_leaves(self) -> int:
        """How many leaves, a multiple of 64, have masks of bearable size."""
        n_codes = sum(source.n_codes for source in self.coding.inputs)
        words = MOST_MASK_BYTES // (8 * max(1, n_codes))
        return max(1, int(words)) * 64

    @cached_property
    def masks(self) -> LeafMasks | None:
        """The leaves that each code leaves open, if they are of bearable size."""
        n_leaves = len(self.value_at)
        if n_leaves > self.mask_leaves:
            return None
        return build_masks(self.coding, self.forest, self.paths, 0, n_leaves)

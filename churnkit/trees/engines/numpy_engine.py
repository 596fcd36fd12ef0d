"""Score and explain with numpy alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.trees.engines.numpy_blocks import (
    NUMPY_BLOCK,
    Step,
    add_values,
    leaf_places,
    plan_steps,
)
from churnkit.trees.engines.numpy_rows import RowScorer
from churnkit.trees.layout.traversal import walk_down
from churnkit.trees.shapley import contributions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.derived import Parts

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

__all__ = ["NumpyEngine"]

# Up to so many rows walking down all trees at once is cheaper than passing over blocks.
_FEW_ROWS = 64
_EXPLAIN_BLOCK = 128


class NumpyEngine:
    """Works on the parts of a forest; holds no state between calls.

    Parameters
    ----------
    parts
        The forest and what follows from it.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._width = parts.forest.n_features

    @cached_property
    def _steps(self) -> list[Step]:
        return plan_steps(self._parts.program)

    @cached_property
    def _row_scorer(self) -> RowScorer | None:
        masks = self._parts.masks
        return None if masks is None else RowScorer(self._parts.coding, masks, self._parts.value_at)

    def score(self, rows: npt.NDArray[Any], first: int, last: int, scores: Floats) -> None:
        """Write raw scores of a range of trees.

        Parameters
        ----------
        rows
            Shape (n, features).
        first, last
            The range of trees.
        scores
            Shape (n, outputs).
        """
        whole = first == 0 and last == self._parts.forest.n_trees
        if whole and len(rows) <= _FEW_ROWS and scores.shape[1] == 1 and self._row_scorer:
            scores[:, 0] = [self._row_scorer.score(row) for row in rows.tolist()]
            return
        for start in range(0, len(rows), NUMPY_BLOCK):
            block = slice(start, start + NUMPY_BLOCK)
            codes = self._parts.coding.encode(rows[block])
            scores[block] = self._totals(codes, first, last).T

    def _totals(self, codes: Codes, first: int, last: int) -> Floats:
        parts, n_outputs = self._parts, self._parts.forest.n_outputs
        totals = np.zeros((n_outputs, codes.shape[1]))
        # In LightGBM's order, one tree after the other: sums stay equal bit for bit.
        if codes.shape[1] <= _FEW_ROWS:
            for tree, leaf in enumerate(walk_down(parts.walk, codes)[first:last], start=first):
                totals[tree % n_outputs] += parts.value_at[leaf]
            return totals
        scratch = np.empty(codes.shape[1])
        places = leaf_places(parts.program, self._steps, codes, first, last)
        for tree, place in enumerate(places, start=first):
            begin, end = parts.forest.leaf_offset[tree : tree + 2]
            add_values(totals[tree % n_outputs], place, parts.value_at[begin:end], scratch)
        return totals

    def score_row(self, values: Sequence[float]) -> float:
        """Return the raw score of one row of a model with one output.

        Raises
        ------
        ValueError
            If the row has another number of values than the model has features.
        """
        if len(values) != self._width:
            raise ValueError(f"a row must have {self._width} values, got {len(values)}")
        if self._row_scorer is not None:
            return self._row_scorer.score(values)
        codes = self._parts.coding.encode(np.array([values], np.float64))
        n_trees = self._parts.forest.n_trees
        return float(self._totals(codes, 0, n_trees)[0, 0])

    def leaves(self, rows: npt.NDArray[Any], found: npt.NDArray[np.int32]) -> None:
        """Write the leaf that each row reaches in each tree, shape (n, trees)."""
        parts = self._parts
        for start in range(0, len(rows), NUMPY_BLOCK):
            block = slice(start, start + NUMPY_BLOCK)
            codes = parts.coding.encode(rows[block])
            places = leaf_places(parts.program, self._steps, codes, 0, parts.forest.n_trees)
            for tree, place in enumerate(places):
                leaf_at = parts.geometry.leaf_at[slice(*parts.forest.leaf_offset[tree : tree + 2])]
                found[block, tree] = leaf_at[place]

    def explain(self, rows: npt.NDArray[Any], found: Floats) -> None:
        """Add contributions, without the expected scores, to zeros of shape (n, columns)."""
        parts = self._parts
        for start in range(0, len(rows), _EXPLAIN_BLOCK):
            block = slice(start, start + _EXPLAIN_BLOCK)
            codes = parts.coding.encode(rows[block])
            contributions(parts.attribution, parts.paths, parts.walk, codes, found[block])

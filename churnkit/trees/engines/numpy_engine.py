"""Score and explain with NumPy."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.engines.numpy_blocks import (
    NUMPY_BLOCK,
    Step,
    add_values,
    leaf_positions,
    plan_steps,
)
from churnkit.trees.engines.numpy_rows import RowScorer
from churnkit.trees.engines.numpy_shap import explain_by_patterns
from churnkit.trees.layout.traversal import traverse
from churnkit.trees.shapley import contributions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from churnkit.trees.input_matrix import Rows
    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.derived import ForestLayout

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

__all__ = ["NumpyEngine"]

# Up to this many rows, traversal is cheaper than passes over blocks.
_FEW_ROWS = 64
_EXPLAIN_BLOCK = 128
# From this many rows on, tables of patterns are cheaper.
_PATTERN_ROWS, _PATTERN_BLOCK = 512, 4096


class NumpyEngine:
    """Engine without state between calls.

    Parameters
    ----------
    layout
        The forest and its derived arrays.
    """

    def __init__(self, layout: ForestLayout) -> None:
        self._layout = layout
        self._width = layout.forest.n_features

    @cached_property
    def _steps(self) -> list[Step]:
        return plan_steps(self._layout.program)

    @cached_property
    def _score_values(self) -> npt.NDArray[np.floating]:
        return self._layout.leaf_values.astype(self._layout.score_dtype, copy=False)

    @cached_property
    def _row_scorer(self) -> RowScorer | None:
        masks = self._layout.masks
        return None if masks is None else RowScorer(self._layout.binning, masks, self._score_values)

    def score(self, rows: Rows, first: int, last: int, scores: Floats) -> None:
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
        all_trees = first == 0 and last == self._layout.forest.n_trees
        if all_trees and len(rows) <= _FEW_ROWS and scores.shape[1] == 1 and self._row_scorer:
            scores[:, 0] = [self._row_scorer.score(row) for row in rows.tolist()]
            return
        for start in range(0, len(rows), NUMPY_BLOCK):
            block = slice(start, start + NUMPY_BLOCK)
            codes = self._layout.binning.encode(rows[block])
            scores[block] = self._totals(codes, first, last).T

    def _totals(self, codes: Codes, first: int, last: int) -> npt.NDArray[np.floating]:
        layout, n_outputs = self._layout, self._layout.forest.n_outputs
        totals = np.zeros((n_outputs, codes.shape[1]), layout.score_dtype)
        values = self._score_values
        # Added in LightGBM's order of trees, so that sums are equal bit for bit.
        if codes.shape[1] <= _FEW_ROWS:
            for tree, leaf in enumerate(traverse(layout.traversal, codes)[first:last], start=first):
                totals[tree % n_outputs] += values[leaf]
            return totals
        size = codes.shape[1]
        scratch = np.empty(size, np.intp), np.empty(size, layout.score_dtype)
        positions = leaf_positions(layout.program, self._steps, codes, first, last)
        for tree, position in enumerate(positions, start=first):
            begin, end = layout.forest.leaf_offset[tree : tree + 2]
            add_values(totals[tree % n_outputs], position, values[begin:end], scratch)
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
        codes = self._layout.binning.encode(np.array([values], np.float64))
        n_trees = self._layout.forest.n_trees
        return float(self._totals(codes, 0, n_trees)[0, 0])

    def leaves(self, rows: Rows, out: npt.NDArray[np.int32]) -> None:
        """Write the leaf of each row in each tree, shape (n, trees)."""
        layout = self._layout
        for start in range(0, len(rows), NUMPY_BLOCK):
            block = slice(start, start + NUMPY_BLOCK)
            codes = layout.binning.encode(rows[block])
            positions = leaf_positions(layout.program, self._steps, codes, 0, layout.forest.n_trees)
            for tree, position in enumerate(positions):
                leaf_number = layout.topology.leaf_number[
                    slice(*layout.forest.leaf_offset[tree : tree + 2])
                ]
                out[block, tree] = leaf_number[position]

    def explain(self, rows: Rows, out: Floats) -> None:
        """Add contributions, without the expected scores, to zeros of shape (n, columns)."""
        layout = self._layout
        while layout.masks is not None and len(rows) >= _PATTERN_ROWS:
            codes = layout.binning.encode(rows[:_PATTERN_BLOCK])
            explain_by_patterns(layout, layout.masks, codes, out[:_PATTERN_BLOCK])
            rows, out = rows[_PATTERN_BLOCK:], out[_PATTERN_BLOCK:]
        for start in range(0, len(rows), _EXPLAIN_BLOCK):
            block = slice(start, start + _EXPLAIN_BLOCK)
            codes = layout.binning.encode(rows[block])
            contributions(layout.attribution, layout.paths, layout.traversal, codes, out[block])

"""Hand rows to the kernels that numba compiles."""

from __future__ import annotations

from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.trees.engines.kernel_arguments import pack_arguments, pack_explanation
from churnkit.trees.layout.leaf_bitmasks import build_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from churnkit.trees.engines.kernel_arguments import Arguments, Explanation
    from churnkit.trees.layout.derived import Parts

    Floats = npt.NDArray[np.float64]

__all__ = ["NumbaEngine", "has_numba"]

_BLOCK = 4096
# Blocks are padded to a multiple of this, so that no loop of the kernels has a slow tail.
_STEP = 256
# Models of thousands of columns take smaller blocks, so that these stay within some megabytes.
_MOST_VALUES = 1 << 20
# Up to so many rows one by one is cheaper than a padded block.
_FEW_ROWS = 128
_EXPLAIN_BLOCK = 2048
_EXPLAIN_STEP = 1024
_FEW_EXPLAINED = 24


@cache
def has_numba() -> bool:
    """Whether the kernels can be compiled here; does not import numba."""
    return find_spec("numba") is not None


class NumbaEngine:
    """Works on the parts of a forest; holds no state between calls.

    Parameters
    ----------
    parts
        The forest and what follows from it.

    Raises
    ------
    ImportError
        If numba does not load.
    """

    def __init__(self, parts: Parts) -> None:
        import_module("numba")
        self._parts = parts
        self._width = parts.forest.n_features

    @cached_property
    def _arguments(self) -> Arguments:
        return pack_arguments(self._parts)

    @cached_property
    def _explanation(self) -> Explanation:
        return pack_explanation(self._parts)

    def score(self, rows: npt.NDArray[Any], first: int, last: int, scores: Floats) -> None:
        """Write raw scores, shape (n, outputs), of a range of trees."""
        whole = first == 0 and last == self._parts.forest.n_trees
        if whole and len(rows) <= _FEW_ROWS and scores.shape[1] == 1:
            scores[:, 0] = self._score_few(np.ascontiguousarray(rows, np.float64))
        else:
            self._score_blocks(rows, first, last, scores)

    def score_row(self, values: Sequence[float]) -> float:
        """Return the raw score of one row of a model with one output.

        Raises
        ------
        ValueError
            If the row has another number of values than the model has features.
        """
        if len(values) != self._width:
            raise ValueError(f"a row must have {self._width} values, got {len(values)}")
        return float(self._score_few(np.array([values], np.float64))[0])

    def _score_few(self, rows: Floats) -> Floats:
        from churnkit.trees.engines.numba_row_kernels import score_by_masks, score_by_walk

        masks, arguments, scores = self._parts.masks, self._arguments, np.empty(len(rows))
        if masks is not None and arguments.features.size:
            score_by_masks(
                rows,
                arguments.features,
                arguments.inputs,
                masks.words,
                masks.first_row,
                self._parts.value_at,
                scores,
            )
        else:
            score_by_walk(
                rows,
                arguments.features,
                arguments.inputs,
                arguments.walk,
                self._parts.value_at,
                scores,
            )
        return scores

    def _score_blocks(self, rows: npt.NDArray[Any], first: int, last: int, scores: Floats) -> None:
        from churnkit.trees.engines.numba_kernels import score_block

        arguments = self._arguments
        size = _block_size(len(rows), len(arguments.features), _BLOCK, _STEP)
        scratch = (
            np.empty(size, np.uint32),
            np.zeros((arguments.n_columns + 1) * size, arguments.dtype),
            np.empty((arguments.n_slots + 4) * size, arguments.dtype),
        )
        values = np.zeros((len(arguments.features), size))
        totals = np.empty((scores.shape[1], size))
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            _copy_columns(block, arguments, values)
            totals.fill(0.0)
            score_block(
                values,
                arguments.inputs,
                arguments.tables,
                arguments.program,
                (*arguments.trees, first, last),
                scratch,
                totals,
            )
            scores[start : start + size] = totals[:, : len(block)].T

    def explain(self, rows: npt.NDArray[Any], found: Floats) -> None:
        """Add contributions, without the expected scores, to zeros of shape (n, columns)."""
        if len(rows) <= _FEW_EXPLAINED:
            self._explain_few(rows, found)
            return
        parts, n_leaves = self._parts, len(self._parts.value_at)
        for start in range(0, n_leaves, parts.mask_leaves):
            stop = min(n_leaves, start + parts.mask_leaves)
            masks = parts.masks
            if masks is None:
                masks = build_masks(parts.coding, parts.forest, parts.paths, start, stop)
            self._explain_blocks(rows, found, (masks.words, masks.first_row, start))

    def _explain_few(self, rows: npt.NDArray[Any], found: Floats) -> None:
        from churnkit.trees.engines.numba_shap_kernels import explain_rows

        arguments, explanation = self._arguments, self._explanation
        values = np.zeros((len(arguments.features), len(rows)))
        _copy_columns(rows, arguments, values)
        explain_rows(
            values,
            arguments.inputs,
            arguments.walk,
            explanation.paths,
            explanation.leaves,
            explanation.links,
            explanation.rule,
            found,
        )

    def _explain_blocks(
        self,
        rows: npt.NDArray[Any],
        found: Floats,
        masks: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], int],
    ) -> None:
        from churnkit.trees.engines.numba_shap_kernels import explain_block

        arguments, explanation = self._arguments, self._explanation
        step = _STEP if len(rows) < _EXPLAIN_STEP else _EXPLAIN_STEP
        size = _block_size(len(rows), found.shape[1], _EXPLAIN_BLOCK, step)
        values = np.zeros((len(arguments.features), size))
        part = np.zeros((found.shape[1], size))
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            _copy_columns(block, arguments, values)
            part[:, : len(block)] = found[start : start + size].T
            explain_block(
                values,
                arguments.inputs,
                masks,
                explanation.leaves,
                explanation.links,
                explanation.rule,
                part,
            )
            found[start : start + size] = part[:, : len(block)].T


def _block_size(n_rows: int, n_columns: int, most: int, step: int) -> int:
    """Return a multiple of `step` that holds all rows, or as many as are bearable."""
    bearable = max(1, min(most, _MOST_VALUES // max(1, n_columns)) // step)
    needed = max(1, -(-n_rows // step))
    return min(bearable, needed) * step


def _copy_columns(rows: npt.NDArray[Any], arguments: Arguments, values: Floats) -> None:
    """Copy what the inputs read, as float64, into the first columns of a padded block."""
    for number, feature in enumerate(arguments.features.tolist()):
        values[number, : len(rows)] = rows[:, feature]

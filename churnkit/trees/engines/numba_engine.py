"""Score and explain with kernels compiled by numba."""

from __future__ import annotations

import ctypes
import struct
import sys
import threading
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.trees.engines.kernel_arguments import (
    pack_arguments,
    pack_row_arguments,
    pack_shap_arguments,
)
from churnkit.trees.layout.leaf_bitmasks import build_masks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from churnkit.trees.engines.kernel_arguments import (
        KernelArguments,
        RowArguments,
        ShapArguments,
    )
    from churnkit.trees.input_matrix import Rows
    from churnkit.trees.layout.derived import ForestLayout

    Floats = npt.NDArray[np.float64]

__all__ = ["NumbaEngine", "are_kernels_loaded", "has_numba"]

_CACHE_LINE = 64
_BLOCK = 2048
# Blocks are padded to a multiple of this, so that no loop has a slow remainder.
_STEP = 256
# Models with thousands of columns use smaller blocks, to limit their memory.
_MAX_VALUES = 1 << 20
# Up to this many rows, scoring one by one is cheaper than a padded block.
_FEW_ROWS = 128
_EXPLAIN_BLOCK = 2048
_EXPLAIN_STEP = 1024
_FEW_EXPLAINED = 24


@cache
def has_numba() -> bool:
    """Return True if numba is installed, without importing it."""
    return find_spec("numba") is not None


def are_kernels_loaded() -> bool:
    """Return True if this process has loaded the scoring kernels."""
    return "churnkit.trees.engines.numba_kernels" in sys.modules


class NumbaEngine:
    """Engine without state between calls.

    Parameters
    ----------
    layout
        The forest and its derived arrays.

    Raises
    ------
    ImportError
        If numba cannot be imported.
    """

    def __init__(self, layout: ForestLayout) -> None:
        import_module("numba")
        self._layout = layout
        self._width = layout.forest.n_features
        self._pack_row = struct.Struct(f"={self._width}d").pack_into
        # Each thread has memory of its own, as kernels release the GIL.
        self._memory = threading.local()

    def __reduce__(self) -> tuple[type[Self], tuple[ForestLayout]]:
        return type(self), (self._layout,)

    @cached_property
    def _arguments(self) -> KernelArguments:
        return pack_arguments(self._layout)

    @cached_property
    def _row_arguments(self) -> RowArguments:
        return pack_row_arguments(self._layout)

    @cached_property
    def _score_packed(self) -> Callable[[int], float] | None:
        """The kernel for single rows, or None for models whose masks are too large."""
        if self._layout.masks is None or not self._layout.binning.inputs:
            return None
        from churnkit.trees.engines.numba_row_kernels import packed_row_function

        # Unlike CFUNCTYPE, this keeps the GIL: releasing it costs more than it gains here.
        prototype = ctypes.PYFUNCTYPE(ctypes.c_double, ctypes.c_void_p)
        return prototype(packed_row_function().address)

    def _thread_memory(
        self, score_packed: Callable[[int], float]
    ) -> tuple[Floats, int, Callable[[int], float]]:
        """Allocate a thread's memory: return its row, the address to call with, and the kernel."""
        packed, memory = self._row_arguments, self._memory
        row, scratch = np.zeros(self._width), np.empty(packed.scratch_size, np.uint64)
        parts = packed.integers, packed.numbers, packed.words, row, scratch
        addresses = np.array([part.ctypes.data for part in parts], np.uint64)
        memory.kept = parts, addresses
        memory.call = row, addresses.ctypes.data, score_packed
        return row, addresses.ctypes.data, score_packed

    @cached_property
    def _shap_arguments(self) -> ShapArguments:
        return pack_shap_arguments(self._layout)

    def score(self, rows: Rows, first: int, last: int, scores: Floats) -> None:
        """Write raw scores, shape (n, outputs), of a range of trees."""
        all_trees = first == 0 and last == self._layout.forest.n_trees
        if all_trees and len(rows) <= _FEW_ROWS and scores.shape[1] == 1:
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
        try:
            row, address, score_packed = self._memory.call
        except AttributeError:
            if self._score_packed is None:
                return float(self._score_few(self._as_row(values))[0])
            row, address, score_packed = self._thread_memory(self._score_packed)
        try:
            # Several times as fast as np.array.
            self._pack_row(row, 0, *values)
        except struct.error:
            row[:] = self._as_row(values)[0]
        score: float = score_packed(address)
        return score

    def _as_row(self, values: Sequence[float]) -> Floats:
        if len(values) != self._width:
            raise ValueError(f"a row must have {self._width} values, got {len(values)}")
        return np.array([values], np.float64)

    def _score_few(self, rows: Floats) -> Floats:
        from churnkit.trees.engines.numba_row_kernels import score_by_masks, score_by_traversal

        scores, packed = np.empty(len(rows)), self._row_arguments
        if len(packed.words):
            scratch = np.empty(packed.scratch_size, np.uint64)
            score_by_masks(rows, packed.integers, packed.numbers, packed.words, scratch, scores)
        else:
            arguments = self._arguments
            score_by_traversal(
                rows,
                packed.integers,
                packed.numbers,
                arguments.traversal,
                arguments.trees[2],
                scores,
            )
        return scores

    def _score_blocks(self, rows: Rows, first: int, last: int, scores: Floats) -> None:
        from churnkit.trees.engines.numba_kernels import score_block

        arguments = self._arguments
        size = _block_size(len(rows), len(arguments.features), _BLOCK, _STEP)
        scratch = (
            _aligned(size, np.uint32),
            _aligned(size, np.uint64),
            _aligned(arguments.n_columns * size, arguments.dtype),
            _aligned((arguments.n_slots + 4) * size, arguments.dtype),
        )
        values = _aligned(len(arguments.features) * size, np.float64).reshape(-1, size)
        totals = np.empty((scores.shape[1], size), self._layout.score_dtype)
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            _copy_columns(block, arguments, values)
            totals.fill(0.0)
            score_block(
                values,
                arguments.inputs,
                arguments.tables,
                arguments.program,
                arguments.words,
                (*arguments.trees, first, last),
                scratch,
                totals,
            )
            scores[start : start + size] = totals[:, : len(block)].T

    def explain(self, rows: Rows, out: Floats) -> None:
        """Add contributions, without the expected scores, to zeros of shape (n, columns)."""
        if len(rows) <= _FEW_EXPLAINED:
            self._explain_few(rows, out)
            return
        layout, n_leaves = self._layout, len(self._layout.leaf_values)
        for start in range(0, n_leaves, layout.mask_leaves):
            stop = min(n_leaves, start + layout.mask_leaves)
            masks = layout.masks
            if masks is None:
                masks = build_masks(layout.binning, layout.forest, layout.paths, start, stop)
            self._explain_blocks(rows, out, (masks.words, masks.first_row, start))

    def _explain_few(self, rows: Rows, out: Floats) -> None:
        from churnkit.trees.engines.numba_shap_kernels import explain_rows

        arguments, shap_arguments = self._arguments, self._shap_arguments
        values = np.zeros((len(arguments.features), len(rows)))
        _copy_columns(rows, arguments, values)
        explain_rows(
            values,
            arguments.inputs,
            arguments.traversal,
            shap_arguments.paths,
            shap_arguments.leaves,
            shap_arguments.links,
            shap_arguments.rule,
            out,
        )

    def _explain_blocks(
        self,
        rows: Rows,
        out: Floats,
        masks: tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], int],
    ) -> None:
        from churnkit.trees.engines.numba_shap_kernels import explain_block

        arguments, shap_arguments = self._arguments, self._shap_arguments
        step = _STEP if len(rows) < _EXPLAIN_STEP else _EXPLAIN_STEP
        size = _block_size(len(rows), out.shape[1], _EXPLAIN_BLOCK, step)
        values = np.zeros((len(arguments.features), size))
        part = np.zeros((out.shape[1], size))
        for start in range(0, len(rows), size):
            block = rows[start : start + size]
            _copy_columns(block, arguments, values)
            part[:, : len(block)] = out[start : start + size].T
            explain_block(
                values,
                arguments.inputs,
                masks,
                shap_arguments.leaves,
                shap_arguments.links,
                shap_arguments.rule,
                part,
            )
            out[start : start + size] = part[:, : len(block)].T


def _block_size(n_rows: int, n_columns: int, maximum: int, step: int) -> int:
    """Return a multiple of `step` rows that contains all rows or fills the largest block."""
    largest = max(1, min(maximum, _MAX_VALUES // max(1, n_columns)) // step)
    needed = max(1, -(-n_rows // step))
    return min(largest, needed) * step


def _aligned(size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros that start at a cache line, so that no vector spans two."""
    n_bytes = size * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + n_bytes].view(dtype)


def _copy_columns(rows: Rows, arguments: KernelArguments, values: Floats) -> None:
    """Copy the columns of the inputs, as float64, to a padded block."""
    for number, feature in enumerate(arguments.features.tolist()):
        values[number, : len(rows)] = rows[:, feature]

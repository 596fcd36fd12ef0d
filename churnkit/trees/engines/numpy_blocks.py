"""Score blocks of rows with NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from churnkit.trees.layout.block_program import COMPARE, PLANES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.block_program import BlockProgram

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["NUMPY_BLOCK", "Step", "add_values", "leaf_positions", "plan_steps"]

# Large enough to amortize calls of NumPy, small enough for the caches.
NUMPY_BLOCK = 65_536

# With more planes, one lookup is cheaper than testing them one by one.
_MAX_TESTS = 4


class Step(NamedTuple):
    """One node as Python numbers, which are faster to read than array elements.

    The decision is one of: compare the column with `cut`, test `planes` (columns and masks), or
    look up the input's code in `table` (true goes right).
    """

    column: int
    cut: Any
    planes: list[tuple[int, Any]]
    table: Bools | None
    left: int
    right: int
    out: int


def plan_steps(program: BlockProgram) -> list[Step]:
    """Unpack the nodes of a program."""
    cut_type = program.column_dtype.type
    fields = (program.kind, program.column, program.cut, program.width)
    children = (program.left, program.right, program.out)
    steps = []
    for kind, column, cut, width, *rest in zip(
        *(field.tolist() for field in (*fields, *children)), strict=True
    ):
        if kind == COMPARE:
            steps.append(Step(column, cut_type(cut), [], None, *rest))
            continue
        masks = program.masks[cut : cut + width]
        used = np.flatnonzero(masks).tolist()
        if kind == PLANES and 0 < len(used) <= _MAX_TESTS:
            planes = [(column + plane, cut_type(masks[plane])) for plane in used]
            steps.append(Step(column, None, planes, None, *rest))
            continue
        if kind == PLANES:
            masks = np.unpackbits(masks, bitorder="little")
        steps.append(Step(int(program.column_input[column]), None, [], masks == 0, *rest))
    return steps


def leaf_positions(
    program: BlockProgram, steps: list[Step], codes: Codes, first_tree: int, last_tree: int
) -> Iterator[npt.NDArray[Any]]:
    """Yield the leaf of every row of a block in each tree, as positions from left to right.

    Parameters
    ----------
    program, steps
        The program of the forest, and the result of `plan_steps`.
    codes
        Shape (inputs, n).
    first_tree, last_tree
        The range of trees.

    Yields
    ------
    ndarray
        Shape (n,), valid until the next iteration.
    """
    size = codes.shape[1]
    position_type = program.position_dtype.type
    # Outputs are kept until their parent reads them, at most one per level.
    free = [np.empty(size, program.position_dtype) for _ in range(program.n_slots)]
    held: list[npt.NDArray[Any]] = free[:]
    decide = _Decisions(program, codes)
    as_number, moved = decide.goes_right.view(np.uint8), np.empty(size, program.position_dtype)
    for tree in range(first_tree, last_tree):
        out = free[-1]
        start, stop = program.node_offset[tree : tree + 2].tolist()
        if start == stop:
            out.fill(0)
        for step in steps[start:stop]:
            decide(step)
            left, right = step.left, step.right
            # Positions ascend from left to right: where a row goes right, the right child's is
            # larger; where it goes left, zero is never above the left child's.
            if right < 0 and left < 0:
                out = free.pop()
                # NumPy 1 would otherwise add in the narrowest type that fits.
                np.add(as_number, position_type(~left), out=out, dtype=position_type)
            elif left < 0:
                out = held[right]
                np.multiply(as_number, out, out=out)
                np.maximum(out, position_type(~left), out=out)
            else:
                out = held[left]
                high: Any = held[right] if right >= 0 else position_type(~right)
                np.multiply(as_number, high, out=moved)
                np.maximum(out, moved, out=out)
                if right >= 0:
                    free.append(high)
            held[step.out] = out
        yield out
        if stop > start:
            free.append(out)


class _Decisions:
    """Decides which rows of a block a node sends right."""

    def __init__(self, program: BlockProgram, codes: Codes) -> None:
        size = codes.shape[1]
        self.goes_right = np.empty(size, bool)
        self._columns = list(program.columns(codes))
        self._scratch = np.empty(size, program.column_dtype)
        # With byte columns, flags are collected in the bytes of `goes_right`.
        self._flags = np.empty(size, program.column_dtype)
        if program.column_dtype == np.uint8:
            self._flags = self.goes_right.view(np.uint8)
        self._codes = codes
        # Lookups need native integers; each input is converted once, on first use.
        self._positions: dict[int, npt.NDArray[np.intp]] = {}

    def __call__(self, step: Step) -> None:
        if step.cut is not None:
            np.greater(self._columns[step.column], step.cut, out=self.goes_right)
        elif step.table is None:
            first, mask = step.planes[0]
            np.bitwise_and(self._columns[first], mask, out=self._flags)
            for plane, mask in step.planes[1:]:
                np.bitwise_and(self._columns[plane], mask, out=self._scratch)
                np.bitwise_or(self._flags, self._scratch, out=self._flags)
            np.equal(self._flags, 0, out=self.goes_right)
        else:
            if step.column not in self._positions:
                self._positions[step.column] = self._codes[step.column].astype(np.intp)
            step.table.take(self._positions[step.column], out=self.goes_right, mode="clip")


def add_values(
    totals: Floats, positions: npt.NDArray[Any], values: Floats, scratch: Floats
) -> None:
    """Add the values of one tree to the totals of a block, without allocation."""
    values.take(positions, out=scratch, mode="clip")
    np.add(totals, scratch, out=totals)

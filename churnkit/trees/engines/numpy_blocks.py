"""Score blocks of rows with numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from churnkit.trees.layout.block_program import COMPARE, PLANES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.block_program import Program

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

__all__ = ["NUMPY_BLOCK", "Step", "add_values", "leaf_places", "plan_steps"]

# Large enough that calling numpy costs less than its work, small enough for the caches.
NUMPY_BLOCK = 65_536

# From so many planes on, one look-up is cheaper than testing them one by one.
_MOST_TESTS = 4


class Step(NamedTuple):
    """One node as Python's own numbers, which cost less to read than an array's.

    Exactly one of `cut` (compare the column with it), `planes` (columns and masks to test)
    and `table` (look the input's code up; true goes right) says how the node decides.
    """

    column: int
    cut: Any
    planes: list[tuple[int, Any]]
    table: Bools | None
    left: int
    right: int
    out: int


def plan_steps(program: Program) -> list[Step]:
    """Unpack a program's nodes."""
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
        if kind == PLANES and 0 < len(used) <= _MOST_TESTS:
            planes = [(column + plane, cut_type(masks[plane])) for plane in used]
            steps.append(Step(column, None, planes, None, *rest))
            continue
        if kind == PLANES:
            masks = np.unpackbits(masks, bitorder="little")
        steps.append(Step(int(program.column_input[column]), None, [], masks == 0, *rest))
    return steps


def leaf_places(
    program: Program, steps: list[Step], codes: Codes, first_tree: int, last_tree: int
) -> Iterator[npt.NDArray[Any]]:
    """Yield each tree's leaf for every row of a block, as places from left to right.

    Parameters
    ----------
    program, steps
        The forest's program, and what `plan_steps` made of it.
    codes
        Shape (inputs, n).
    first_tree, last_tree
        The range of trees.

    Yields
    ------
    ndarray
        Shape (n,), valid until the next one is asked for.
    """
    size = codes.shape[1]
    place_type = program.place_dtype.type
    # Values wait in these until their parent takes them; at most one for each level waits.
    free = [np.empty(size, program.place_dtype) for _ in range(program.n_slots)]
    held: list[npt.NDArray[Any]] = free[:]
    decide = _Decisions(program, codes)
    as_number, moved = decide.goes_right.view(np.uint8), np.empty(size, program.place_dtype)
    for tree in range(first_tree, last_tree):
        out = free[-1]
        start, stop = program.node_offset[tree : tree + 2].tolist()
        if start == stop:
            out.fill(0)
        for step in steps[start:stop]:
            decide(step)
            left, right = step.left, step.right
            # Places grow from left to right: where a row goes right, the right child's place
            # is the larger one; where it goes left, zero is never above the left child's.
            if right < 0 and left < 0:
                out = free.pop()
                # The type is named because numpy 1 would add in the narrowest one that fits.
                np.add(as_number, place_type(~left), out=out, dtype=place_type)
            elif left < 0:
                out = held[right]
                np.multiply(as_number, out, out=out)
                np.maximum(out, place_type(~left), out=out)
            else:
                out = held[left]
                high: Any = held[right] if right >= 0 else place_type(~right)
                np.multiply(as_number, high, out=moved)
                np.maximum(out, moved, out=out)
                if right >= 0:
                    free.append(high)
            held[step.out] = out
        yield out
        if stop > start:
            free.append(out)


class _Decisions:
    """Finds which rows of a block a node sends right."""

    def __init__(self, program: Program, codes: Codes) -> None:
        size = codes.shape[1]
        self.goes_right = np.empty(size, bool)
        self._columns = list(program.columns(codes))
        self._scratch = np.empty(size, program.column_dtype)
        # Bits gather in the bytes of `goes_right` itself, as long as columns are bytes too.
        self._found = np.empty(size, program.column_dtype)
        if program.column_dtype == np.uint8:
            self._found = self.goes_right.view(np.uint8)
        self._codes = codes
        # Look-ups want the machine's own integers; each input is converted once, if at all.
        self._positions: dict[int, npt.NDArray[np.intp]] = {}

    def __call__(self, step: Step) -> None:
        if step.cut is not None:
            np.greater(self._columns[step.column], step.cut, out=self.goes_right)
        elif step.table is None:
            first, mask = step.planes[0]
            np.bitwise_and(self._columns[first], mask, out=self._found)
            for plane, mask in step.planes[1:]:
                np.bitwise_and(self._columns[plane], mask, out=self._scratch)
                np.bitwise_or(self._found, self._scratch, out=self._found)
            np.equal(self._found, 0, out=self.goes_right)
        else:
            if step.column not in self._positions:
                self._positions[step.column] = self._codes[step.column].astype(np.intp)
            step.table.take(self._positions[step.column], out=self.goes_right, mode="clip")


def add_values(totals: Floats, places: npt.NDArray[Any], values: Floats, scratch: Floats) -> None:
    """Add one tree's values to the totals of a block, without making new arrays."""
    values.take(places, out=scratch, mode="clip")
    np.add(totals, scratch, out=totals)

"""Score blocks of rows with NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from churnkit.trees.layout.block_program import ANSWER_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.block_program import BlockProgram

    Reals = npt.NDArray[np.floating]
    Bools = npt.NDArray[np.bool_]

__all__ = ["NUMPY_BLOCK", "Step", "add_values", "leaf_positions", "plan_steps"]

# Large enough to amortize calls of NumPy, small enough for the caches.
NUMPY_BLOCK = 65_536


class Step(NamedTuple):
    """One node as Python numbers, which are faster to read than array elements.

    A row goes right if the column is above `cut`, or if `mask` is not None, has a bit of it. With
    a `table`, the column is looked up first: the answers of eight nodes for each class.
    """

    column: int
    cut: Any
    mask: Any
    table: Any
    class_column: int
    left: int
    right: int
    out: int


def plan_steps(program: BlockProgram) -> list[Step]:
    """Unpack the nodes of a program."""
    kind, no_mask = program.column_dtype.type, np.iinfo(program.column_dtype).max
    n_tables = len(program.column_table)
    tables: dict[tuple[int, int], npt.NDArray[Any]] = {}
    fields = (program.column, program.cut, program.mask, program.word)
    children = (program.left, program.right, program.out)
    steps = []
    for column, cut, mask, word, *rest in zip(
        *(field.tolist() for field in (*fields, *children)), strict=True
    ):
        source, table = -1, None
        if word >= 0:
            source = int(program.class_column[program.word_source[word]])
            key = word, (column - n_tables) % ANSWER_COLUMNS
            if key not in tables:
                tables[key] = _answer_bytes(program, *key)
            table = tables[key]
        has_mask = mask < no_mask
        steps.append(
            Step(column, kind(cut), kind(mask) if has_mask else None, table, source, *rest)
        )
    return steps


def _answer_bytes(program: BlockProgram, word: int, byte: int) -> npt.NDArray[Any]:
    """Return one byte of a word of answers for each class."""
    ends = np.append(program.word_begin, len(program.answers))
    answers = program.answers[ends[word] : ends[word + 1]]
    return (answers >> np.uint64(8 * byte) & np.uint64(255)).astype(program.column_dtype)


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
            # larger; where it goes left, zero is never above the left child's. A position is
            # written to an array, since NumPy has vector instructions for that alone.
            if right < 0 and left < 0:
                out = free.pop()
                # NumPy 1 would otherwise add in the narrowest type that fits.
                np.add(as_number, position_type(~left), out=out, dtype=position_type)
            elif left < 0:
                out = held[right]
                np.multiply(as_number, out, out=out)
                moved.fill(~left)
                np.maximum(out, moved, out=out)
            else:
                out, high = held[left], held[right] if right >= 0 else moved
                if right < 0:
                    moved.fill(~right)
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
        # With byte columns, flags are collected in the bytes of `goes_right`.
        self._flags = np.empty(size, program.column_dtype)
        if program.column_dtype == np.uint8:
            self._flags = self.goes_right.view(np.uint8)
        # Lookups need native integers; each column of classes is converted once, on first use.
        self._classes: dict[int, npt.NDArray[np.intp]] = {}
        self._answers: dict[int, tuple[Any, npt.NDArray[Any]]] = {}

    def __call__(self, step: Step) -> None:
        column = self._columns[step.column] if step.table is None else self._look_up(step)
        if step.mask is None:
            np.greater(column, step.cut, out=self.goes_right)
        else:
            np.bitwise_and(column, step.mask, out=self._flags)
            np.not_equal(self._flags, 0, out=self.goes_right)

    def _look_up(self, step: Step) -> npt.NDArray[Any]:
        """Look up the answers of a step, unless an earlier step has."""
        table, answers = self._answers.get(step.column, (None, np.empty_like(self._flags)))
        if table is not step.table:
            if step.class_column not in self._classes:
                classes = self._columns[step.class_column]
                self._classes[step.class_column] = classes.astype(np.intp)
            step.table.take(self._classes[step.class_column], out=answers, mode="clip")
            self._answers[step.column] = step.table, answers
        return answers


def add_values(
    totals: Reals,
    positions: npt.NDArray[Any],
    values: Reals,
    scratch: tuple[npt.NDArray[np.intp], Reals],
) -> None:
    """Add the values of one tree to the totals of a block, without allocation."""
    wide, reached = scratch
    # Native integers, which `take` would otherwise make piece by piece.
    np.copyto(wide, positions)
    values.take(wide, out=reached, mode="clip")
    np.add(totals, reached, out=totals)

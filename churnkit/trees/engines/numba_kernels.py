# Kernels take tuples of arrays whose types numba infers; annotating them would say "Any".
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917

"""The inner loops, compiled by numba. Imported on first use; numpy does the same without it.

Every loop over rows is written so that it becomes vector instructions: no branch inside, both
sides of a choice loaded first, unsigned positions, no sum across rows. Floating-point
operations stand in the same order as in the numpy versions and none is fused, so the results
are the same bits.

Buffers are flat, with one stretch of `size` for each column or slot, and `size` is a multiple
of 256, so that no loop has a slow tail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from churnkit.trees.layout.binning import ZERO
from churnkit.trees.layout.block_program import COMPARE, PLANES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "encode_input", "score_block"]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, and keep the machine code on disk where there is a place for it.

    numba compiles a function again when its own file changes, not when another does whose
    constants or functions it uses: after editing one kernel file, touch the others.
    """
    try:
        kernel: Callable[..., Any] = njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache folder can be written.
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel


@compiled
def _encode_numbers(values, thresholds, nan_code, zero_code, codes):
    """Count the thresholds below each value, by halving without branches."""
    size = len(values)
    for i in range(size):
        values[i] = 0.0 if abs(values[i]) <= ZERO else values[i]
        codes[i] = 0
    remaining = np.uint32(len(thresholds))
    while remaining > 1:
        half = remaining // np.uint32(2)
        for i in range(size):
            position = codes[i]
            below = thresholds[position + half - np.uint32(1)] < values[i]
            codes[i] = position + (half if below else np.uint32(0))
        remaining -= half
    for i in range(size):
        position = codes[i]
        code = position + np.uint32(thresholds[position] < values[i])
        codes[i] = np.uint32(nan_code) if values[i] != values[i] else code
    if zero_code >= 0:
        for i in range(size):
            code = codes[i]
            codes[i] = np.uint32(zero_code) if values[i] == 0.0 else code


@compiled
def _encode_categories(values, class_of, codes):
    """Find each value's class; missing, negative and unknown ones are class 0."""
    limit = float(len(class_of))
    for i in range(len(values)):
        known = (values[i] > -1.0) & (values[i] < limit)
        category = np.int64(values[i]) if known else np.int64(0)
        code = np.uint32(class_of[category])
        codes[i] = code if known else np.uint32(0)


@compiled
def encode_input(number, values, inputs, codes):
    """Code a block of one input's values, which are changed in place."""
    thresholds, threshold_at, nan_code, zero_code, class_of, class_at, _ = inputs
    if class_at[number] < class_at[number + 1]:
        _encode_categories(values, class_of[class_at[number] : class_at[number + 1]], codes)
    else:
        cuts = thresholds[threshold_at[number] : threshold_at[number + 1]]
        _encode_numbers(values, cuts, nan_code[number], zero_code[number], codes)


@compiled
def _make_columns(values, inputs, tables, codes, columns):
    """Code a block of rows, input by input, and make the columns that the nodes read."""
    column_at = inputs[6]
    table, table_at, is_code = tables
    size = np.uint64(len(codes))
    for number in range(len(values)):
        encode_input(number, values[number], inputs, codes)
        for column in range(column_at[number], column_at[number + 1]):
            begin = np.uint64(column) * size
            if is_code[column]:
                for i in range(size):
                    columns[begin + i] = codes[i]
            else:
                entry = np.uint64(table_at[column])
                for i in range(size):
                    columns[begin + i] = table[entry + codes[i]]


@compiled
def _flag_classes(columns, size, column, masks, begin, width, flags):
    """Set nonzero flags where a row's class is in a mask, four planes in one pass."""
    for i in range(size):
        columns[flags + i] = 0
    for first in range(0, width, 4):
        # Planes past the end repeat the last one.
        last = width - 1
        p, q = first, min(first + 1, last)
        r, s = min(first + 2, last), min(first + 3, last)
        mask_p, mask_q, mask_r, mask_s = (
            masks[begin + p],
            masks[begin + q],
            masks[begin + r],
            masks[begin + s],
        )
        a, b = np.uint64(column + p) * size, np.uint64(column + q) * size
        c, d = np.uint64(column + r) * size, np.uint64(column + s) * size
        for i in range(size):
            lower = (columns[a + i] & mask_p) | (columns[b + i] & mask_q)
            upper = (columns[c + i] & mask_r) | (columns[d + i] & mask_s)
            columns[flags + i] = columns[flags + i] | lower | upper


@compiled
def _blend(columns, read, threshold, slots, a, b, to, size):
    """Write what the right child put out where a column is above the threshold, else the left."""
    x, y = slots.dtype.type(~a), slots.dtype.type(~b)
    from_a, from_b = np.uint64(max(a, 0)) * size, np.uint64(max(b, 0)) * size
    if a < 0 and b < 0:
        for i in range(size):
            slots[to + i] = y if columns[read + i] > threshold else x
    elif a < 0:
        for i in range(size):
            high = slots[from_b + i]
            slots[to + i] = high if columns[read + i] > threshold else x
    elif b < 0:
        for i in range(size):
            low = slots[from_a + i]
            slots[to + i] = y if columns[read + i] > threshold else low
    else:
        for i in range(size):
            low, high = slots[from_a + i], slots[from_b + i]
            slots[to + i] = high if columns[read + i] > threshold else low


@compiled
def _run_tree(program, first, last, columns, size, flags, slots, root):
    """Write each row's leaf of one tree to the slot `root`."""
    kind, column, cut, width, masks, left, right, out = program
    if first == last:
        for i in range(size):
            slots[root * size + i] = 0
    for node in range(first, last):
        read, threshold = np.uint64(column[node]) * size, columns.dtype.type(0)
        to = (root if node == last - 1 else np.uint64(out[node])) * size
        if kind[node] == COMPARE:
            threshold = columns.dtype.type(cut[node])
            _blend(columns, read, threshold, slots, left[node], right[node], to, size)
            continue
        if kind[node] == PLANES:
            _flag_classes(columns, size, column[node], masks, cut[node], width[node], flags)
        else:
            begin = np.uint64(cut[node])
            for i in range(size):
                columns[flags + i] = masks[begin + columns[read + i]]
        # Flags are zero where a row goes right, so the children change places.
        _blend(columns, flags, threshold, slots, right[node], left[node], to, size)


@compiled
def _add_four(slots, size, roots, values, start, totals):
    """Add four trees' values, one after the other."""
    p, q = roots * size, (roots + np.uint64(1)) * size
    r, s = (roots + np.uint64(2)) * size, (roots + np.uint64(3)) * size
    a, b, c, d = start
    for i in range(size):
        total = totals[i] + values[a + slots[p + i]]
        total = total + values[b + slots[q + i]]
        total = total + values[c + slots[r + i]]
        totals[i] = total + values[d + slots[s + i]]


@compiled
def _add_one(slots, size, root, values, start, totals):
    place = root * size
    for i in range(size):
        totals[i] = totals[i] + values[start + slots[place + i]]


@compiled
def score_block(values, inputs, tables, program, trees, scratch, totals):
    """Add the values of a range of trees to the totals of a block of rows.

    Parameters
    ----------
    values
        Shape (inputs, size): the columns that the inputs read. Changed in place.
    inputs, tables, program, trees
        The arrays of `churnkit.trees.fast.KernelArguments`.
    scratch
        Codes (size,), columns (columns + 1, size) and slots (slots + 4, size), the latter flat.
    totals
        Shape (outputs, size).
    """
    node_offset, leaf_offset, value_at, first_tree, last_tree = trees
    codes, columns, slots = scratch
    size = np.uint64(len(codes))
    n_outputs = len(totals)
    _make_columns(values, inputs, tables, codes, columns)
    flags = np.uint64(len(columns)) - size
    roots = np.uint64(len(slots)) // size - np.uint64(4)
    tree = first_tree
    while tree < last_tree:
        together = 4 if n_outputs == 1 and tree + 4 <= last_tree else 1
        for step in range(together):
            first, last = node_offset[tree + step], node_offset[tree + step + 1]
            root = roots + np.uint64(step)
            _run_tree(program, first, last, columns, size, flags, slots, root)
        if together == 4:
            start = (
                np.uint64(leaf_offset[tree]),
                np.uint64(leaf_offset[tree + 1]),
                np.uint64(leaf_offset[tree + 2]),
                np.uint64(leaf_offset[tree + 3]),
            )
            _add_four(slots, size, roots, value_at, start, totals[0])
        else:
            start_one = np.uint64(leaf_offset[tree])
            _add_one(slots, size, roots, value_at, start_one, totals[tree % n_outputs])
        tree += together

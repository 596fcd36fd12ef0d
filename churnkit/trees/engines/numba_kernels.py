# Kernels take tuples of arrays whose types numba infers; annotating them would say "Any".
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917

"""Scoring kernels, compiled by numba and imported on first use.

Every loop over rows compiles to vector instructions: no branches, both sides of a choice loaded
first, unsigned indices, no sums across rows. Floating-point operations have the same order as in
the NumPy versions and none are fused, so the results are identical bit for bit.

Buffers are flat, with `size` elements per column or slot, and `size` is a multiple of 256, so
that no loop has a slow remainder.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from churnkit.trees.layout.block_program import ANSWER_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "encode_input", "inlined", "score_block"]


def compiled(function: Callable[..., Any], *, inline: bool = False) -> Callable[..., Any]:
    """Compile a function, and cache the machine code on disk if a cache folder is writable."""
    settings = {"nogil": True, "error_model": "numpy", "forceinline": inline}
    try:
        kernel: Callable[..., Any] = njit(cache=True, **settings)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache folder is writable.
        kernel = njit(**settings)(function)
    # numba would recompile a function only when its own file changes, but it contains functions of
    # the other files too.
    with suppress(AttributeError, OSError):
        kernel._cache._cache_file._source_stamp = _kernel_digest()  # type: ignore[attr-defined] # noqa: SLF001
    return kernel


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into its callers, where a call would take too long."""
    return compiled(function, inline=True)


@cache
def _kernel_digest() -> str:
    """Return a digest of all kernels and of what they import."""
    folder = Path(__file__).parent
    files = [*sorted(folder.glob("numba_*kernels.py")), folder.parent / "layout/block_program.py"]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@compiled
def _encode_numbers(values, thresholds, nan_code, zero_code, tiny, codes):
    """Count the thresholds below each value, by comparisons and branchless binary search.

    Comparing with every 16th part costs less than four steps of the search, which look up.
    """
    size, n_cuts = len(values), len(thresholds)
    for i in range(size):
        values[i] = 0.0 if abs(values[i]) <= tiny else values[i]
        codes[i] = 0
    part = (n_cuts + 15) // 16
    for end in range(part, n_cuts + 1, max(part, 1)):
        cut = thresholds[end - 1]
        for i in range(size):
            codes[i] += np.uint32(cut < values[i])
    remaining, last = np.uint32(part), np.uint32(n_cuts - part)
    for i in range(size):
        codes[i] = min(codes[i] * remaining, last)
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
def _encode_categories(values, class_of, is_exact, nan_code, codes):
    """Find the class of each value; negative and unknown values have class 0."""
    limit = float(len(class_of))
    for i in range(len(values)):
        is_known = (values[i] > -1.0) & (values[i] < limit)
        category = np.int64(values[i]) if is_known else np.int64(0)
        is_known &= (np.float64(category) == values[i]) | (not is_exact)
        code = np.uint32(class_of[category])
        unknown = np.uint32(nan_code) if values[i] != values[i] else np.uint32(0)
        codes[i] = code if is_known else unknown


@compiled
def encode_input(number, values, inputs, codes):
    """Encode a block of one input's values, which are changed in place."""
    thresholds, threshold_at, nan_code, zero_code, class_of, class_at, _, rules = inputs
    if class_at[number] < class_at[number + 1]:
        classes = class_of[class_at[number] : class_at[number + 1]]
        _encode_categories(values, classes, rules[1] != 0.0, nan_code[number], codes)
    else:
        cuts = thresholds[threshold_at[number] : threshold_at[number + 1]]
        _encode_numbers(values, cuts, nan_code[number], zero_code[number], rules[0], codes)


@compiled
def _make_columns(values, inputs, tables, codes, columns):
    """Encode a block of rows, and compute the columns that the nodes read."""
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
def _load_answers(columns, classes, to, answers, begin, size, words):
    """Look up a word per row, and split it into columns of bytes."""
    for i in range(size):
        words[i] = answers[begin + columns[classes + i]]
    for byte in range(np.uint64(ANSWER_COLUMNS)):
        start, shift = to + byte * size, np.uint64(8) * byte
        for i in range(size):
            columns[start + i] = (words[i] >> shift) & np.uint64(255)


@compiled
def _run_tree(program, words, first, last, columns, n_tables, size, answer, slots, root):
    """Write the leaf of each row in one tree to the slot `root`.

    A node writes the right child's output where its test holds, else the left's.
    """
    column, mask, cut, word, left, right, out = program
    class_column, word_source, word_begin, answers = words
    loaded, scratch = answer
    for node in range(first, last):
        if word[node] >= 0 and loaded[word_source[word[node]]] != word[node]:
            source = word_source[word[node]]
            loaded[source] = word[node]
            classes = np.uint64(class_column[source]) * size
            to = np.uint64(n_tables + ANSWER_COLUMNS * source) * size
            begin = np.uint64(word_begin[word[node]])
            _load_answers(columns, classes, to, answers, begin, size, scratch)
        read, bits, high = np.uint64(column[node]) * size, mask[node], cut[node]
        to = (root if node == last - 1 else np.uint64(out[node])) * size
        a, b = left[node], right[node]
        x, y = slots.dtype.type(~a), slots.dtype.type(~b)
        from_a, from_b = np.uint64(max(a, 0)) * size, np.uint64(max(b, 0)) * size
        if a < 0 and b < 0:
            for i in range(size):
                slots[to + i] = y if (columns[read + i] & bits) > high else x
        elif a < 0:
            for i in range(size):
                other = slots[from_b + i]
                slots[to + i] = other if (columns[read + i] & bits) > high else x
        elif b < 0:
            for i in range(size):
                other = slots[from_a + i]
                slots[to + i] = y if (columns[read + i] & bits) > high else other
        else:
            for i in range(size):
                low, up = slots[from_a + i], slots[from_b + i]
                slots[to + i] = up if (columns[read + i] & bits) > high else low


@compiled
def _add_four(slots, size, roots, values, start, totals):
    """Add the values of four trees in order."""
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
    offset = root * size
    for i in range(size):
        totals[i] = totals[i] + values[start + slots[offset + i]]


@compiled
def score_block(values, inputs, tables, program, words, trees, scratch, totals):
    """Add the values of a range of trees to the totals of a block of rows.

    Parameters
    ----------
    values
        Shape (inputs, size): the columns of the inputs. Changed in place.
    inputs, tables, program, words, trees
        See `churnkit.trees.engines.kernel_arguments.KernelArguments`.
    scratch
        Codes (size,), words (size,), columns (columns, size) and slots (slots + 4, size), the
        latter two flat.
    totals
        Shape (outputs, size).
    """
    node_offset, leaf_offset, leaf_values, first_tree, last_tree = trees
    codes, word_scratch, columns, slots = scratch
    size, n_tables = np.uint64(len(codes)), len(tables[2])
    answer = np.full(len(words[0]), -1, np.int64), word_scratch
    n_outputs = len(totals)
    _make_columns(values, inputs, tables, codes, columns)
    roots = np.uint64(len(slots)) // size - np.uint64(4)
    tree = first_tree
    while tree < last_tree:
        together = 4 if n_outputs == 1 and tree + 4 <= last_tree else 1
        for step in range(together):
            first, last = node_offset[tree + step], node_offset[tree + step + 1]
            root = roots + np.uint64(step)
            if first == last:
                slots[root * size : (root + np.uint64(1)) * size] = 0
            _run_tree(program, words, first, last, columns, n_tables, size, answer, slots, root)
        if together == 4:
            start = (
                np.uint64(leaf_offset[tree]),
                np.uint64(leaf_offset[tree + 1]),
                np.uint64(leaf_offset[tree + 2]),
                np.uint64(leaf_offset[tree + 3]),
            )
            _add_four(slots, size, roots, leaf_values, start, totals[0])
        else:
            start_one = np.uint64(leaf_offset[tree])
            _add_one(slots, size, roots, leaf_values, start_one, totals[tree % n_outputs])
        tree += together

# Kernels take tuples of arrays whose types numba infers; annotating them would say "Any".
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917

"""Kernels for single rows, by leaf masks or by traversal, compiled by numba.

A row takes about as long as fetching its masks from the cache. So that the processor need not wait
before that, no loop has a branch that it could guess wrong, and no array is sliced. Indices are
unsigned, since those of arrays would otherwise be tested for a negative sign.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, cfunc, types

from churnkit.trees.engines.numba_kernels import compiled, inlined

__all__ = ["packed_row_function", "score_by_masks", "score_by_traversal"]

# Position of a word's only bit, by multiplication with a de Bruijn sequence, whose top six bits
# differ for each of the 64 shifts.
_SEQUENCE = np.uint64(0x03F79D71B4CB0A89)
_POSITION = np.zeros(64, np.uint64)
for _bit in range(64):
    _POSITION[((int(_SEQUENCE) << _bit) & (2**64 - 1)) >> 58] = _bit
# Of `RowArguments.integers`: the length of its head and of the record of an input. They are not
# imported, since cached machine code is compiled again when this file changes, not another one.
_HEAD, _RECORD = np.uint64(8), np.uint64(8)
_ALL, _ONE, _LAST = np.uint64(2**64 - 1), np.uint64(1), np.uint64(63)
# Masks that are combined in one pass over the words.
_TOGETHER = np.uint64(6)


@inlined
def _code(row, integers, numbers, number):
    """Encode one value of a row, as NumericInput and CategoricalInput do."""
    at = _HEAD + _RECORD * number
    value = row[np.uint64(integers[at])]
    begin, size = np.uint64(integers[at + np.uint64(2)]), integers[at + np.uint64(3)]
    nan_code, zero_code = integers[at + np.uint64(4)], integers[at + np.uint64(5)]
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return np.uint64(nan_code)
    if integers[at + np.uint64(6)] != 0:
        is_known = -1.0 < value < size
        category = np.uint64(max(value, 0.0)) if is_known else np.uint64(0)
        is_known &= np.float64(category) == value or integers[2] == 0
        return np.uint64(integers[begin + category]) if is_known else np.uint64(0)
    if abs(value) <= numbers[0]:
        if zero_code >= 0:
            return np.uint64(zero_code)
        value = 0.0
    # A search tree in breadth-first order: arithmetic instead of a choice that may be predicted
    # wrongly.
    node = np.uint64(0)
    for _ in range(size):
        node = node + node + _ONE + np.uint64(numbers[begin + node] < value)
    return node + _ONE - (_ONE << np.uint64(size))


@inlined
def _reach_leaves(row, integers, numbers, words, scratch):
    """Write the leaves that the row reaches: the AND of the masks of its codes."""
    n_inputs, n_words = np.uint64(integers[0]), np.uint64(integers[4])
    masks = n_words + _ONE
    stop = masks + n_inputs
    for number in range(n_inputs):
        at = _HEAD + _RECORD * number + _ONE
        mask = np.uint64(integers[at]) + _code(row, integers, numbers, number)
        scratch[masks + number] = mask * n_words
    while (stop - masks) % _TOGETHER != 0:
        scratch[stop] = scratch[masks]
        stop += _ONE
    for word in range(n_words):
        scratch[word] = _ALL
    scratch[n_words] = np.uint64(0)
    for i in range(masks, stop, _TOGETHER):
        a, b, c = scratch[i], scratch[i + np.uint64(1)], scratch[i + np.uint64(2)]
        d, e, f = (
            scratch[i + np.uint64(3)],
            scratch[i + np.uint64(4)],
            scratch[i + np.uint64(5)],
        )
        for word in range(n_words):
            first = words[a + word] & words[b + word] & words[c + word]
            second = words[d + word] & words[e + word] & words[f + word]
            scratch[word] &= first & second


@inlined
def _leaf(leaf, reached):
    """Return the first reached leaf from `leaf` on, where a tree starts."""
    word, shift = leaf >> np.uint64(6), leaf & _LAST
    bits = reached[word] >> shift | (reached[word + _ONE] << _ONE) << (_LAST - shift)
    while bits == np.uint64(0):
        leaf += np.uint64(64)
        word += _ONE
        bits = reached[word] >> shift | (reached[word + _ONE] << _ONE) << (_LAST - shift)
    lowest = bits & (~bits + _ONE)
    return leaf + _POSITION[(lowest * _SEQUENCE) >> np.uint64(58)]


@inlined
def _score_row(row, integers, numbers, words, scratch):
    """Return the raw score of a row, added in the order of trees."""
    _reach_leaves(row, integers, numbers, words, scratch)
    values, starts = np.uint64(integers[1]), np.uint64(integers[6])
    n_trees = np.uint64(integers[5])
    if integers[3] != 0:
        single = np.float32(0.0)
        for tree in range(n_trees):
            leaf = _leaf(np.uint64(integers[starts + tree]), scratch)
            single += np.float32(numbers[values + leaf])
        return np.float64(single)
    total = 0.0
    for tree in range(n_trees):
        total += numbers[values + _leaf(np.uint64(integers[starts + tree]), scratch)]
    return total


@compiled
def score_by_masks(rows, integers, numbers, words, scratch, scores):
    """Write the raw score of each row.

    Parameters
    ----------
    rows
        Shape (n, features), float64.
    integers, numbers, words
        See `churnkit.trees.engines.kernel_arguments.RowArguments`.
    scratch
        Shape (`RowArguments.scratch_size`,), uint64.
    scores
        Shape (n,).
    """
    for row in range(len(rows)):
        scores[row] = _score_row(rows[row], integers, numbers, words, scratch)


@cache
def packed_row_function() -> Any:
    """Compile the kernel for one row that is called by an address, without numba's dispatcher.

    The dispatcher takes longer to read its arguments than the kernel to score a row.

    Returns
    -------
    numba.core.ccallback.CFunc
        The function, with its ``address``. Its only argument points to five addresses: of
        integers, numbers, words, the row and scratch, as of `score_by_masks`.
    """
    signature = types.float64(types.CPointer(types.voidptr))

    def score_packed(at):
        # Their shapes are not used: nothing checks them.
        return _score_row(
            carray(at[3], (1,), np.float64),
            carray(at[0], (1,), np.int32),
            carray(at[1], (1,), np.float64),
            carray(at[2], (1,), np.uint64),
            carray(at[4], (1,), np.uint64),
        )

    settings = {"nopython": True, "error_model": "numpy"}
    try:
        function = cfunc(signature, cache=True, **settings)(score_packed)
    except RuntimeError:  # no cache folder is writable, as in `compiled`
        function = cfunc(signature, **settings)(score_packed)
    return function


@compiled
def score_by_traversal(rows, integers, numbers, traversal, leaf_values, scores):
    """Write the raw score of each row, for models whose masks are too large.

    For `traversal` and `leaf_values` see
    `churnkit.trees.engines.kernel_arguments.KernelArguments`, for the others `score_by_masks`.
    """
    number_of, begin, cut, table, left, right, root = traversal
    codes = np.empty(integers[0], np.int64)
    for row in range(len(rows)):
        for number in range(len(codes)):
            codes[number] = _code(rows[row], integers, numbers, np.uint64(number))
        total = leaf_values.dtype.type(0.0)
        for tree in range(len(root)):
            node = root[tree]
            while node >= 0:
                goes_right = table[begin[node] + codes[number_of[node]]] > cut[node]
                node = right[node] if goes_right else left[node]
            total += leaf_values[~node]
        scores[row] = total

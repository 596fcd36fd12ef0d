# Kernels take tuples of arrays whose types numba infers; annotating them would say "Any".
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917

"""Kernels for single rows, by leaf masks or by traversal, compiled by numba."""

from __future__ import annotations

import numpy as np

from churnkit.trees.engines.numba_kernels import compiled

__all__ = ["score_by_masks", "score_by_traversal"]

# Position of a word's only bit, by multiplication with a de Bruijn sequence, whose top six bits
# differ for each of the 64 shifts.
_SEQUENCE = np.uint64(0x03F79D71B4CB0A89)
_POSITION = np.zeros(64, np.uint64)
for _bit in range(64):
    _POSITION[((int(_SEQUENCE) << _bit) & (2**64 - 1)) >> 58] = _bit


@compiled
def _code(value, thresholds, class_of, nan_code, zero_code, tiny, is_exact):
    """Encode one value, as NumericInput and CategoricalInput do."""
    limit = len(class_of)
    if limit:
        if value != value:  # noqa: PLR0124 - only NaN differs from itself
            return nan_code
        is_known = -1.0 < value < limit
        category = np.int64(value) if is_known else np.int64(0)
        is_known &= category == value or not is_exact
        return np.int64(class_of[category]) if is_known else np.int64(0)
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return nan_code
    if abs(value) <= tiny:
        if zero_code >= 0:
            return zero_code
        value = 0.0
    position, remaining = 0, len(thresholds)
    while remaining > 1:
        half = remaining // 2
        position += half if thresholds[position + half - 1] < value else 0
        remaining -= half
    return np.int64(position + (1 if thresholds[position] < value else 0))


@compiled
def score_by_masks(rows, integers, numbers, words, scores):
    """Write the raw score of each row, and return that of the last.

    The arguments are few, since each costs a tenth of a microsecond per call.

    Parameters
    ----------
    rows
        Shape (n, features).
    integers, numbers
        See `churnkit.trees.engines.kernel_arguments.RowArguments`.
    words
        See `churnkit.trees.layout.leaf_bitmasks.LeafMasks`.
    scores
        Shape (n,).
    """
    n_words = words.shape[1]
    reached = np.empty(n_words, np.uint64)
    first_leaf, total = np.uint64(integers[1]), 0.0
    tiny, is_exact, is_single = numbers[0], integers[2] != 0, integers[3] != 0
    for row in range(len(rows)):
        for number in range(integers[0]):
            at = 4 + 8 * number
            code = _code(
                rows[row, integers[at]],
                numbers[integers[at + 2] : integers[at + 3]],
                integers[integers[at + 4] : integers[at + 5]],
                np.int64(integers[at + 6]),
                np.int64(integers[at + 7]),
                tiny,
                is_exact,
            )
            mask = integers[at + 1] + code
            if number == 0:
                for word in range(n_words):
                    reached[word] = words[mask, word]
            else:
                for word in range(n_words):
                    reached[word] &= words[mask, word]
        total = 0.0
        for word in range(n_words):
            open_leaves = reached[word]
            base = first_leaf + np.uint64(word * 64)
            while open_leaves:
                lowest = open_leaves & (~open_leaves + np.uint64(1))
                total += numbers[base + _POSITION[(lowest * _SEQUENCE) >> np.uint64(58)]]
                if is_single:
                    total = np.float64(np.float32(total))
                open_leaves ^= lowest
        scores[row] = total
    return total


@compiled
def score_by_traversal(rows, features, inputs, traversal, leaf_values, scores):
    """Write the raw score of each row, for models whose masks are too large.

    `rows` and `scores` are those of `score_by_masks`; for the others see
    `churnkit.trees.engines.kernel_arguments.KernelArguments`.
    """
    thresholds, threshold_at, nan_code, zero_code, class_of, class_at, _, rules = inputs
    number_of, begin, cut, table, left, right, root = traversal
    codes = np.empty(len(features), np.int64)
    for row in range(len(rows)):
        for number in range(len(features)):
            codes[number] = _code(
                rows[row, features[number]],
                thresholds[threshold_at[number] : threshold_at[number + 1]],
                class_of[class_at[number] : class_at[number + 1]],
                nan_code[number],
                zero_code[number],
                rules[0],
                rules[1] != 0.0,
            )
        total = leaf_values.dtype.type(0.0)
        for tree in range(len(root)):
            node = root[tree]
            while node >= 0:
                goes_right = table[begin[node] + codes[number_of[node]]] > cut[node]
                node = right[node] if goes_right else left[node]
            total += leaf_values[~node]
        scores[row] = total

"""Exact Shapley values of many rows with NumPy, by tables of patterns.

A leaf's attributions depend only on which features of its path pass the row: one of 2^d patterns
for d features. With more rows than patterns, the attributions of all patterns are computed once
and looked up; those of longer paths are computed for each row. They are added leaf by leaf, in the order of the other engines, so that the results
are the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.shapley import leaf_attributions

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.layout.binning import Codes
    from churnkit.trees.layout.derived import ForestLayout
    from churnkit.trees.layout.leaf_bitmasks import LeafMasks
    from churnkit.trees.shapley import Attribution

    Floats = npt.NDArray[np.float64]

__all__ = ["explain_by_patterns"]

# Paths of more features have too many patterns.
_MAX_FEATURES = 10
# Leaves per group whose tables are computed together, a multiple of 8; it limits the memory.
_LEAVES = 128


def explain_by_patterns(layout: ForestLayout, masks: LeafMasks, codes: Codes, out: Floats) -> None:
    """Add contributions, without the expected scores.

    Parameters
    ----------
    layout
        The forest and its derived arrays.
    masks
        The reachable leaves of each code.
    codes
        Shape (inputs, n).
    out
        Shape (n, columns).
    """
    attribution, n_rows = layout.attribution, codes.shape[1]
    reached = _ReachedLeaves(masks, codes)
    totals, scratch = np.ascontiguousarray(out.T), np.empty(n_rows)
    longest = min(_MAX_FEATURES, n_rows.bit_length() - 1)
    for start in range(0, len(attribution.leaf_value), _LEAVES):
        stop = min(len(attribution.leaf_value), start + _LEAVES)
        tables = _pattern_tables(attribution, start, stop, longest)
        for leaf in range(start, stop):
            links = slice(*attribution.link_offset[leaf : leaf + 2].tolist())
            columns = attribution.leaf_column[leaf] + attribution.link_column[links]
            inputs = attribution.link_input[links].tolist()
            if leaf in tables:
                pattern = np.zeros(n_rows, np.intp)
                for place, number in enumerate(inputs):
                    pattern += reached(leaf, number).astype(np.intp) << place
                for column, table in zip(columns.tolist(), tables[leaf], strict=True):
                    table.take(pattern, out=scratch, mode="clip")
                    totals[column] += scratch
            elif inputs:
                one = np.array([reached(leaf, number) for number in inputs]).view(bool)
                value, zero = attribution.leaf_value[leaf : leaf + 1], attribution.link_zero[links]
                totals[columns] += leaf_attributions(value, zero[:, None], one)
    out[:] = totals.T


class _ReachedLeaves:
    """The leaves that the codes of rows reach, eight at a time.

    Parameters
    ----------
    masks
        The reachable leaves of each code.
    codes
        Shape (inputs, n).
    """

    def __init__(self, masks: LeafMasks, codes: Codes) -> None:
        self._by_code = np.ascontiguousarray(masks.words.astype("<u8", copy=False).view(np.uint8).T)
        self._positions = codes.astype(np.intp) + masks.first_row[:-1, None]
        self._leaves: dict[int, npt.NDArray[np.uint8]] = {}
        self._first = -1

    def __call__(self, leaf: int, number: int) -> npt.NDArray[np.uint8]:
        """Return 1 for each row whose code of an input reaches a leaf, else 0."""
        if leaf // 8 != self._first:
            self._first, self._leaves = leaf // 8, {}
        if number not in self._leaves:
            self._leaves[number] = self._by_code[leaf // 8].take(self._positions[number])
        reached: npt.NDArray[np.uint8] = self._leaves[number] >> np.uint8(leaf % 8) & np.uint8(1)
        return reached


def _pattern_tables(
    attribution: Attribution, start: int, stop: int, longest: int
) -> dict[int, Floats]:
    """Return for leaves the attributions of their links in each pattern, (links, patterns)."""
    lengths = np.diff(attribution.link_offset[start : stop + 1])
    tables: dict[int, Floats] = {}
    for length in np.unique(lengths[(lengths > 0) & (lengths <= longest)]).tolist():
        leaves = start + np.flatnonzero(lengths == length)
        links = attribution.link_offset[leaves] + np.arange(length)[:, None]
        passes = (np.arange(2**length) >> np.arange(length)[:, None] & 1).astype(bool)
        values = leaf_attributions(
            attribution.leaf_value[leaves][:, None],
            attribution.link_zero[links][:, :, None],
            np.broadcast_to(passes[:, None, :], (length, len(leaves), 2**length)),
        )
        by_leaf = np.ascontiguousarray(values.transpose(1, 0, 2))
        tables |= dict(zip(leaves.tolist(), by_leaf, strict=True))
    return tables

"""Bit masks of the leaves that are reachable with each code of each input.

A row reaches the leaves that are reachable with all its codes, one per tree. It is scored by a
bitwise AND of a few hundred bytes per input; the remaining bits are its leaves in order of trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnkit.trees.layout.binning import NumericInput
from churnkit.trees.layout.block_program import numeric_table

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.layout.binning import Binning, CategoricalInput
    from churnkit.trees.layout.leaf_paths import LeafPaths

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]
    Words = npt.NDArray[np.uint64]

__all__ = ["LeafMasks", "build_masks"]


@dataclass(frozen=True, eq=False)
class LeafMasks:
    """The reachable leaves of every code.

    Parameters
    ----------
    words
        Shape (codes of all inputs, words): bit ``k`` of a row, counted from the low end of the
        first word, is the k-th leaf from left to right.
    first_row
        Shape (inputs + 1,): the first row of each input's codes.
    """

    words: Words
    first_row: Ints


def build_masks(
    binning: Binning, forest: Forest, paths: LeafPaths, first_leaf: int, last_leaf: int
) -> LeafMasks:
    """Build the masks of a range of leaves, counted from left to right through all trees."""
    n_leaves = last_leaf - first_leaf
    n_words = -(-n_leaves // 64)
    first_row = np.cumsum([0, *(source.n_codes for source in binning.inputs)]).astype(np.int64)
    words = np.zeros((int(first_row[-1]), n_words), np.uint64)
    span = slice(*np.searchsorted(paths.link_leaf, [first_leaf, last_leaf]).tolist())
    links = span.start + np.argsort(paths.link_input[span], kind="stable")
    bounds = np.searchsorted(paths.link_input[links], np.arange(len(binning.inputs) + 1))
    for number, source in enumerate(binning.inputs):
        input_links = links[bounds[number] : bounds[number + 1]]
        if not len(input_links):
            continue
        part = words[first_row[number] : first_row[number + 1]]
        steps, starts = _steps(paths, input_links)
        node, is_right = paths.node[steps], paths.is_right[steps]
        leaf, cut = paths.link_leaf[input_links] - first_leaf, binning.node_cut[node]
        conditions = _Conditions(leaf, starts, cut, is_right)
        if isinstance(source, NumericInput):
            _close_ranges(part, source, conditions)
            _close_special(part, source, conditions, forest.decision[node])
        else:
            _close_classes(part, source, conditions)
    all_leaves = np.zeros(n_words * 64, np.uint8)
    all_leaves[:n_leaves] = 1
    words ^= np.packbits(all_leaves, bitorder="little").view("<u8").astype(np.uint64)
    return LeafMasks(words, first_row)


class _Conditions(NamedTuple):
    """The links of one input: their leaves, and the cuts and sides of their steps."""

    leaf: Ints
    starts: Ints
    cut: Ints
    is_right: Bools

    def hold(self, goes_right: Bools) -> Bools:
        """Test which links a code passes that goes right at these steps."""
        holds: Bools = np.logical_and.reduceat(goes_right == self.is_right, self.starts)
        return holds


def _steps(paths: LeafPaths, links: Ints) -> tuple[Ints, Ints]:
    """Return the concatenated steps of links, and the start of each link."""
    # Of these links only: a forest has many more, and each block of leaves asks for each input.
    following, last = links + 1, len(paths.link_start) - 1
    ends = np.where(links == last, len(paths.node), paths.link_start[np.minimum(following, last)])
    lengths = ends - paths.link_start[links]
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    return np.repeat(paths.link_start[links], lengths) + within, starts


def _toggle(part: Words, row: Ints, leaf: Ints) -> None:
    bit = np.left_shift(np.uint64(1), (leaf & 63).astype(np.uint64))
    # A flat index, since NumPy is fast only for one-dimensional indices here.
    np.bitwise_xor.at(part.reshape(-1), row * part.shape[1] + (leaf >> 6), bit)


def _close_ranges(part: Words, source: NumericInput, conditions: _Conditions) -> None:
    """Mark the unreachable leaves of a numeric input: a link passes one range of codes."""
    size, leaf = len(source.thresholds), conditions.leaf
    lowest = np.maximum.reduceat(
        np.where(conditions.is_right, conditions.cut + 1, 0), conditions.starts
    )
    highest = np.minimum.reduceat(
        np.where(conditions.is_right, size, conditions.cut), conditions.starts
    )
    passes = lowest <= highest
    # A leaf's bit is toggled at each change; the cumulative XOR is its state.
    _toggle(part, np.zeros(len(leaf), np.int64), leaf)
    _toggle(part, lowest[passes], leaf[passes])
    ends = passes & (highest < size)
    _toggle(part, highest[ends] + 1, leaf[ends])
    np.bitwise_xor.accumulate(part[: size + 1], axis=0, out=part[: size + 1])


def _close_special(
    part: Words, source: NumericInput, conditions: _Conditions, decision: npt.NDArray[np.uint8]
) -> None:
    """Mark the unreachable leaves of missing values and zeros with separate codes."""
    treatments, which = np.unique(decision, return_inverse=True)
    tables = np.array([numeric_table(source, int(treatment)) for treatment in treatments])
    for code in range(len(source.thresholds) + 1, source.n_codes):
        closed = conditions.leaf[~conditions.hold(tables[which.reshape(-1), code] > conditions.cut)]
        _toggle(part, np.full(len(closed), code), closed)


def _close_classes(part: Words, source: CategoricalInput, conditions: _Conditions) -> None:
    """Mark the unreachable leaves of a categorical input, class by class."""
    for code in range(source.n_codes):
        closed = conditions.leaf[~conditions.hold(~source.members[conditions.cut, code])]
        _toggle(part, np.full(len(closed), code), closed)

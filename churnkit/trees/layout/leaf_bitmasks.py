"""For each code of each input, the leaves that it leaves open.

A row reaches the leaves that all its codes leave open, one in each tree. So a row is scored by
a bitwise AND of a few hundred bytes for each input; the bits that remain, in order, are its
leaves, tree after tree.
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
    from churnkit.trees.layout.binning import CategoricalInput, Coding
    from churnkit.trees.layout.leaf_paths import Paths

    Ints = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]
    Words = npt.NDArray[np.uint64]

__all__ = ["LeafMasks", "build_masks"]


@dataclass(frozen=True, eq=False)
class LeafMasks:
    """The open leaves of every code.

    Parameters
    ----------
    words
        Shape (codes of all inputs, words): bit ``k`` of the row, counted from the low end of
        the first word, is the k-th leaf from left to right.
    first_row
        Shape (inputs + 1,): where each input's codes start.
    """

    words: Words
    first_row: Ints


def build_masks(
    coding: Coding, forest: Forest, paths: Paths, first_leaf: int, last_leaf: int
) -> LeafMasks:
    """Build the masks of a range of leaves, counted from left to right through all trees."""
    n_leaves = last_leaf - first_leaf
    n_words = -(-n_leaves // 64)
    first_row = np.cumsum([0, *(source.n_codes for source in coding.inputs)]).astype(np.int64)
    words = np.zeros((int(first_row[-1]), n_words), np.uint64)
    span = slice(*np.searchsorted(paths.link_leaf, [first_leaf, last_leaf]).tolist())
    links = span.start + np.argsort(paths.link_input[span], kind="stable")
    bounds = np.searchsorted(paths.link_input[links], np.arange(len(coding.inputs) + 1))
    for number, source in enumerate(coding.inputs):
        own = links[bounds[number] : bounds[number + 1]]
        if not len(own):
            continue
        part = words[first_row[number] : first_row[number + 1]]
        steps, starts = _steps(paths, own)
        node, is_right = paths.node[steps], paths.is_right[steps]
        leaf, cut = paths.link_leaf[own] - first_leaf, coding.node_cut[node]
        asked = _Asked(leaf, starts, cut, is_right)
        if isinstance(source, NumericInput):
            _close_ranges(part, source, asked)
            _close_special(part, source, asked, forest.decision[node])
        else:
            _close_classes(part, source, asked)
    open_all = np.zeros(n_words * 64, np.uint8)
    open_all[:n_leaves] = 1
    words ^= np.packbits(open_all, bitorder="little").view("<u8").astype(np.uint64)
    return LeafMasks(words, first_row)


class _Asked(NamedTuple):
    """What the links of one input ask: their leaves, and the cuts and sides of their steps."""

    leaf: Ints
    starts: Ints
    cut: Ints
    is_right: Bools

    def agree(self, goes_right: Bools) -> Bools:
        """Whether each link is open to a code that goes right at these steps."""
        agreed: Bools = np.logical_and.reduceat(goes_right == self.is_right, self.starts)
        return agreed


def _steps(paths: Paths, links: Ints) -> tuple[Ints, Ints]:
    """Return the steps of some links, one link after the other, and where each link starts."""
    ends = np.append(paths.link_start[1:], len(paths.node))
    lengths = (ends - paths.link_start)[links]
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    return np.repeat(paths.link_start[links], lengths) + within, starts


def _toggle(part: Words, row: Ints, leaf: Ints) -> None:
    bit = np.left_shift(np.uint64(1), (leaf & 63).astype(np.uint64))
    # A flat position, because numpy is fast at this for one index only.
    np.bitwise_xor.at(part.reshape(-1), row * part.shape[1] + (leaf >> 6), bit)


def _close_ranges(part: Words, source: NumericInput, asked: _Asked) -> None:
    """Mark the closed leaves of a numeric input: a link leaves one range of codes open."""
    size, leaf = len(source.thresholds), asked.leaf
    lowest = np.maximum.reduceat(np.where(asked.is_right, asked.cut + 1, 0), asked.starts)
    highest = np.minimum.reduceat(np.where(asked.is_right, size, asked.cut), asked.starts)
    some = lowest <= highest
    # A leaf's bit flips where it closes and where it opens; adding up flips gives its state.
    _toggle(part, np.zeros(len(leaf), np.int64), leaf)
    _toggle(part, lowest[some], leaf[some])
    ends = some & (highest < size)
    _toggle(part, highest[ends] + 1, leaf[ends])
    np.bitwise_xor.accumulate(part[: size + 1], axis=0, out=part[: size + 1])


def _close_special(
    part: Words, source: NumericInput, asked: _Asked, decision: npt.NDArray[np.uint8]
) -> None:
    """Mark the closed leaves for missing values and for zero, where they have their own code."""
    treatments, which = np.unique(decision, return_inverse=True)
    tables = np.array([numeric_table(source, int(treatment)) for treatment in treatments])
    for code in range(len(source.thresholds) + 1, source.n_codes):
        closed = asked.leaf[~asked.agree(tables[which.reshape(-1), code] > asked.cut)]
        _toggle(part, np.full(len(closed), code), closed)


def _close_classes(part: Words, source: CategoricalInput, asked: _Asked) -> None:
    """Mark the closed leaves of a categorical input, class by class."""
    for code in range(source.n_codes):
        closed = asked.leaf[~asked.agree(~source.members[asked.cut, code])]
        _toggle(part, np.full(len(closed), code), closed)

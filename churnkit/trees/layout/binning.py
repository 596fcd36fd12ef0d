"""Encode the values of a row as small integers, the only input of the trees.

The code of a numeric value is the number of the model's thresholds below it; missing values, and
zeros that the model treats as missing, have separate codes. The code of a category is its class:
categories in the same sets of the model share a class, and those in no set have class 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.forest import CATEGORICAL, DEFAULT_LEFT, EXACT, MISSING_NONE, MISSING_ZERO

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest
    from churnkit.trees.input_matrix import Rows

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.unsignedinteger]

__all__ = ["ZERO", "Binning", "CategoricalInput", "NumericInput", "build_binning"]

# LightGBM treats values up to this magnitude, a float32, as zero.
ZERO = float(np.float32(1e-35))

# Blocks of this size fit the cache, and NumPy reuses their memory.
_BLOCK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class NumericInput:
    """A column used as a number.

    Parameters
    ----------
    feature
        The column's position.
    thresholds
        Ascending and unique, shape (m,). A value's code is the number of thresholds below it.
    nan_code
        The code of a missing value: ``m + 1`` if any node distinguishes it, otherwise the code
        of 0.0, which LightGBM substitutes.
    zero_code
        The code of zero if any node treats zero as missing, otherwise -1.
    n_codes
        The largest code plus one.
    tiny
        Values up to this magnitude are zero; negative if none are.
    """

    feature: int
    thresholds: Floats
    nan_code: int
    zero_code: int
    n_codes: int
    tiny: float

    def encode(self, values: Floats, dtype: npt.DTypeLike) -> Codes:
        """Return the code of each value, in the same shape."""
        flushed = values
        is_zero = np.abs(values) <= self.tiny
        if is_zero.any():
            flushed = np.where(is_zero, 0.0, values)
        codes: Codes = np.searchsorted(self.thresholds, flushed, side="left").astype(dtype)
        codes[np.isnan(values)] = self.nan_code
        if self.zero_code >= 0:
            codes[is_zero] = self.zero_code
        return codes


@dataclass(frozen=True, eq=False)
class CategoricalInput:
    """A column used as a category.

    Parameters
    ----------
    feature
        The column's position.
    class_of
        Shape (largest category + 1,), not empty: the class of each category, 0 if it is in no set.
    members
        Shape (sets, classes), boolean: true if the class goes left at nodes with the set.
    nan_code
        The class of missing values, 0 if no node distinguishes them from unknown ones.
    is_exact
        Values that are not whole numbers have class 0; otherwise they are truncated.
    """

    feature: int
    class_of: npt.NDArray[np.int32]
    members: npt.NDArray[np.bool_]
    nan_code: int
    is_exact: bool

    @property
    def n_codes(self) -> int:
        """The largest code plus one."""
        return int(self.members.shape[1])

    def encode(self, values: Floats, dtype: npt.DTypeLike) -> Codes:
        """Return the class of each value; missing, negative and unknown values have class 0."""
        # LightGBM truncates values toward zero, so those just above -1 are category 0.
        is_known = (values > -1.0) & (values < len(self.class_of))
        category = np.where(is_known, values, 0.0).astype(np.int64)
        if self.is_exact:
            is_known &= category == values
        codes: Codes = np.where(is_known, self.class_of[category], 0).astype(dtype)
        if self.nan_code:
            codes[np.isnan(values)] = self.nan_code
        return codes


@dataclass(frozen=True, eq=False)
class Binning:
    """The codes of all columns that a forest uses.

    Parameters
    ----------
    inputs
        One per column and use, as a number or as a category.
    node_input
        Shape (nodes,): the input of a node.
    node_cut
        Shape (nodes,): for a numeric node the position of its threshold (codes up to it go
        left), for a categorical node the row of its set in `members`.
    dtype
        The smallest unsigned type for all codes.
    """

    inputs: tuple[NumericInput | CategoricalInput, ...]
    node_input: Ints
    node_cut: Ints
    dtype: np.dtype[np.unsignedinteger]

    def encode(self, rows: Rows) -> Codes:
        """Encode a block of rows.

        Parameters
        ----------
        rows
            Shape (n, features).

        Returns
        -------
        ndarray
            Codes of shape (inputs, n).
        """
        codes: Codes = np.empty((len(self.inputs), len(rows)), self.dtype)
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            for number, source in enumerate(self.inputs):
                column = np.ascontiguousarray(rows[block, source.feature], np.float64)
                codes[number, block] = source.encode(column, self.dtype)
        return codes


def build_binning(forest: Forest) -> Binning:
    """Find the inputs of a forest and the cut of each node among the codes of its input."""
    categorical = (forest.decision & CATEGORICAL) > 0
    key = forest.feature.astype(np.int64) * 2 + categorical
    by_input = np.argsort(key, kind="stable")
    keys, starts = np.unique(key[by_input], return_index=True)
    node_input = np.zeros(len(key), np.int64)
    node_cut = np.zeros(len(key), np.int64)
    inputs: list[NumericInput | CategoricalInput] = []
    for number, nodes in enumerate(np.split(by_input, starts[1:]) if len(keys) else []):
        node_input[nodes] = number
        build = _categorical_input if keys[number] % 2 else _numeric_input
        source, node_cut[nodes] = build(forest, nodes)
        inputs.append(source)
    largest = max((source.n_codes for source in inputs), default=1) - 1
    return Binning(tuple(inputs), node_input, node_cut, np.dtype(np.min_scalar_type(largest)))


def _numeric_input(forest: Forest, nodes: Ints) -> tuple[NumericInput, Ints]:
    thresholds, cut = np.unique(forest.threshold[nodes], return_inverse=True)
    missing = forest.decision[nodes] >> 2
    size = len(thresholds)
    if (missing == MISSING_NONE).all():
        nan_code, n_codes = int(np.searchsorted(thresholds, 0.0)), size + 1
    else:
        nan_code, n_codes = size + 1, size + 2
    zero_code = -1
    if (missing == MISSING_ZERO).any():
        zero_code, n_codes = n_codes, n_codes + 1
    feature = int(forest.feature[nodes[0]])
    tiny = -1.0 if forest.comparison == EXACT else ZERO
    return NumericInput(feature, thresholds, nan_code, zero_code, n_codes, tiny), cut.reshape(-1)


def _categorical_input(forest: Forest, nodes: Ints) -> tuple[CategoricalInput, Ints]:
    is_exact = forest.comparison == EXACT
    takes_missing = (forest.decision[nodes] & DEFAULT_LEFT) > 0 if is_exact else 0
    sets, row = np.unique(2 * forest.category_set[nodes] + takes_missing, return_inverse=True)
    owner, categories = _members(forest, sets // 2)
    # Missing values count as one more category, after all others.
    missing = int(categories.max(initial=0)) + 1
    with_missing = np.flatnonzero(sets % 2)
    owner = np.concatenate([owner, with_missing])
    categories = np.concatenate([categories, np.full(len(with_missing), missing)])
    present, index = np.unique(categories, return_inverse=True)
    # The signature of a category has one bit per set; equal signatures are one class.
    signature = np.zeros((len(present), len(sets) // 8 + 1), np.uint8)
    bit = np.left_shift(1, owner & 7).astype(np.uint8)
    np.bitwise_or.at(signature, (index.reshape(-1), owner >> 3), bit)
    # The empty signature sorts first; it is added in case no category has it.
    with_none = np.concatenate([np.zeros((1, signature.shape[1]), np.uint8), signature])
    kinds, kind = np.unique(with_none, axis=0, return_inverse=True)
    class_of = np.zeros(missing + 1, np.int32)
    class_of[present] = kind.reshape(-1)[1:]
    nan_code, class_of = int(class_of[missing]), class_of[:missing]
    members = np.unpackbits(kinds, axis=1, bitorder="little")[:, : len(sets)].T.astype(bool)
    feature = int(forest.feature[nodes[0]])
    members = np.ascontiguousarray(members)
    source = CategoricalInput(feature, class_of, members, nan_code, is_exact)
    return source, row.reshape(-1)


def _members(forest: Forest, sets: Ints) -> tuple[Ints, Ints]:
    """List the categories of sets: for each its position in `sets`, and the category."""
    starts, ends = forest.category_offset[sets], forest.category_offset[sets + 1]
    # Only words with a category are listed and unpacked: sets can be long and almost empty.
    used = np.flatnonzero(forest.category_words)
    first = np.searchsorted(used, starts)
    lengths = np.searchsorted(used, ends) - first
    owner = np.repeat(np.arange(len(sets)), lengths)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    word = used[first[owner] + within]
    bytes_of_used = forest.category_words[word].astype("<u4").view(np.uint8)
    bit = np.flatnonzero(np.unpackbits(bytes_of_used, bitorder="little"))
    at = bit // 32
    return owner[at], 32 * (word - starts[owner])[at] + bit % 32

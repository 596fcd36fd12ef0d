"""Turn a row's values into small integer codes, which are all that the trees look at.

For a numeric column the code counts the model's thresholds below the value; a missing value
and (where the model treats it as missing) zero have codes of their own. For a categorical
column it is the class of categories that no set of the model tells apart; class 0 holds all
categories that are in no set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.forest import CATEGORICAL, MISSING_NONE, MISSING_ZERO

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnkit.trees.forest import Forest

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.unsignedinteger]

__all__ = ["ZERO", "CategoricalInput", "Coding", "NumericInput", "build_coding"]

# LightGBM reads every value up to this size as zero; it is a float32 there.
ZERO = float(np.float32(1e-35))

# So many values fit the cache, and numpy's memory for them is used again and again.
_CODED_ROWS = 4096


@dataclass(frozen=True, eq=False)
class NumericInput:
    """A column read as a number.

    Parameters
    ----------
    feature
        The column's position.
    thresholds
        Ascending and unique, shape (m,). A value's code is the number of thresholds below it.
    nan_code
        The code of a missing value: ``m + 1`` where some node tells it apart, else the code
        of 0.0, as which LightGBM reads it.
    zero_code
        The code of zero where some node reads zero as missing, else -1.
    n_codes
        One more than the largest code.
    """

    feature: int
    thresholds: Floats
    nan_code: int
    zero_code: int
    n_codes: int

    def encode(self, values: Floats, dtype: npt.DTypeLike) -> Codes:
        """Return the code of each value, shape as given."""
        flushed = values
        is_zero = np.abs(values) <= ZERO
        if is_zero.any():
            flushed = np.where(is_zero, 0.0, values)
        codes: Codes = np.searchsorted(self.thresholds, flushed, side="left").astype(dtype)
        codes[np.isnan(values)] = self.nan_code
        if self.zero_code >= 0:
            codes[is_zero] = self.zero_code
        return codes


@dataclass(frozen=True, eq=False)
class CategoricalInput:
    """A column read as a category.

    Parameters
    ----------
    feature
        The column's position.
    class_of
        Shape (largest known category + 1,): the class of each category, 0 if in no set.
    members
        Shape (sets, classes), boolean: whether the class goes left at nodes with that set.
    """

    feature: int
    class_of: npt.NDArray[np.int32]
    members: npt.NDArray[np.bool_]

    @property
    def n_codes(self) -> int:
        """One more than the largest code."""
        return int(self.members.shape[1])

    def encode(self, values: Floats, dtype: npt.DTypeLike) -> Codes:
        """Return the class of each value; missing, negative and unknown ones are class 0."""
        # Categories truncate towards zero, so values just above -1 are category 0.
        known = (values > -1.0) & (values < len(self.class_of))
        category = np.where(known, values, 0.0).astype(np.int64)
        codes: Codes = np.where(known, self.class_of[category], 0).astype(dtype)
        return codes


@dataclass(frozen=True, eq=False)
class Coding:
    """How all columns that a forest reads are coded.

    Parameters
    ----------
    inputs
        One for each column and way of reading it.
    node_input
        Shape (nodes,): the input that a node reads.
    node_cut
        Shape (nodes,): for a numeric node the position of its threshold (codes up to it go
        left), for a categorical one the row of its set in `members`.
    dtype
        The smallest unsigned type that holds all codes.
    """

    inputs: tuple[NumericInput | CategoricalInput, ...]
    node_input: Ints
    node_cut: Ints
    dtype: np.dtype[np.unsignedinteger]

    def encode(self, rows: npt.NDArray[np.floating]) -> Codes:
        """Code a block of rows.

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
        for start in range(0, len(rows), _CODED_ROWS):
            block = slice(start, start + _CODED_ROWS)
            for number, source in enumerate(self.inputs):
                column = np.ascontiguousarray(rows[block, source.feature], np.float64)
                codes[number, block] = source.encode(column, self.dtype)
        return codes


def build_coding(forest: Forest) -> Coding:
    """Find the inputs of a forest and each node's place among its input's codes."""
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
    most = max((source.n_codes for source in inputs), default=1)
    return Coding(tuple(inputs), node_input, node_cut, np.dtype(np.min_scalar_type(most - 1)))


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
    return NumericInput(feature, thresholds, nan_code, zero_code, n_codes), cut.reshape(-1)


def _categorical_input(forest: Forest, nodes: Ints) -> tuple[CategoricalInput, Ints]:
    sets, row = np.unique(forest.category_set[nodes], return_inverse=True)
    known = [_categories(forest, number) for number in sets]
    present, place = np.unique(np.concatenate(known), return_inverse=True)
    owner = np.repeat(np.arange(len(sets)), [len(categories) for categories in known])
    # A category's signature: one bit for each set, packed. Equal signatures, equal class.
    signature = np.zeros((len(present), len(sets) // 8 + 1), np.uint8)
    bit = np.left_shift(1, owner & 7).astype(np.uint8)
    np.bitwise_or.at(signature, (place.reshape(-1), owner >> 3), bit)
    # The empty signature sorts first, and is put there even if no category has it.
    with_none = np.concatenate([np.zeros((1, signature.shape[1]), np.uint8), signature])
    kinds, kind = np.unique(with_none, axis=0, return_inverse=True)
    class_of = np.zeros(int(present.max(initial=-1)) + 1, np.int32)
    class_of[present] = kind.reshape(-1)[1:]
    members = np.unpackbits(kinds, axis=1, bitorder="little")[:, : len(sets)].T.astype(bool)
    feature = int(forest.feature[nodes[0]])
    source = CategoricalInput(feature, class_of, np.ascontiguousarray(members))
    return source, row.reshape(-1)


def _categories(forest: Forest, number: int) -> Ints:
    """List the categories of one set."""
    start, stop = forest.category_offset[number : number + 2]
    words = forest.category_words[start:stop].astype("<u4")
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))

"""Score single rows of Python numbers."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from churnkit.trees.layout.binning import NumericInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from churnkit.trees.layout.binning import Binning
    from churnkit.trees.layout.leaf_bitmasks import LeafMasks

    Reals = npt.NDArray[np.floating]
    Ints = npt.NDArray[np.int64]

__all__ = ["RowScorer"]


class RowScorer:
    """Scorer of single rows by leaf masks, for models with one output.

    Parameters
    ----------
    binning, masks
        The inputs of the forest and the leaves reachable with their codes.
    leaf_values
        Shape (leaves,): values from left to right through all trees.
    """

    def __init__(self, binning: Binning, masks: LeafMasks, leaf_values: Reals) -> None:
        self._words, self._value_at = masks.words, leaf_values
        self._numeric: list[tuple[int, int, list[float], int, int]] = []
        self._categorical: list[tuple[int, int, list[int], float]] = []
        self._nan_rows: dict[int, int] = {}
        self._tiny, self._is_exact = -1.0, False
        for source, first in zip(binning.inputs, masks.first_row.tolist(), strict=False):
            if isinstance(source, NumericInput):
                self._tiny, thresholds = source.tiny, source.thresholds.tolist()
                zero = source.zero_code if source.zero_code >= 0 else bisect_left(thresholds, 0.0)
                self._numeric.append(
                    (source.feature, first, thresholds, first + source.nan_code, first + zero)
                )
            else:
                self._is_exact, rows = source.is_exact, (source.class_of + first).tolist()
                self._categorical.append((source.feature, first, rows, float(len(rows))))
                if source.nan_code:
                    self._nan_rows[source.feature] = first + source.nan_code

    def leaves(self, values: Sequence[float]) -> Ints:
        """Return the leaves of a row, numbered across all trees."""
        rows, tiny = [], self._tiny
        for feature, first, thresholds, nan_row, zero_row in self._numeric:
            value = values[feature]
            if -tiny <= value <= tiny:
                rows.append(zero_row)
            elif value == value:  # noqa: PLR0124 - only NaN differs from itself
                rows.append(first + bisect_left(thresholds, value))
            else:
                rows.append(nan_row)
        for feature, first, class_rows, limit in self._categorical:
            value = values[feature]
            is_known = -1.0 < value < limit
            if self._is_exact and is_known and value != int(value):
                is_known = False
            if is_known:
                rows.append(class_rows[int(value)])
            elif value == value or not self._nan_rows:  # noqa: PLR0124 - only NaN differs
                rows.append(first)
            else:
                rows.append(self._nan_rows.get(feature, first))
        if not rows:
            return np.arange(len(self._value_at))
        reached = np.bitwise_and.reduce(self._words.take(rows, axis=0), axis=0)
        bits = np.unpackbits(reached.astype("<u8", copy=False).view(np.uint8), bitorder="little")
        return bits.view(bool).nonzero()[0]

    def score(self, values: Sequence[float]) -> float:
        """Return the raw score of one row."""
        reached = self._value_at.take(self.leaves(values))
        # Added in order of trees, as in LightGBM; np.sum would add pairwise.
        return 0.0 + float(np.add.accumulate(reached)[-1]) if len(reached) else 0.0

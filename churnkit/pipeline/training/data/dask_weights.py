"""Weights of customers with rows at several dates, where no process holds the table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["CellTotals", "RepeatCounts", "RepeatWeights", "repeat_counts"]


@dataclass(frozen=True)
class RepeatCounts:
    """Number of rows of each customer who has several.

    Attributes
    ----------
    hashes : (k,) uint64, ascending
    counts : (k,) at least 2
    """

    hashes: NDArray[np.uint64]
    counts: NDArray[np.int64]

    def of(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the number of rows of some customers, (n,).

        Examples
        --------
        >>> repeats = repeat_counts([np.array([7, 9, 7], dtype=np.uint64)])
        >>> repeats.of(np.array([9, 7], dtype=np.uint64))
        array([1, 2])
        """
        counts = np.ones(len(hashes), dtype=np.int64)
        if len(self.hashes):
            place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
            is_repeated = self.hashes[place] == hashes
            counts[is_repeated] = self.counts[place[is_repeated]]
        return counts


def repeat_counts(parts: Iterable[NDArray[np.uint64]]) -> RepeatCounts:
    """Count the customers of several parts who have more than one row."""
    hashes, counts = np.unique(np.concatenate(list(parts)), return_counts=True)
    return RepeatCounts(hashes[counts > 1], counts[counts > 1].astype(np.int64))


@dataclass
class CellTotals:
    """Rows and sums of weights by date and outcome."""

    rows: Counter[str] = field(default_factory=Counter)
    weights: dict[str, float] = field(default_factory=dict)

    def add(self, cells: NDArray[np.str_], counts: NDArray[np.int64]) -> None:
        """Add rows of some cells, each weighted by one over its customer's number of rows."""
        names, cell = np.unique(cells, return_inverse=True)
        sums = np.bincount(cell, weights=1.0 / counts, minlength=len(names))
        for name, rows, weight in zip(
            names.tolist(), np.bincount(cell).tolist(), sums.tolist(), strict=True
        ):
            self.rows[name] += rows
            self.weights[name] = self.weights.get(name, 0.0) + weight

    def merge(self, other: CellTotals) -> None:
        """Add the totals of another part."""
        self.rows.update(other.rows)
        for name, weight in other.weights.items():
            self.weights[name] = self.weights.get(name, 0.0) + weight

    def factors(self) -> dict[str, float]:
        """Return the factor by which each cell has a mean weight of 1."""
        return {name: rows / self.weights[name] for name, rows in self.rows.items()}


@dataclass(frozen=True)
class RepeatWeights:
    """Weights as of `churnkit.timeline.repeat_weights` within dates and outcomes.

    Attributes
    ----------
    counts
        Number of rows of each customer who has several.
    dates
        Column of the dates.
    factors
        Factor of each date and outcome, from `CellTotals.factors`.
    """

    counts: RepeatCounts
    dates: str
    factors: dict[str, float] = field(default_factory=dict)

    def of(self, hashes: NDArray[np.uint64], cells: NDArray[np.str_]) -> NDArray[np.float64]:
        """Return the weights of rows by the hashes of their customers and by their cells, (n,)."""
        names, cell = np.unique(cells, return_inverse=True)
        factors = np.array([self.factors[name] for name in names.tolist()])
        weights: NDArray[np.float64] = factors[cell] / self.counts.of(hashes)
        return weights

    def cells(self, table: pa.Table, labels: NDArray[np.int8]) -> NDArray[np.str_]:
        """Return the date and outcome of each row as text, (n,)."""
        pairs = zip(table[self.dates].to_pylist(), labels.tolist(), strict=True)
        return np.array([f"{date} {left}" for date, left in pairs], dtype=np.str_)

"""Target encoding: categories with many levels as churn rate and frequency.

One threshold of a tree on such a number separates a thousand cities, where splits by code would
fit the noise of each. The rate of a level is shrunk to the overall rate by empirical Bayes.

References
----------
Micci-Barreca (2001). A preprocessing scheme for high-cardinality categorical attributes. ACM
SIGKDD Explorations 3(1). doi:10.1145/507533.507538
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.scorers.serialization import read_array, read_integer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.models.training_rows import TrainingRows

__all__ = ["LevelTable", "TargetEncoding", "level_count"]

# Bounds of the number of customers with the overall rate that are added to each level.
_MIN_PRIOR, _MAX_PRIOR = 1.0, 1_000.0


@dataclass(frozen=True)
class LevelTable:
    """Churn rates and frequencies of one category's levels.

    Attributes
    ----------
    rate : (k,) shrunk churn rate by code
    frequency : (k,) logarithm of one plus the number of customers by code
    missing : (2,) rate and frequency of a missing value
    unknown : (2,) rate and frequency of an unseen code
    """

    rate: NDArray[np.float64]
    frequency: NDArray[np.float64]
    missing: NDArray[np.float64]
    unknown: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        column: NDArray[np.float64],
        outcome: NDArray[np.float64],
        weight: NDArray[np.float64],
        *,
        levels: int,
        overall: float,
    ) -> Self:
        """Learn the rates and frequencies of a column's codes.

        Parameters
        ----------
        column, outcome, weight : (n,)
        levels
            One more than the largest code.
        overall
            The churn rate that levels are shrunk to.

        Returns
        -------
        LevelTable

        Examples
        --------
        >>> column = np.array([0.0, 0.0, 2.0, np.nan])
        >>> table = LevelTable.fit(
        ...     column, np.array([1.0, 1.0, 0.0, 0.0]), np.ones(4), levels=3, overall=0.5
        ... )
        >>> bool(table.rate[0] > table.rate[1] > table.rate[2])
        True
        """
        # The last slot is for missing values.
        slot = np.where(np.isnan(column), levels, column).astype(np.intp)
        count = np.bincount(slot, weight, levels + 1).astype(np.float64)
        churned = np.bincount(slot, weight * outcome, levels + 1).astype(np.float64)
        return cls.from_counts(count, churned, overall=overall)

    @classmethod
    def from_counts(
        cls, count: NDArray[np.float64], churned: NDArray[np.float64], *, overall: float
    ) -> Self:
        """Learn from the weight of all rows and of churned ones by code, (k + 1,), missing last."""
        prior = _prior_customers(count, churned, overall)
        rate = (churned + prior * overall) / (count + prior)
        frequency = np.log1p(count)
        return cls(
            rate[:-1],
            frequency[:-1],
            np.array([rate[-1], frequency[-1]]),
            np.array([overall, 0.0]),
        )

    def at(self, column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rate and the frequency of each value, (n,) both."""
        is_known = (column >= 0) & (column < len(self.rate)) & (column == np.floor(column))
        rate = np.where(np.isnan(column), self.missing[0], self.unknown[0])
        frequency = np.where(np.isnan(column), self.missing[1], self.unknown[1])
        codes = column[is_known].astype(np.intp)
        rate[is_known] = self.rate[codes]
        frequency[is_known] = self.frequency[codes]
        return rate, frequency

    def at_one(self, value: float) -> tuple[float, float]:
        """Return the rate and the frequency of one value, equal to `at`."""
        if value != value:  # noqa: PLR0124 - only NaN differs from itself
            return float(self.missing[0]), float(self.missing[1])
        if 0 <= value < len(self.rate) and value == int(value):
            return float(self.rate[int(value)]), float(self.frequency[int(value)])
        return float(self.unknown[0]), float(self.unknown[1])


@dataclass(frozen=True)
class TargetEncoding:
    """Replaces categorical columns of a matrix by their churn rates and frequencies.

    The rate of a column replaces its codes; the frequencies are appended to the matrix, in the
    order of `columns`.

    Attributes
    ----------
    columns
        Indices of the encoded columns.
    tables
        One per encoded column.
    n_features
        Number of columns of the matrix.
    """

    columns: tuple[int, ...]
    tables: tuple[LevelTable, ...]
    n_features: int

    @classmethod
    def fit(cls, rows: TrainingRows, columns: Sequence[int]) -> Self:
        """Learn the tables of some columns from all rows.

        Parameters
        ----------
        rows
            Checked training rows.
        columns
            Indices of the columns to encode.

        Returns
        -------
        TargetEncoding

        Examples
        --------
        >>> from churnkit.models.training_rows import TrainingRows
        >>> rows = TrainingRows.from_arrays(np.array([[5.0, 0], [6.0, 1]]), np.array([1.0, 0.0]))
        >>> TargetEncoding.fit(rows, [1]).apply(np.array([[7.0, 9.0]]))
        array([[7. , 0.5, 0. ]])
        """
        overall = float(rows.weight @ rows.outcome / rows.weight.sum())
        tables = tuple(
            LevelTable.fit(
                rows.matrix[:, column],
                rows.outcome,
                rows.weight,
                levels=level_count(rows.matrix[:, column]),
                overall=overall,
            )
            for column in columns
        )
        return cls(tuple(columns), tables, rows.matrix.shape[1])

    def apply(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the encoded matrix, (n, n_features + columns)."""
        encoded = np.empty((len(matrix), self.n_features + len(self.columns)))
        encoded[:, : self.n_features] = matrix
        for number, (column, table) in enumerate(
            zip(self.columns, self.tables, strict=True), self.n_features
        ):
            encoded[:, column], encoded[:, number] = table.at(matrix[:, column])
        return encoded

    def apply_row(self, values: Sequence[float]) -> list[float]:
        """Return one encoded row, equal to `apply`."""
        encoded = [*values, *([0.0] * len(self.columns))]
        for number, (column, table) in enumerate(
            zip(self.columns, self.tables, strict=True), self.n_features
        ):
            encoded[column], encoded[number] = table.at_one(values[column])
        return encoded

    def merge_contributions(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add the contributions of the frequencies to those of the columns they come from.

        Parameters
        ----------
        contributions : (n, n_features + columns + 1) bias last

        Returns
        -------
        (n, n_features + 1) bias last
        """
        merged = contributions[:, [*range(self.n_features), -1]]
        for number, column in enumerate(self.columns, self.n_features):
            merged[:, column] += contributions[:, number]
        return merged

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the encoding."""
        arrays: dict[str, NDArray[Any]] = {
            "columns": np.array(self.columns, dtype=np.int64),
            "sizes": np.array([len(table.rate) for table in self.tables], dtype=np.int64),
        }
        for name in ("rate", "frequency", "missing", "unknown"):
            parts = [getattr(table, name) for table in self.tables]
            arrays[name] = np.concatenate([np.empty(0), *parts])
        return {"n_features": self.n_features}, arrays

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the encoding.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent.
        """
        width = read_integer(settings, "n_features", low=1, high=1_000_000)
        columns = read_array(arrays, "columns", dtype="int64")
        if (columns < 0).any() or (columns >= width).any() or (np.diff(columns) <= 0).any():
            raise BundleError("the saved array 'columns' must hold ascending column indices")
        sizes = read_array(arrays, "sizes", dtype="int64", size=len(columns))
        rate = read_array(arrays, "rate", dtype="float64")
        # Checked one by one: the sum of forged sizes could overflow.
        if (sizes < 0).any() or (sizes > len(rate)).any() or sizes.sum() != len(rate):
            raise BundleError("the saved array 'sizes' does not add up to the array 'rate'")
        frequency = read_array(arrays, "frequency", dtype="float64", size=len(rate))
        missing = read_array(arrays, "missing", dtype="float64", size=2 * len(columns))
        unknown = read_array(arrays, "unknown", dtype="float64", size=2 * len(columns))
        ends = np.cumsum(sizes)
        tables = tuple(
            LevelTable(
                rate[end - size : end],
                frequency[end - size : end],
                missing[2 * number : 2 * number + 2],
                unknown[2 * number : 2 * number + 2],
            )
            for number, (end, size) in enumerate(zip(ends, sizes, strict=True))
        )
        return cls(tuple(columns.tolist()), tables, width)


def level_count(column: NDArray[np.float64]) -> int:
    """Return one more than the largest code of a column."""
    present = column[~np.isnan(column)]
    return int(present.max()) + 1 if len(present) else 0


def _prior_customers(
    count: NDArray[np.float64], churned: NDArray[np.float64], overall: float
) -> float:
    """Estimate the prior sample size of a beta-binomial by the method of moments."""
    seen = count > 0
    count, churned = count[seen], churned[seen]
    variance = overall * (1 - overall)
    excess = float(count @ (churned / count - overall) ** 2) - (len(count) - 1) * variance
    effective = float(count.sum() - count @ count / count.sum())
    if effective <= 0 or excess <= 0:
        return _MAX_PRIOR
    return float(np.clip(variance * effective / excess - 1, _MIN_PRIOR, _MAX_PRIOR))

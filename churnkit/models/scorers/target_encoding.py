"""Categories of many levels as numbers: how often their customers leave, and how many there are.

A tree that reads such a number can tell a thousand cities apart with one threshold, where
reading them one by one learns the noise of each. The churn rate of a level is shrunken to the
overall rate by as much as the levels' spread says (empirical Bayes), and each training row's
is learned on other rows, or the trees would read its own outcome.
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

    from churnkit.models.classifiers.base import TrainingRows

__all__ = ["LevelTable", "TargetEncoding", "cross_encode"]

_PARTS = 5
# However alike or unlike the levels are, so many customers of the overall rate join each.
_FEWEST_PRIOR, _MOST_PRIOR = 1.0, 1_000.0


@dataclass(frozen=True)
class LevelTable:
    """What one category's levels stand for.

    Attributes
    ----------
    rate : (k,) shrunken churn rate by code
    frequency : (k,) logarithm of one plus the customers of each code
    missing : (2,) rate and frequency of a missing value
    unknown : (2,) rate and frequency of a code that training did not see
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
        """Learn the rates and counts of a column's codes.

        Parameters
        ----------
        column, outcome, weight : (n,)
        levels
            One more than the largest code there may be.
        overall
            The churn rate that levels are shrunken to.

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
        known = (column >= 0) & (column < len(self.rate)) & (column == np.floor(column))
        rate = np.where(np.isnan(column), self.missing[0], self.unknown[0])
        frequency = np.where(np.isnan(column), self.missing[1], self.unknown[1])
        codes = column[known].astype(np.intp)
        rate[known] = self.rate[codes]
        frequency[known] = self.frequency[codes]
        return rate, frequency

    def at_one(self, value: float) -> tuple[float, float]:
        """Return the rate and the frequency of one value: what `at` gives."""
        if value != value:  # noqa: PLR0124 - only NaN differs from itself
            return float(self.missing[0]), float(self.missing[1])
        if 0 <= value < len(self.rate) and value == int(value):
            return float(self.rate[int(value)]), float(self.frequency[int(value)])
        return float(self.unknown[0]), float(self.unknown[1])


@dataclass(frozen=True)
class TargetEncoding:
    """A matrix with wide categories, as a matrix of numbers.

    A column's rate takes the place of its codes; its frequency is a further column, after
    those of the matrix, in the order of `columns`.

    Attributes
    ----------
    columns
        Indices of the columns that are read by their statistics.
    tables
        One for each of them.
    n_features
        How many columns the matrix has.
    """

    columns: tuple[int, ...]
    tables: tuple[LevelTable, ...]
    n_features: int

    @classmethod
    def fit(cls, rows: TrainingRows, columns: Sequence[int]) -> Self:
        """Learn the statistics of some columns from all rows.

        Examples
        --------
        >>> from churnkit.models.classifiers.base import TrainingRows
        >>> rows = TrainingRows.of(np.array([[5.0, 0], [6.0, 1]]), np.array([1.0, 0.0]))
        >>> TargetEncoding.fit(rows, [1]).apply(np.array([[7.0, 9.0]]))
        array([[7. , 0.5, 0. ]])
        """
        overall = float(rows.weight @ rows.outcome / rows.weight.sum())
        tables = tuple(
            LevelTable.fit(
                rows.matrix[:, at],
                rows.outcome,
                rows.weight,
                levels=_levels(rows.matrix[:, at]),
                overall=overall,
            )
            for at in columns
        )
        return cls(tuple(columns), tables, rows.matrix.shape[1])

    def apply(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the matrix of numbers, (n, n_features + columns)."""
        wide = np.empty((len(matrix), self.n_features + len(self.columns)))
        wide[:, : self.n_features] = matrix
        for number, (at, table) in enumerate(zip(self.columns, self.tables, strict=True)):
            wide[:, at], wide[:, self.n_features + number] = table.at(matrix[:, at])
        return wide

    def apply_row(self, values: Sequence[float]) -> list[float]:
        """Return one row of numbers: what `apply` gives."""
        wide = [*values, *([0.0] * len(self.columns))]
        for number, (at, table) in enumerate(zip(self.columns, self.tables, strict=True)):
            wide[at], wide[self.n_features + number] = table.at_one(values[at])
        return wide

    def folded(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add what the further columns contribute to the columns that they come from.

        Parameters
        ----------
        contributions : (n, n_features + columns + 1) the bias last
        """
        own = np.empty((len(contributions), self.n_features + 1))
        own[:, :-1] = contributions[:, : self.n_features]
        own[:, -1] = contributions[:, -1]
        for number, at in enumerate(self.columns):
            own[:, at] += contributions[:, self.n_features + number]
        return own

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the statistics."""
        nothing = [np.empty(0)]
        return {"n_features": self.n_features}, {
            "columns": np.array(self.columns, dtype=np.int64),
            "sizes": np.array([len(table.rate) for table in self.tables], dtype=np.int64),
            "rate": np.concatenate(nothing + [table.rate for table in self.tables]),
            "frequency": np.concatenate(nothing + [table.frequency for table in self.tables]),
            "missing": np.concatenate(nothing + [table.missing for table in self.tables]),
            "unknown": np.concatenate(nothing + [table.unknown for table in self.tables]),
        }

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the statistics.

        Raises
        ------
        BundleError
            Settings and arrays do not fit together.
        """
        width = read_integer(settings, "n_features", low=1, high=1_000_000)
        columns = read_array(arrays, "columns", dtype="int64")
        if (columns < 0).any() or (columns >= width).any() or (np.diff(columns) <= 0).any():
            raise BundleError("the saved array 'columns' names no columns in order")
        sizes = read_array(arrays, "sizes", dtype="int64", size=len(columns))
        rate = read_array(arrays, "rate", dtype="float64")
        # Compared one by one, because a sum of forged sizes could wrap around.
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
                missing[2 * at : 2 * at + 2],
                unknown[2 * at : 2 * at + 2],
            )
            for at, (end, size) in enumerate(zip(ends, sizes, strict=True))
        )
        return cls(tuple(columns.tolist()), tables, width)


def cross_encode(rows: TrainingRows, columns: Sequence[int], *, seed: int) -> NDArray[np.float64]:
    """Return training rows as a matrix of numbers, each row's rates learned on other rows.

    Parameters
    ----------
    rows
        Checked training rows.
    columns
        Indices of the columns that are read by their statistics.
    seed
        For the parts that the rows are dealt into.

    Returns
    -------
    (n, f + columns) as `TargetEncoding.apply` gives; a row is not counted in its own
    frequency, as a new customer is not.
    """
    number, width = len(rows.matrix), rows.matrix.shape[1]
    wide = np.empty((number, width + len(columns)))
    wide[:, :width] = rows.matrix
    # One overall rate for all parts: that of the others would tell the part's own.
    overall = float(rows.weight @ rows.outcome / rows.weight.sum())
    part = np.random.default_rng(seed).permutation(number) % _PARTS
    for place, at in enumerate(columns):
        column = rows.matrix[:, at]
        levels = _levels(column)
        for held in range(_PARTS):
            inside, rest = part == held, part != held
            table = LevelTable.fit(
                column[rest], rows.outcome[rest], rows.weight[rest], levels=levels, overall=overall
            )
            wide[inside, at] = table.at(column[inside])[0]
        slot = np.where(np.isnan(column), levels, column).astype(np.intp)
        others = np.bincount(slot, rows.weight, levels + 1)[slot] - rows.weight
        wide[:, width + place] = np.log1p(np.maximum(others, 0.0))
    return wide


def _levels(column: NDArray[np.float64]) -> int:
    known = column[~np.isnan(column)]
    return int(known.max()) + 1 if len(known) else 0


def _prior_customers(
    count: NDArray[np.float64], churned: NDArray[np.float64], overall: float
) -> float:
    """Tell how many customers of the overall rate weigh as much as what levels have in common.

    The moments of a beta-binomial: the levels' rates vary by chance and by what tells them
    apart; only the latter is worth believing.
    """
    seen = count > 0
    count, churned = count[seen], churned[seen]
    chance = overall * (1 - overall)
    spread = float(count @ (churned / count - overall) ** 2) - (len(count) - 1) * chance
    effective = float(count.sum() - count @ count / count.sum())
    if effective <= 0 or spread <= 0:
        return _MOST_PRIOR
    return float(np.clip(chance * effective / spread - 1, _FEWEST_PRIOR, _MOST_PRIOR))

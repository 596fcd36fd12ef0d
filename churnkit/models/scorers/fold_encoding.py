"""Target encoding of training rows, whose rates are learned on other rows.

A row's own outcome would leak through the rate of its level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from churnkit.models.dask_client import map_on_workers
from churnkit.models.scorers.target_encoding import LevelTable, TargetEncoding, level_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from churnkit.models.dask_rows import DaskRows, RowPart
    from churnkit.models.training_rows import TrainingRows

__all__ = ["FOLDS", "FoldEncoding", "cross_encode", "fold_encoding"]

FOLDS = 5


def cross_encode(rows: TrainingRows, columns: Sequence[int], *, seed: int) -> NDArray[np.float64]:
    """Encode training rows, the rates of each row learned on other rows.

    Parameters
    ----------
    rows
        Checked training rows.
    columns
        Indices of the columns to encode.
    seed
        For the assignment of rows to folds.

    Returns
    -------
    (n, f + columns) in the layout of `TargetEncoding.apply`; a row is not counted in its
    frequency, as a new customer is not.
    """
    fold = np.random.default_rng(seed).permutation(len(rows.matrix)) % FOLDS
    encoding = FoldEncoding.from_counts(_count_columns(rows, columns, fold), columns, seed=seed)
    return encoding.encode(rows, fold).matrix


@dataclass(frozen=True)
class FoldEncoding:
    """Target encoding of training rows: the rates of each row come from the other folds.

    Attributes
    ----------
    columns
        Indices of the encoded columns.
    tables
        For each encoded column one table per fold, learned on the other folds.
    counts
        For each encoded column the weights of all rows and of churned ones by fold and code,
        (2, folds, k + 1), missing last.
    overall
        The churn rate.
    seed
        For the assignment of rows to folds.
    """

    columns: tuple[int, ...]
    tables: tuple[tuple[LevelTable, ...], ...]
    counts: tuple[NDArray[np.float64], ...]
    overall: float
    seed: int

    @classmethod
    def from_counts(
        cls, counts: Sequence[NDArray[np.float64]], columns: Sequence[int], *, seed: int
    ) -> Self:
        """Learn the tables of each fold from counts by fold."""
        weight, churned = counts[0].sum(axis=(1, 2))
        # One overall rate for all folds: the rate of the other folds would leak the fold's own.
        overall = float(churned / weight)
        tables = tuple(
            tuple(
                LevelTable.from_counts(*(each.sum(axis=1) - each[:, fold]), overall=overall)
                for fold in range(FOLDS)
            )
            for each in counts
        )
        return cls(tuple(columns), tables, tuple(counts), overall, seed)

    def encode(self, rows: TrainingRows, fold: NDArray[np.intp]) -> TrainingRows:
        """Encode training rows in the layout of `TargetEncoding.apply`.

        A row is not counted in its frequency, as a new customer is not.
        """
        width = rows.matrix.shape[1]
        encoded = np.empty((len(fold), width + len(self.columns)))
        encoded[:, :width] = rows.matrix
        for number, column in enumerate(self.columns):
            values = rows.matrix[:, column]
            for held_out, table in enumerate(self.tables[number]):
                test = fold == held_out
                encoded[test, column] = table.at(values[test])[0]
            total = self.counts[number][0].sum(axis=0)
            slot = np.where(np.isnan(values), len(total) - 1, values).astype(np.intp)
            others = total[slot] - rows.weight
            encoded[:, width + number] = np.log1p(np.maximum(others, 0.0))
        return rows._replace(matrix=encoded)

    def read(self, part: RowPart, number: int) -> Iterator[TrainingRows]:
        """Read and encode a part; its number decides on the folds of its rows."""
        generator = _fold_generator(self.seed, number)
        for rows in part.read():
            yield self.encode(rows, generator.integers(FOLDS, size=len(rows.matrix)))

    def for_new_customers(self, n_features: int) -> TargetEncoding:
        """Return the encoding by the rates of all folds."""
        tables = tuple(
            LevelTable.from_counts(*each.sum(axis=1), overall=self.overall) for each in self.counts
        )
        return TargetEncoding(self.columns, tables, n_features)


def fold_encoding(rows: DaskRows, columns: Sequence[int], *, seed: int) -> FoldEncoding:
    """Learn the encoding of rows that the workers of a cluster read and count."""
    parts = list(enumerate(rows.parts))
    counted = map_on_workers(
        _count_part, parts, tuple(columns), seed, what=f"counting categories of {rows.rows:,} rows"
    )
    counts = [_add(each) for each in zip(*counted, strict=True)]
    return FoldEncoding.from_counts(counts, columns, seed=seed)


def _fold_generator(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _count_part(
    numbered: tuple[int, RowPart], columns: Sequence[int], seed: int
) -> list[NDArray[np.float64]]:
    number, part = numbered
    generator = _fold_generator(seed, number)
    counted = [
        _count_columns(rows, columns, generator.integers(FOLDS, size=len(rows.matrix)))
        for rows in part.read()
    ]
    return [_add(each) for each in zip(*counted, strict=True)]


def _count_columns(
    rows: TrainingRows, columns: Sequence[int], fold: NDArray[np.intp]
) -> list[NDArray[np.float64]]:
    return [
        _count(
            rows.matrix[:, column],
            rows.outcome,
            rows.weight,
            fold,
            levels=level_count(rows.matrix[:, column]),
        )
        for column in columns
    ]


def _count(
    column: NDArray[np.float64],
    outcome: NDArray[np.float64],
    weight: NDArray[np.float64],
    fold: NDArray[np.intp],
    *,
    levels: int,
) -> NDArray[np.float64]:
    """Return the weight of all rows and of churned ones, (2, folds, levels + 1), missing last."""
    slot = np.where(np.isnan(column), levels, column).astype(np.intp) + fold * (levels + 1)
    size = FOLDS * (levels + 1)
    sums = np.stack([np.bincount(slot, each, size) for each in (weight, weight * outcome)])
    return sums.reshape(2, FOLDS, levels + 1).astype(np.float64)


def _add(counts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Add counts of different numbers of codes."""
    total = np.zeros((2, FOLDS, max(each.shape[2] for each in counts)))
    for each in counts:
        total[:, :, : each.shape[2] - 1] += each[:, :, :-1]
        total[:, :, -1] += each[:, :, -1]
    return total

"""Totals over batches of customers, from which a check's findings follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.parsing.scalars import read_date
from churnkit.errors import DataError
from churnkit.evaluation.drift.performance_estimation import estimate_binned, estimate_performance

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.evaluation.drift.performance_estimation import PerformanceEstimate
    from churnkit.evaluation.drift.profile import ColumnDrift, Profile

__all__ = ["BatchTotals", "customer_batches"]

# Up to so many probabilities the estimate uses each, above it counts of rounded ones.
EXACT_ROWS = 1_000_000
_BINS = 1 << 17


def customer_batches(model: RetentionModel, customers: Any) -> Iterator[pa.Table]:
    """Yield customers in batches with the columns that the model reads.

    Parameters
    ----------
    model
        A loaded bundle.
    customers
        A source with ``batches``, or a table in memory, which is one batch.

    Raises
    ------
    DataError
        If a column of a source is missing.
    """
    if not hasattr(customers, "batches"):
        yield as_arrow(customers, name="the table")
        return
    contract = model.contract
    absent = contract.missing_columns("predict", customers.columns)
    if absent:
        raise DataError(customers.name, absent)
    columns = (*contract.required("predict"), *contract.optional("predict"), contract.as_of)
    names = {column.name for column in columns if column is not None}
    for batch in customers.batches([name for name in customers.columns if name in names]):
        yield as_arrow(batch, name=customers.name)


class BatchTotals:
    """Counts of rows, violations, unseen categories and profile bins, and the newest date.

    Parameters
    ----------
    model
        A loaded bundle.
    profile
        Profile of its training rows.
    """

    def __init__(self, model: RetentionModel, profile: Profile) -> None:
        self.rows: int = 0
        self.valid: int = 0
        self.violations: dict[tuple[str, str], int] = {}
        self.unseen: dict[str, int] = {}
        self.newest: int | None = None
        self._model = model
        self._profile = profile
        self._counts = [
            np.zeros(len(column.counts), dtype=np.int64)
            for column in (*profile.columns, profile.score)
        ]
        self._probabilities: list[NDArray[np.float64]] = []
        self._bins: NDArray[np.int64] | None = None

    def add(self, batch: pa.Table) -> None:
        """Count the rows of a batch."""
        encoded = self._model.encode(batch)
        probability = self._model.probabilities(encoded)[encoded.valid]
        self.rows += len(encoded.valid)
        self.valid += len(probability)
        self._add_findings(encoded)
        features = encoded.features[encoded.valid]
        columns = [*features.T, probability]
        profiles = (*self._profile.columns, self._profile.score)
        for counts, profile, values in zip(self._counts, profiles, columns, strict=True):
            np.add(counts, profile.count(values), out=counts)
        self._add_probabilities(probability)
        self._add_dates(batch)

    def _add_findings(self, encoded: Encoded) -> None:
        for violation in encoded.violations:
            key = violation.column, violation.rule
            self.violations[key] = self.violations.get(key, 0) + violation.count
        for warning in encoded.warnings:
            count = self.unseen.get(warning.column, 0) + len(warning.positions)
            self.unseen[warning.column] = count

    def _add_probabilities(self, probability: NDArray[np.float64]) -> None:
        self._probabilities.append(probability)
        if self._bins is None and self.valid > EXACT_ROWS:
            self._bins = np.zeros(_BINS, dtype=np.int64)
        if self._bins is not None:
            for part in self._probabilities:
                index = np.minimum((part * _BINS).astype(np.int64), _BINS - 1)
                self._bins += np.bincount(index, minlength=_BINS)
            self._probabilities = []

    def _add_dates(self, batch: pa.Table) -> None:
        as_of = self._model.contract.as_of
        if as_of is None or as_of.name not in batch.column_names:
            return
        values, _ = ParsedTable(batch).column(as_of).distinct
        dates = [read_date(value) for value in values]
        newest = [date for date in (*dates, self.newest) if isinstance(date, int)]
        self.newest = max(newest, default=None)

    def drift(self) -> tuple[ColumnDrift, ...]:
        """Measure the drift of each column, and of the score last."""
        profiles = (*self._profile.columns, self._profile.score)
        return tuple(
            profile.compare_counts(counts)
            for profile, counts in zip(profiles, self._counts, strict=True)
        )

    def estimate(self) -> PerformanceEstimate | None:
        """Estimate the model's metrics; None without valid rows."""
        if not self.valid:
            return None
        if self._bins is None:
            return estimate_performance(np.concatenate(self._probabilities))
        centers = (np.arange(_BINS) + 0.5) / _BINS
        used = self._bins > 0
        return estimate_binned(centers[used], self._bins[used])

"""Estimated processor time and memory of a model selection."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.models.classifiers.base import BinaryModel

__all__ = ["CostEstimate", "estimate_cost"]

# Processor seconds, measured on servers of 2024 and 2025: per tree, row and column; per leaf of
# a tree; and per row and squared column of a regression's design.
_SECONDS_PER_CELL = 1.2e-8
_SECONDS_PER_LEAF = 8e-6
_SECONDS_PER_SQUARE = 7e-11
# Usual number of rounds at a learning rate of 0.1; inversely proportional to the rate.
_USUAL_ROUNDS = 120
_USUAL_STEPS = 30
_COLUMNS_PER_NUMBER = 10


@dataclass(frozen=True)
class CostEstimate:
    """Estimated cost of comparing the candidates and fitting the winner.

    Attributes
    ----------
    rows, columns
        Size of the training table.
    selection_rows
        Number of rows on which the candidates are compared.
    cpu_seconds
        Processor time; accurate to a factor of about three.
    memory_bytes
        At the peak, including the table.
    """

    rows: int
    columns: int
    selection_rows: int
    cpu_seconds: float
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)

    def __str__(self) -> str:
        """Format the estimate as a sentence.

        Examples
        --------
        >>> print(CostEstimate(1_000_000, 30, 50_000, 95.0, 900_000_000))
        1,000,000 rows of 30 columns, compared on 50,000: about 2 CPU-minutes, 0.9 GB
        """
        minutes = self.cpu_seconds / 60
        time = f"{minutes:.0f} CPU-minutes" if minutes >= 1.5 else f"{self.cpu_seconds:.0f} CPU-s"
        compared = (
            "" if self.selection_rows == self.rows else f", compared on {self.selection_rows:,}"
        )
        return (
            f"{self.rows:,} rows of {self.columns} columns{compared}: about {time}, "
            f"{self.memory_bytes / 1e9:.1f} GB"
        )


def estimate_cost(
    candidates: Sequence[tuple[str, BinaryModel]],
    *,
    rows: int,
    columns: int,
    selection_rows: int,
    folds: int,
) -> CostEstimate:
    """Estimate the cost of comparing candidates and fitting all of them on all rows.

    Parameters
    ----------
    candidates
        As returned by `profile_candidates`.
    rows, columns
        Size of the training table.
    selection_rows
        Number of rows on which the candidates are compared.
    folds
        Number of folds.

    Returns
    -------
    CostEstimate

    Examples
    --------
    >>> from churnkit.models.selection.presets import profile_candidates
    >>> few, many = (
    ...     estimate_cost(
    ...         profile_candidates("fast", rows=rows, seed=0),
    ...         rows=rows,
    ...         columns=20,
    ...         selection_rows=rows,
    ...         folds=5,
    ...     )
    ...     for rows in (1_000, 50_000)
    ... )
    >>> few.cpu_seconds < many.cpu_seconds
    True
    """
    sampled = min(rows, selection_rows)
    seconds = sum(
        _seconds(candidate.get_params(), rows, sampled, folds, columns)
        for _, candidate in candidates
    )
    # The table; LightGBM's byte per cell, for all rows and each fold; the regression's design.
    memory = 9 * rows * columns + sampled * columns * (folds + 9)
    memory += 8 * min(sampled, 200_000) * columns * _COLUMNS_PER_NUMBER * (folds - 1)
    return CostEstimate(rows, columns, sampled, seconds, int(memory) + 200_000_000)


def _seconds(settings: dict[str, Any], rows: int, sampled: int, folds: int, columns: int) -> float:
    if "learning_rate" not in settings:
        width = columns * min(_COLUMNS_PER_NUMBER, settings.get("n_knots", 0) + 1)
        max_rows = settings.get("max_rows", rows)
        fitted = min(sampled, max_rows) * (folds - 1) + min(rows, max_rows)
        return float(_USUAL_STEPS * fitted * width**2 * _SECONDS_PER_SQUARE)
    rounds = settings.get("rounds") or min(
        settings["max_rounds"], _USUAL_ROUNDS * 0.1 / settings["learning_rate"]
    )
    leaves = settings.get("num_leaves") or 2 ** settings.get("depth", 6)
    cells = (sampled * (folds - 1) + rows) * columns * _SECONDS_PER_CELL
    return float(rounds * (cells + (folds + 1) * leaves * _SECONDS_PER_LEAF))

"""Estimated processor time and memory of a model selection."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.models.classifiers.logistic_encoding import limit_knots, limit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.models.classifiers.base import BinaryModel

__all__ = ["CostEstimate", "estimate_cost"]

# Processor seconds, measured on servers of 2024 to 2026. Boosted trees: per round and row, per
# row and column of it, and per column and leaf of a tree.
_PER_ROW, _PER_CELL, _PER_LEAF_COLUMN = 6e-8, 1.2e-8, 5e-7
# Regression: per row and squared column of a Newton step, per row and column, per cubed column,
# and per column of each fold.
_PER_SQUARE, _PER_DESIGN_CELL, _PER_CUBE, _PER_FOLD_COLUMN = 7.5e-11, 1.3e-8, 7e-11, 1e-3
# Forest of single rows: per tree, column, row and level. Half of it, since few tables need more
# than its first fold.
_PER_SORTED_CELL = 0.7e-8
# Usual product of rounds and learning rate with 20,000 rows, and its growth with fewer and more.
_USUAL_PROGRESS, _MEDIUM_ROWS = 10.0, 20_000
_GROWTH_OF_FEW, _GROWTH_OF_MANY = 0.3, 0.5
# Newton steps per fold, over all strengths; with many rows one fold chooses the strength.
_STEPS, _STEPS_OF_MANY_ROWS = 17, 9
_PIECES = 12
# Bytes of the process with its libraries, and per cell of the table: read, parsed and encoded.
_BYTES, _BYTES_PER_CELL = 500_000_000, 80


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
        Processor time, within a factor of two for most tables; the number of trees is not known
        before they are fitted.
    memory_bytes
        At the peak, including the table.
    seconds_by_candidate
        Processor time of each candidate.
    """

    rows: int
    columns: int
    selection_rows: int
    cpu_seconds: float
    memory_bytes: int
    seconds_by_candidate: tuple[float, ...] = ()

    def remaining(self, spent: Sequence[float]) -> float:
        """Estimate the rest of the comparison from the candidates so far, in processor seconds.

        Parameters
        ----------
        spent
            Processor time of the first candidates.

        Examples
        --------
        >>> estimate = CostEstimate(1_000, 30, 1_000, 40.0, 1, (10.0, 10.0, 20.0))
        >>> estimate.remaining([20.0])
        60.0
        """
        done = len(spent)
        expected = sum(self.seconds_by_candidate[:done])
        pace = sum(spent) / expected if expected else 1.0
        return pace * sum(self.seconds_by_candidate[done:])

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
    seconds = tuple(
        _seconds(candidate.get_params(), rows, sampled, folds, columns)
        for _, candidate in candidates
    )
    # The table; LightGBM's byte per cell, for all rows and each fold; the regression's design.
    memory = _BYTES_PER_CELL * rows * columns + sampled * columns * (folds + 9)
    width = _design_width(9, sampled, columns)
    memory += 8 * min(sampled, limit_rows(width)) * width * (folds - 1)
    total = int(memory) + _BYTES
    return CostEstimate(rows, columns, sampled, sum(seconds), total, seconds)


def _design_width(n_knots: int, rows: int, columns: int) -> int:
    knots = limit_knots(n_knots, rows=rows, numbers=columns)
    return columns * (_PIECES * knots // 9 if knots else 1)


def _seconds(settings: dict[str, Any], rows: int, sampled: int, folds: int, columns: int) -> float:
    """Estimate the comparison of a candidate on the sample and its fit to all rows."""
    held_in = sampled * (folds - 1)
    if "n_trees" in settings:
        cells = (held_in + rows) * columns * settings["max_features"]
        return float(_PER_SORTED_CELL * settings["n_trees"] * cells * math.log2(rows + 2))
    if "learning_rate" in settings:
        return _boosting_seconds(settings, held_in, sampled, rows, folds, columns)
    width = _design_width(settings.get("n_knots", 0), sampled, columns)
    limit = min(settings.get("max_rows", rows), limit_rows(width))
    fitted = min(sampled, limit) * (folds - 1)
    step = fitted * width * (_PER_SQUARE * width + _PER_DESIGN_CELL) + folds * _PER_CUBE * width**3
    refit = min(rows, limit) / max(fitted, 1) / 3
    steps = _STEPS if sampled <= _MEDIUM_ROWS else _STEPS_OF_MANY_ROWS
    return float(steps * step * (1 + refit) + folds * columns * _PER_FOLD_COLUMN)


def _boosting_seconds(  # noqa: PLR0917 - one private caller
    settings: dict[str, Any], held_in: int, sampled: int, rows: int, folds: int, columns: int
) -> float:
    growth = _GROWTH_OF_FEW if sampled <= _MEDIUM_ROWS else _GROWTH_OF_MANY
    progress = _USUAL_PROGRESS * (sampled / _MEDIUM_ROWS) ** growth
    rounds = settings.get("rounds") or min(
        settings["max_rounds"], progress / settings["learning_rate"]
    )
    patience = 0 if settings.get("rounds") else settings["patience"]
    leaves = settings.get("num_leaves") or 2 ** settings.get("depth", 6)
    used = columns * settings.get("feature_fraction", 1.0)
    row = _PER_ROW + used * _PER_CELL
    tree = leaves * used * _PER_LEAF_COLUMN
    compared = (rounds + patience) * (held_in * row + folds * tree)
    return float(compared + rounds * (rows * row + tree))

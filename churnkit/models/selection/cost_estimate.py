"""How long a contest will take, and how much memory, said before it starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.models.classifiers.base import BinaryModel

__all__ = ["CostEstimate", "estimate_cost"]

# Processor seconds, measured on servers of 2024 and 2025: for a tree, a row and a column; for
# a tree's leaf; and for a row and a squared column of a regression's design.
_SECONDS_A_CELL = 1.2e-8
_SECONDS_A_LEAF = 8e-6
_SECONDS_A_SQUARE = 7e-11
# Early stopping usually ends here, at a rate of a tenth; smaller rates take more in proportion.
_USUAL_ROUNDS = 120
_USUAL_STEPS = 30
_COLUMNS_OF_A_NUMBER = 10


@dataclass(frozen=True)
class CostEstimate:
    """What a contest is expected to take.

    Attributes
    ----------
    rows, columns
        Of the training table.
    selection_rows
        How many rows the candidates are compared on.
    cpu_seconds
        Of one processor; right to a factor of about three.
    memory_bytes
        At the peak, the table itself included.
    """

    rows: int
    columns: int
    selection_rows: int
    cpu_seconds: float
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        """Say it in a sentence.

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
    """Estimate a contest of candidates, and the fit of all of them on all rows.

    Parameters
    ----------
    candidates
        As `profile_candidates` gives them.
    rows, columns
        Of the training table.
    selection_rows
        How many rows the candidates are compared on.
    folds
        How many folds.

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
    held = min(rows, selection_rows)
    seconds = sum(
        _seconds(candidate.get_params(), rows, held, folds, columns) for _, candidate in candidates
    )
    # The table; LightGBM's byte a cell, of the whole and of each fold; the regression's design.
    memory = 9 * rows * columns + held * columns * (folds + 9)
    memory += 8 * min(held, 200_000) * columns * _COLUMNS_OF_A_NUMBER * (folds - 1)
    return CostEstimate(rows, columns, held, seconds, int(memory) + 200_000_000)


def _seconds(settings: dict[str, Any], rows: int, held: int, folds: int, columns: int) -> float:
    if "learning_rate" not in settings:
        width = columns * min(_COLUMNS_OF_A_NUMBER, settings.get("bends", 0) + 1)
        most = settings.get("max_rows", rows)
        seen = min(held, most) * (folds - 1) + min(rows, most)
        return float(_USUAL_STEPS * seen * width**2 * _SECONDS_A_SQUARE)
    rounds = settings.get("rounds") or min(
        settings["max_rounds"], _USUAL_ROUNDS * 0.1 / settings["learning_rate"]
    )
    leaves = settings.get("num_leaves") or 2 ** settings.get("depth", 6)
    seen = held * (folds - 1) + rows
    cells, grown = seen * columns * _SECONDS_A_CELL, (folds + 1) * leaves * _SECONDS_A_LEAF
    return float(rounds * (cells + grown))

"""Columns that move with time as everybody knows beforehand: a renewal comes nearer.

A model on one snapshot sees ``months to renewal: 3`` and must find by itself that the fourth
period from now is the one after the renewal. Told that the column falls by one each period, it
sees the renewal come in the period in which it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["TimeVaryingColumns"]

_LARGEST = 1e9


@dataclass(frozen=True, slots=True)
class TimeVaryingColumns:
    """Which columns move, and how.

    Attributes
    ----------
    moves
        For each its index, what it gains in a period, and where it begins anew from zero (a
        cycle of 12 for months to a yearly renewal); None for a column that does not.

    Examples
    --------
    >>> rows = np.array([[2.0, 30.0], [2.0, 30.0]])
    >>> TimeVaryingColumns(((0, -1.0, 12.0), (1, 1.0, None))).move(rows, np.array([0, 3]))
    >>> rows
    array([[ 2., 30.],
           [11., 33.]])
    """

    moves: tuple[tuple[int, float, float | None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.moves)

    @classmethod
    def checked(cls, given: Any, *, columns: int, categories: Sequence[int]) -> Self:
        """Check what a person gave.

        Raises
        ------
        ModelDataError
            A column is none or holds categories, or a number is out of range.
        """
        moves = []
        for move in given or ():
            if not isinstance(move, (tuple, list)) or len(move) != 3:
                raise ModelDataError(
                    "moving: give for each column (index, change in a period, cycle or None)"
                )
            column, change, cycle = move
            if not _fits(column, change, cycle, columns):
                raise ModelDataError(
                    f"moving: a column is a number from 0 to {columns - 1}, its change is finite, "
                    "and its cycle is above zero or None"
                )
            if int(column) in categories:
                raise ModelDataError(f"moving: column {column} holds categories, which do not move")
            moves.append((int(column), float(change), None if cycle is None else float(cycle)))
        if len({column for column, _, _ in moves}) != len(moves):
            raise ModelDataError("moving: a column is named twice")
        return cls(tuple(moves))

    @classmethod
    def from_saved(cls, saved: Any, *, columns: int) -> Self:
        """Read what a saved scorer holds.

        Raises
        ------
        BundleError
            It does not fit.
        """
        if not isinstance(saved, list):
            raise BundleError("the moving columns of the saved hazard are no list")
        try:
            return cls.checked([tuple(move) for move in saved], columns=columns, categories=())
        except (ModelDataError, TypeError) as error:
            raise BundleError("the moving columns of the saved hazard do not fit it") from error

    def to_list(self) -> list[list[Any]]:
        """Return JSON-able data."""
        return [list(move) for move in self.moves]

    def move(self, rows: NDArray[np.float64], elapsed: NDArray[Any]) -> None:
        """Bring rows (m, f) to what they are `elapsed` periods later, (m,), in place."""
        for column, change, cycle in self.moves:
            rows[:, column] += change * elapsed
            if cycle is not None:
                np.mod(rows[:, column], cycle, out=rows[:, column])


def _fits(column: Any, change: Any, cycle: Any, columns: int) -> bool:
    whole = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    numbers = [change] if cycle is None else [change, cycle]
    if not whole or not all(isinstance(each, (int, float)) for each in numbers):
        return False
    known = all(np.isfinite(each) and abs(each) <= _LARGEST for each in numbers)
    return known and 0 <= column < columns and (cycle is None or cycle > 0)

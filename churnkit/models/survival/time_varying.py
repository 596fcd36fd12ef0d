"""Deterministic time-varying columns, such as the months to the next renewal.

In a single snapshot ``months to renewal`` is 3 for all future periods. With the column declared as
falling by one per period, the model sees the renewal in the period in which it occurs.
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

_MAX_CHANGE = 1e9


@dataclass(frozen=True, slots=True)
class TimeVaryingColumns:
    """Columns with a known change per period.

    Attributes
    ----------
    changes
        For each column its index, the change per period, and the cycle after which it restarts
        from zero (12 for months to a yearly renewal) or None.

    Examples
    --------
    >>> rows = np.array([[2.0, 30.0], [2.0, 30.0]])
    >>> TimeVaryingColumns(((0, -1.0, 12.0), (1, 1.0, None))).advance(rows, np.array([0, 3]))
    >>> rows
    array([[ 2., 30.],
           [11., 33.]])
    """

    changes: tuple[tuple[int, float, float | None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    @classmethod
    def check(cls, declared: Any, *, columns: int, categories: Sequence[int]) -> Self:
        """Check the columns that a user declared.

        Raises
        ------
        ModelDataError
            A column does not exist or is categorical, or a number is out of range.
        """
        changes = []
        for entry in declared or ():
            if not isinstance(entry, (tuple, list)) or len(entry) != 3:
                raise ModelDataError(
                    "time_varying must be tuples (column index, change per period, cycle or None)"
                )
            column, change, cycle = entry
            if not _is_valid(column, change, cycle, columns):
                raise ModelDataError(
                    f"time_varying: the column must be an integer from 0 to {columns - 1}, the "
                    "change finite, and the cycle positive or None"
                )
            if int(column) in categories:
                raise ModelDataError(f"time_varying: column {column} is categorical")
            changes.append((int(column), float(change), None if cycle is None else float(cycle)))
        if len({column for column, _, _ in changes}) != len(changes):
            raise ModelDataError("time_varying: a column is listed twice")
        return cls(tuple(changes))

    @classmethod
    def from_saved(cls, saved: Any, *, columns: int) -> Self:
        """Restore the columns from the settings of a saved scorer.

        Raises
        ------
        BundleError
            The settings are invalid.
        """
        if not isinstance(saved, list):
            raise BundleError("the time-varying columns of the saved hazard must be a list")
        try:
            return cls.check([tuple(entry) for entry in saved], columns=columns, categories=())
        except (ModelDataError, TypeError) as error:
            raise BundleError("the time-varying columns of the saved hazard are invalid") from error

    def to_list(self) -> list[list[Any]]:
        """Return JSON-able data."""
        return [list(entry) for entry in self.changes]

    def advance(self, rows: NDArray[np.float64], elapsed: NDArray[Any]) -> None:
        """Update rows (m, f) in place to their values `elapsed` periods later, (m,)."""
        for column, change, cycle in self.changes:
            rows[:, column] += change * elapsed
            if cycle is not None:
                np.mod(rows[:, column], cycle, out=rows[:, column])


def _is_valid(column: Any, change: Any, cycle: Any, columns: int) -> bool:
    is_index = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    numbers = [change] if cycle is None else [change, cycle]
    if not is_index or not all(isinstance(number, (int, float)) for number in numbers):
        return False
    in_range = all(np.isfinite(number) and abs(number) <= _MAX_CHANGE for number in numbers)
    return in_range and 0 <= column < columns and (cycle is None or cycle > 0)

"""Training rows that the workers of a Dask cluster read part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.training_rows import TrainingRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["DaskRows", "MemoryPart", "RowPart", "RowReader"]


class RowPart(Protocol):
    """A part of the rows, small enough to be sent to a worker before it is read."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def read(self) -> Iterator[TrainingRows]:
        """Read the rows in batches, in the same order each time."""


@dataclass(frozen=True)
class DaskRows:
    """Training rows in parts, of which this process holds a sample.

    Attributes
    ----------
    parts
        Parts of the rows, such as files.
    sample
        A random sample of them.
    """

    parts: tuple[RowPart, ...]
    sample: TrainingRows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True)
class MemoryPart:
    """Rows in memory."""

    held: TrainingRows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.held.matrix)

    def read(self) -> Iterator[TrainingRows]:
        """Return all rows."""
        yield self.held


class RowReader:
    """Read batches in pieces of other sizes.

    Parameters
    ----------
    batches
        Rows in order.

    Examples
    --------
    >>> part = TrainingRows.from_arrays(np.arange(3.0)[:, None], np.zeros(3))
    >>> reader = RowReader(iter([part, part]))
    >>> reader.take(4).matrix[:, 0], reader.take(2).matrix[:, 0]
    (array([0., 1., 2., 0.]), array([1., 2.]))
    """

    def __init__(self, batches: Iterator[TrainingRows]) -> None:
        self._batches = batches
        self._held: list[TrainingRows] = []

    def take(self, count: int) -> TrainingRows:
        """Return the next rows.

        Raises
        ------
        ModelDataError
            There are fewer rows: a file has changed since its rows were counted.
        """
        while sum(len(rows.matrix) for rows in self._held) < count:
            rows = next(self._batches, None)
            if rows is None:
                raise ModelDataError("a file changed while it was read: train again")
            self._held.append(rows)
        joined = _join(self._held)
        self._held = [joined.take(np.arange(count, len(joined.matrix)))]
        return joined.take(np.arange(count))


def _join(parts: Sequence[TrainingRows]) -> TrainingRows:
    if len(parts) == 1:
        return parts[0]
    columns = zip(*parts, strict=True)
    return TrainingRows(*(np.concatenate(column) for column in columns))

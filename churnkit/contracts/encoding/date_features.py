"""Encode dates among the features as days before the as-of date of the row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.contracts.parsing.cell_parsers import DAY
from churnkit.contracts.parsing.scalars import read_date

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.contracts.schema.table_schema import TableSchema

__all__ = ["DateFeatures"]


@dataclass(frozen=True)
class DateFeatures:
    """The dates among the columns of an encoded matrix.

    Parameters
    ----------
    as_of
        Column of the as-of date.
    default
        As-of date of rows without one, in days since 1970; NaN if the contract states none.
    columns
        Positions in the matrix, with their columns.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (
    ...     Column("id", "string", ("entity",)),
    ...     Column("joined", "datetime", ("feature",)),
    ...     Column("day", "datetime", ("as_of",), default="1970-01-31"),
    ... ))
    >>> dates = DateFeatures.of(gym)
    >>> row = [10.0]
    >>> dates.count_row(row, dates.default)
    >>> row
    [20.0]
    """

    as_of: Column
    default: float
    columns: tuple[tuple[int, Column], ...]

    @classmethod
    def of(cls, schema: TableSchema) -> Self | None:
        """Return the dates among the features; None if there are none."""
        if not schema.date_features or schema.as_of is None:
            return None
        default = schema.as_of.default
        return cls(
            schema.as_of,
            math.nan if default is None else read_date(default) / DAY,
            tuple((i, schema.features[i]) for i in schema.date_features),
        )

    def count_row(self, values: list[float], as_of: float) -> None:
        """Count the days of one row in place.

        Parameters
        ----------
        values
            Encoded row, dates as days since 1970.
        as_of
            Days since 1970.
        """
        for position, column in self.columns:
            days = as_of - values[position]
            if days != days:  # noqa: PLR0124  (NaN is the value unequal to itself)
                days = math.nan if column.fill is None else column.fill
            values[position] = days

    def count_table(self, matrix: NDArray[np.float64], as_of: NDArray[np.float64] | float) -> None:
        """Count the days of n rows in place."""
        for position, column in self.columns:
            days = as_of - matrix[:, position]
            if column.fill is not None:
                days[np.isnan(days)] = column.fill
            matrix[:, position] = days

"""How a logistic regression reads a table: bends for numbers, one column a category.

Each encoded column has its own prior: the penalty pulls a number towards a straight line of
no slope, and a rare category towards the average customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from churnkit.core.stats.weighted_quantiles import weighted_quantiles
from churnkit.models.scorers.additive import ColumnEffect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CategoryEncoding", "ColumnEncoding", "NumberEncoding", "encode_columns"]

# All tables together stay within this, or the curvature matrix outgrows the memory.
_MAX_LEVELS_IN_ALL = 2_000
# The share of a number's values at either end that may bend its line on their own.
_TAIL = 0.01


class ColumnEncoding(Protocol):
    """The encoding of one column of the table."""

    @property
    def width(self) -> int:
        """How many columns it makes."""
        ...

    def design(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the encoded columns, (n, width)."""
        ...

    def effect(self, coefficients: NDArray[np.float64]) -> ColumnEffect:
        """Fold fitted coefficients, (width,), into the function that they make."""
        ...


@dataclass(frozen=True)
class NumberEncoding:
    """A number: standardised, with hinges at inner quantiles and a column for missing.

    Attributes
    ----------
    knots : (k,) range of the training values, and the quantiles between
    middle
        The median, which stands in for a missing value.
    mean, scale
        Of the training values.
    has_missing
        Whether training saw a missing value.

    Examples
    --------
    >>> column = np.array([0.0, 1.0, 2.0, 9.0])
    >>> NumberEncoding.fit(column, np.ones(4), bends=1).knots
    array([0., 1., 9.])
    """

    knots: NDArray[np.float64]
    middle: float
    mean: float
    scale: float
    has_missing: bool

    @classmethod
    def fit(cls, column: NDArray[np.float64], weight: NDArray[np.float64], *, bends: int) -> Self:
        """Learn the range, the quantiles and the scale of a column.

        Parameters
        ----------
        column, weight : (n,)
        bends
            How many inner quantiles may bend the line.
        """
        known = ~np.isnan(column)
        has_missing = not bool(known.all())
        values, weights = column[known], weight[known]
        if not len(values):
            return cls(np.zeros(1), 0.0, 0.0, 1.0, has_missing)
        shares = np.concatenate([[_TAIL, 0.5, 1 - _TAIL], np.arange(1, bends + 1) / (bends + 1)])
        quantiles = weighted_quantiles(values, weights, shares)
        low, high = float(values.min()), float(values.max())
        bent = quantiles[[0, 2, *range(3, len(quantiles))]] if bends else quantiles[:0]
        knots = np.unique(np.concatenate([[low, high], bent]))
        # Without the tails, or a few huge values would make all differences between the
        # others look like nothing, and the penalty would flatten them.
        has_body = bends and quantiles[0] < quantiles[2]
        inner = np.clip(values, quantiles[0], quantiles[2]) if has_body else values
        mean = float(np.average(inner, weights=weights))
        scale = float(np.sqrt(np.average((inner - mean) ** 2, weights=weights)))
        # Steps too small to divide by make no knots; a constant column makes a single one.
        if not scale > 1e-12 * max(abs(low), abs(high)):
            return cls(np.array([low]), low, low, 1.0, has_missing)
        wide_enough = np.append(True, np.diff(knots) > 1e-9 * scale)
        return cls(knots[wide_enough], float(quantiles[1]), mean, scale, has_missing)

    @property
    def width(self) -> int:
        """One for each piece of the line, and one for missing if there was any."""
        return len(self.knots) - 1 + self.has_missing

    def design(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the line, the hinges, and the mark of missing, (n, width)."""
        missing = np.isnan(column)
        filled = np.where(missing, self.middle, column)
        encoded = np.empty((len(column), self.width))
        pieces = len(self.knots) - 1
        if pieces:
            inside = np.clip(filled, self.knots[0], self.knots[-1])
            encoded[:, 0] = (inside - self.mean) / self.scale
            hinges = np.maximum(inside[:, None] - self.knots[None, 1:-1], 0.0) / self.scale
            encoded[:, 1:pieces] = hinges
        if self.has_missing:
            encoded[:, -1] = missing
        return encoded

    def effect(self, coefficients: NDArray[np.float64]) -> ColumnEffect:
        """Fold the coefficients into a line with bends."""
        points = np.append(self.knots, np.nan)
        # The function is linear between knots, so its value at the knots is all of it.
        height = self.design(points) @ coefficients
        missing = float(height[-1])
        return ColumnEffect.of_number(self.knots, height[:-1], missing=missing)


@dataclass(frozen=True)
class CategoryEncoding:
    """A category: one column for each frequent code, one for all rare ones, one for missing.

    Attributes
    ----------
    slot : (k,) which column a code belongs to
    width
        How many columns there are; the last one is for missing values and unknown codes.

    Examples
    --------
    >>> encoding = CategoryEncoding.fit(np.array([0.0, 2.0]), np.ones(2), max_levels=9)
    >>> encoding.design(np.array([2.0, 1.0]))
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """

    slot: NDArray[np.intp]
    width: int

    @classmethod
    def fit(
        cls, column: NDArray[np.float64], weight: NDArray[np.float64], *, max_levels: int
    ) -> Self:
        """Learn which codes are frequent enough for a column of their own.

        Parameters
        ----------
        column, weight : (n,)
        max_levels
            How many columns there may be beside the one for missing.
        """
        known = ~np.isnan(column)
        mass = np.bincount(column[known].astype(np.intp), weight[known])
        seen = np.flatnonzero(mass)
        own = seen
        if len(seen) > max_levels:
            own = np.sort(np.argsort(-mass, kind="stable")[: max_levels - 1])
        # Rare codes share the column after the frequent ones; unseen codes count as missing.
        missing = len(own) + (len(own) < len(seen))
        slot = np.full(len(mass), missing, dtype=np.intp)
        slot[seen] = len(own)
        slot[own] = np.arange(len(own))
        return cls(slot, missing + 1)

    def design(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return zeros and ones, (n, width)."""
        known = (column >= 0) & (column < len(self.slot))
        at = np.full(len(column), self.width - 1, dtype=np.intp)
        at[known] = self.slot[column[known].astype(np.intp)]
        encoded = np.zeros((len(column), self.width))
        encoded[np.arange(len(column)), at] = 1.0
        return encoded

    def effect(self, coefficients: NDArray[np.float64]) -> ColumnEffect:
        """Fold the coefficients into a table by code."""
        return ColumnEffect.of_category(coefficients[self.slot], missing=float(coefficients[-1]))


def encode_columns(
    matrix: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    categories: Sequence[int],
    bends: int,
    max_levels: int,
) -> list[ColumnEncoding]:
    """Learn the encoding of each column of a matrix.

    Parameters
    ----------
    matrix : (n, f)
    weight : (n,)
    categories
        Which columns hold codes.
    bends
        How many inner quantiles may bend a number's line.
    max_levels
        How many columns a category may have.

    Examples
    --------
    >>> table = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 1.0]])
    >>> encodings = encode_columns(table, np.ones(3), categories=[1], bends=0, max_levels=9)
    >>> [encoding.width for encoding in encodings]
    [1, 3]
    """
    if categories:
        max_levels = max(2, min(max_levels, _MAX_LEVELS_IN_ALL // len(categories)))
    held = frozenset(categories)
    return [
        CategoryEncoding.fit(matrix[:, at], weight, max_levels=max_levels)
        if at in held
        else NumberEncoding.fit(matrix[:, at], weight, bends=bends)
        for at in range(matrix.shape[1])
    ]

"""Column encodings of the logistic regression: linear splines and one-hot categories.

The ridge penalty shrinks a number towards a straight line with slope zero, and a rare category
towards the average customer.
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

__all__ = [
    "CategoryEncoding",
    "ColumnEncoding",
    "NumberEncoding",
    "design_width",
    "encode_columns",
    "limit_knots",
    "limit_rows",
]

# Limits on the coefficients of all categories and of all numbers: a step takes the square of their
# number, and more of them would take longer than trees.
_MAX_TOTAL_LEVELS, _MAX_COEFFICIENTS = 1_000, 600
# With more coefficients than this share of the rows, knots fit noise.
_COEFFICIENTS_PER_ROW = 0.2
# A Newton step multiplies this many pairs at most: rows times squared coefficients.
_MAX_PAIRS = 20_000_000_000
_ROWS_PER_COEFFICIENT = 10
# Pieces of a spline besides those between inner knots.
_OUTER_PIECES = 3
# Share of a number's values beyond the outermost inner knot on either side.
_TAIL = 0.01


class ColumnEncoding(Protocol):
    """The encoding of one column of the table."""

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        ...

    def design(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the encoded columns, (n, width)."""
        ...

    def effect(self, coefficients: NDArray[np.float64]) -> ColumnEffect:
        """Convert fitted coefficients, (width,), into a function of the column."""
        ...


@dataclass(frozen=True)
class NumberEncoding:
    """A number: standardized, with hinges at inner quantiles and an indicator for missing.

    Attributes
    ----------
    knots : (k,) minimum, inner quantiles and maximum of the training values
    median
        Replaces a missing value.
    mean, scale
        Of the training values.
    has_missing
        True if the training values had missing ones.

    Examples
    --------
    >>> column = np.array([0.0, 1.0, 2.0, 9.0])
    >>> NumberEncoding.fit(column, np.ones(4), n_knots=1).knots
    array([0., 1., 9.])
    """

    knots: NDArray[np.float64]
    median: float
    mean: float
    scale: float
    has_missing: bool

    @classmethod
    def fit(cls, column: NDArray[np.float64], weight: NDArray[np.float64], *, n_knots: int) -> Self:
        """Learn the range, the quantiles and the scale of a column.

        Parameters
        ----------
        column, weight : (n,)
        n_knots
            Number of inner quantiles at which the slope may change.
        """
        is_present = ~np.isnan(column)
        has_missing = not bool(is_present.all())
        values, weights = column[is_present], weight[is_present]
        if not len(values):
            return cls(np.zeros(1), 0.0, 0.0, 1.0, has_missing)
        shares = np.concatenate(
            [[_TAIL, 0.5, 1 - _TAIL], np.arange(1, n_knots + 1) / (n_knots + 1)]
        )
        quantiles = weighted_quantiles(values, weights, shares)
        low, high = float(values.min()), float(values.max())
        inner_knots = quantiles[[0, 2, *range(3, len(quantiles))]] if n_knots else quantiles[:0]
        knots = np.unique(np.concatenate([[low, high], inner_knots]))
        # Scale without the tails: a few huge values would shrink all other differences, and the
        # penalty would flatten them.
        has_body = n_knots and quantiles[0] < quantiles[2]
        inner = np.clip(values, quantiles[0], quantiles[2]) if has_body else values
        mean = float(np.average(inner, weights=weights))
        scale = float(np.sqrt(np.average((inner - mean) ** 2, weights=weights)))
        # A constant column has a single knot; knots too close to divide by are dropped.
        if not scale > 1e-12 * max(abs(low), abs(high)):
            return cls(np.array([low]), low, low, 1.0, has_missing)
        is_distinct = np.append(True, np.diff(knots) > 1e-9 * scale)
        return cls(knots[is_distinct], float(quantiles[1]), mean, scale, has_missing)

    @property
    def width(self) -> int:
        """One column per piece of the line, and one for missing if there was any."""
        return len(self.knots) - 1 + self.has_missing

    def design(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the line, the hinges, and the indicator of missing, (n, width)."""
        missing = np.isnan(column)
        filled = np.where(missing, self.median, column)
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
        """Convert the coefficients into a piecewise linear function."""
        # The function is linear between knots: its values at the knots determine it.
        values = self.design(np.append(self.knots, np.nan)) @ coefficients
        return ColumnEffect.of_number(self.knots, values[:-1], missing=float(values[-1]))


@dataclass(frozen=True)
class CategoryEncoding:
    """A category: one column per frequent code, one for all rare ones, one for missing.

    Attributes
    ----------
    slot : (k,) the column of each code
    width
        Number of columns; the last one is for missing values and unknown codes.

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
        """Assign separate columns to the most frequent codes.

        Parameters
        ----------
        column, weight : (n,)
        max_levels
            Maximum number of columns, not counting the one for missing.
        """
        is_present = ~np.isnan(column)
        mass = np.bincount(column[is_present].astype(np.intp), weight[is_present])
        seen = np.flatnonzero(mass)
        frequent = seen
        if len(seen) > max_levels:
            frequent = np.sort(np.argsort(-mass, kind="stable")[: max_levels - 1])
        # Rare codes share the column after the frequent ones; unseen codes count as missing.
        missing = len(frequent) + (len(frequent) < len(seen))
        slot = np.full(len(mass), missing, dtype=np.intp)
        slot[seen] = len(frequent)
        slot[frequent] = np.arange(len(frequent))
        return cls(slot, missing + 1)

    def design(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return zeros and ones, (n, width)."""
        is_known = (column >= 0) & (column < len(self.slot))
        slot = np.full(len(column), self.width - 1, dtype=np.intp)
        slot[is_known] = self.slot[column[is_known].astype(np.intp)]
        encoded = np.zeros((len(column), self.width))
        encoded[np.arange(len(column)), slot] = 1.0
        return encoded

    def effect(self, coefficients: NDArray[np.float64]) -> ColumnEffect:
        """Convert the coefficients into a table by code."""
        return ColumnEffect.of_category(coefficients[self.slot], missing=float(coefficients[-1]))


def limit_knots(n_knots: int, *, rows: int, numbers: int) -> int:
    """Return the number of inner knots that rows and columns allow, at most `n_knots`.

    Examples
    --------
    >>> limit_knots(9, rows=5_000, numbers=19), limit_knots(9, rows=975, numbers=403)
    (9, 0)
    """
    coefficients = min(_COEFFICIENTS_PER_ROW * rows, _MAX_COEFFICIENTS)
    return max(0, min(n_knots, int(coefficients / max(1, numbers)) - _OUTER_PIECES))


def limit_rows(width: int) -> int:
    """Return the number of rows on which a design of some width is fitted.

    Examples
    --------
    >>> limit_rows(200), limit_rows(2_000)
    (500000, 20000)
    """
    return max(_ROWS_PER_COEFFICIENT * width, _MAX_PAIRS // width**2)


def design_width(
    n_knots: int, *, rows: int, numbers: int, missing: int, levels: Sequence[int]
) -> int:
    """Return the number of coefficients of a design, before its columns are encoded.

    Parameters
    ----------
    n_knots
        Number of inner knots of a number.
    rows
        Number of training rows.
    numbers, missing
        Number of numeric columns, and of those with missing values.
    levels
        Number of levels of each categorical column.

    Examples
    --------
    >>> design_width(9, rows=5_000, numbers=19, missing=1, levels=[3, 40])
    275
    """
    knots = limit_knots(n_knots, rows=rows, numbers=numbers)
    pieces = knots + _OUTER_PIECES if knots else 1
    limit = max(2, _MAX_TOTAL_LEVELS // max(1, len(levels)))
    return 1 + numbers * pieces + missing + sum(min(count, limit) + 1 for count in levels)


def encode_columns(
    matrix: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    categories: Sequence[int],
    n_knots: int,
    max_levels: int,
) -> list[ColumnEncoding]:
    """Learn the encoding of each column of a matrix.

    Parameters
    ----------
    matrix : (n, f)
    weight : (n,)
    categories
        Indices of the columns that hold codes.
    n_knots
        Number of inner quantiles at which the slope of a number may change.
    max_levels
        Maximum number of columns per category.

    Returns
    -------
    One encoding per column.

    Examples
    --------
    >>> table = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 1.0]])
    >>> encodings = encode_columns(table, np.ones(3), categories=[1], n_knots=0, max_levels=9)
    >>> [encoding.width for encoding in encodings]
    [1, 3]
    """
    if categories:
        max_levels = max(2, min(max_levels, _MAX_TOTAL_LEVELS // len(categories)))
    is_category = np.isin(np.arange(matrix.shape[1]), categories)
    return [
        CategoryEncoding.fit(column, weight, max_levels=max_levels)
        if category
        else NumberEncoding.fit(column, weight, n_knots=n_knots)
        for column, category in zip(matrix.T, is_category, strict=True)
    ]

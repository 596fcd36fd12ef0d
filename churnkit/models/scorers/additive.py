"""Additive model: the log-odds are a sum of one function per column.

The function of a number is piecewise linear, constant outside the training range; that of a
category is a table by code. Missing values and unknown categories have a separate value. All
functions are centered on the average training customer.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.scorers.serialization import read_array, read_integer, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ColumnEffect", "LinearScorer"]

_MAX_FEATURES = 1_000_000


@dataclass(frozen=True)
class ColumnEffect:
    """Contribution of one column to the log-odds.

    Attributes
    ----------
    is_category
        True if the column holds codes.
    missing
        Contribution of a missing value or an unknown category.
    knots : (k,) ascending values of a number, from its minimum to its maximum; codes of a category
    effect : (k,) contribution at each knot or code
    slope : (k,) change of the effect after each knot, per unit; the last is zero

    Examples
    --------
    >>> ColumnEffect.of_number([0.0, 2.0], [1.0, 0.0], missing=0.5).slope
    array([-0.5,  0. ])
    """

    is_category: bool
    missing: float
    knots: NDArray[np.float64]
    effect: NDArray[np.float64]
    slope: NDArray[np.float64]

    @classmethod
    def of_category(cls, effect: ArrayLike, *, missing: float) -> Self:
        """Create a table by code.

        Examples
        --------
        >>> ColumnEffect.of_category([0.5, -0.5], missing=0.0).at(np.array([1.0, np.nan]))
        array([-0.5,  0. ])
        """
        table = np.asarray(effect, dtype=np.float64)
        codes = np.arange(len(table), dtype=np.float64)
        return cls(True, missing, codes, table, np.zeros(len(table)))

    @classmethod
    def of_number(cls, knots: ArrayLike, effect: ArrayLike, *, missing: float) -> Self:
        """Create straight lines between the knots.

        Examples
        --------
        >>> spline = ColumnEffect.of_number([0, 10, 20], [0, 1, 3], missing=-1.0)
        >>> spline.at(np.array([5.0, 15.0, 99.0, np.nan]))
        array([ 0.5,  2. ,  3. , -1. ])
        """
        positions = np.asarray(knots, dtype=np.float64)
        values = np.asarray(effect, dtype=np.float64)
        slope = np.zeros(len(positions))
        slope[:-1] = np.diff(values) / np.diff(positions)
        return cls(False, missing, positions, values, slope)

    def at(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the contribution of each value of a column, (n,)."""
        if self.is_category:
            is_known = (column >= 0) & (column < len(self.effect)) & (column == np.floor(column))
            values: NDArray[np.float64] = np.full(len(column), self.missing)
            values[is_known] = self.effect[column[is_known].astype(np.intp)]
            return values
        inside = np.minimum(np.maximum(column, self.knots[0]), self.knots[-1])
        # NaN sorts after the last knot; its result is overwritten.
        piece = np.searchsorted(self.knots, inside, side="right") - 1
        values = self.effect[piece] + self.slope[piece] * (inside - self.knots[piece])
        values[np.isnan(column)] = self.missing
        return values

    def centered(self, mean: float) -> ColumnEffect:
        """Return the same function, lowered by `mean`."""
        return ColumnEffect(
            self.is_category, self.missing - mean, self.knots, self.effect - mean, self.slope
        )


class LinearScorer:
    """Scorer of a logistic regression.

    Parameters
    ----------
    bias
        Log-odds of the average training customer.
    columns
        Contribution of each column.

    Examples
    --------
    >>> tenure = ColumnEffect.of_number([0, 10, 60], [1.0, 0.0, -1.0], missing=0.0)
    >>> contract = ColumnEffect.of_category([0.8, -0.4], missing=0.1)
    >>> scorer = LinearScorer(-1.0, [tenure, contract])
    >>> scorer.raw_score([[5.0, 0.0], [np.nan, 7.0]])
    array([ 0.3, -0.9])
    >>> scorer.contributions([[5.0, 0.0]])
    array([[ 0.5,  0.8, -1. ]])
    """

    kind: ClassVar[str] = "linear"

    def __init__(self, bias: float, columns: Sequence[ColumnEffect]) -> None:
        self.bias: float = float(bias)
        self.columns: tuple[ColumnEffect, ...] = tuple(columns)
        # Python floats: indexing an array for a single value would dominate the time of a row.
        self._rows = [
            (
                column.is_category,
                column.missing,
                column.knots.tolist(),
                column.effect.tolist(),
                column.slope.tolist(),
            )
            for column in self.columns
        ]

    @classmethod
    def straight(
        cls, *, bias: float, coefficients: ArrayLike, low: ArrayLike, high: ArrayLike
    ) -> Self:
        """Create one straight line per column, constant outside `low` to `high`.

        Parameters
        ----------
        bias
            Log-odds where all columns are zero.
        coefficients, low, high : (f,)

        Returns
        -------
        LinearScorer
        """
        lines = [
            ColumnEffect.of_number(
                [start, end], [coefficient * start, coefficient * end], missing=0.0
            )
            for coefficient, start, end in zip(
                np.asarray(coefficients), np.asarray(low), np.asarray(high), strict=True
            )
        ]
        return cls(bias, lines)

    @property
    def n_features(self) -> int:
        """Number of columns of the matrix."""
        return len(self.columns)

    def raw_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds, (n,), of a matrix (n, f) in which missing is NaN.

        Raises
        ------
        ModelDataError
            X has a different number of columns.
        """
        matrix = check_matrix(X, self.n_features)
        total: NDArray[np.float64] = np.full(len(matrix), self.bias)
        for effect, values in zip(self.columns, matrix.T, strict=True):
            total += effect.at(values)
        return total

    def raw_score_row(self, values: Sequence[float]) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        if len(values) != len(self._rows):
            raise ModelDataError(
                f"the row has {len(values)} values, but the model has {self.n_features} columns"
            )
        total = self.bias
        # The operations of `ColumnEffect.at`, in the same order.
        for value, (is_category, missing, knots, effect, slope) in zip(
            values, self._rows, strict=True
        ):
            if value != value:  # noqa: PLR0124 - only NaN differs from itself
                total += missing
            elif is_category:
                is_known = 0 <= value < len(effect) and value == int(value)
                total += effect[int(value)] if is_known else missing
            else:
                inside = min(max(value, knots[0]), knots[-1])
                piece = bisect_right(knots, inside) - 1
                total += effect[piece] + slope[piece] * (inside - knots[piece])
        return float(total)

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the contribution of each column, (n, f + 1), bias last, summing to `raw_score`.

        Raises
        ------
        ModelDataError
            X has a different number of columns.
        """
        matrix = check_matrix(X, self.n_features)
        parts = np.empty((len(matrix), self.n_features + 1))
        for column, effect in enumerate(self.columns):
            parts[:, column] = effect.at(matrix[:, column])
        parts[:, -1] = self.bias
        return parts

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        arrays: dict[str, NDArray[Any]] = {
            "is_category": np.array([column.is_category for column in self.columns], dtype=bool),
            "missing": np.array([column.missing for column in self.columns], dtype=np.float64),
            "sizes": np.array([len(column.knots) for column in self.columns], dtype=np.int64),
        }
        for name in ("knots", "effect", "slope"):
            parts = [getattr(column, name) for column in self.columns]
            arrays[name] = np.concatenate([np.empty(0), *parts])
        return {"bias": self.bias, "n_features": self.n_features}, arrays

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent.
        """
        width = read_integer(settings, "n_features", low=1, high=_MAX_FEATURES)
        is_category = read_array(arrays, "is_category", dtype="bool", size=width)
        missing = read_array(arrays, "missing", dtype="float64", size=width)
        sizes = read_array(arrays, "sizes", dtype="int64", size=width)
        knots = read_array(arrays, "knots", dtype="float64")
        # Checked one by one: the sum of forged sizes could overflow.
        if (sizes < 0).any() or (sizes > len(knots)).any() or sizes.sum() != len(knots):
            raise BundleError("the saved array 'sizes' does not add up to the array 'knots'")
        effect = read_array(arrays, "effect", dtype="float64", size=len(knots))
        slope = read_array(arrays, "slope", dtype="float64", size=len(knots))
        columns, end = [], 0
        for number in range(width):
            start, end = end, end + int(sizes[number])
            column = ColumnEffect(
                bool(is_category[number]),
                float(missing[number]),
                *(part[start:end] for part in (knots, effect, slope)),
            )
            ascends = len(column.knots) > 0 and (np.diff(column.knots) > 0).all()
            if not column.is_category and not ascends:
                raise BundleError(f"the saved knots of column {number} do not ascend")
            columns.append(column)
        return cls(read_number(settings, "bias"), columns)

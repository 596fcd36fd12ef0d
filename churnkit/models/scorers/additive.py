"""An additive model: the log-odds are a sum of one function for each column.

A number's function is a line with bends at its knots, flat beyond the range that was seen in
training; a category's is a table by code. Missing values and unknown categories have a value
of their own. All are centered on the average training customer.
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
    """What one column adds to the log-odds.

    Attributes
    ----------
    is_category
        Whether the column holds codes.
    missing
        What a missing value or an unknown category adds.
    knots : (k,) ascending values of a number, first and last its range; codes of a category
    effect : (k,) what is added at each knot, or for each code
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
        """Build a table by code.

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
        """Build straight lines from knot to knot.

        Examples
        --------
        >>> bent = ColumnEffect.of_number([0, 10, 20], [0, 1, 3], missing=-1.0)
        >>> bent.at(np.array([5.0, 15.0, 99.0, np.nan]))
        array([ 0.5,  2. ,  3. , -1. ])
        """
        at = np.asarray(knots, dtype=np.float64)
        height = np.asarray(effect, dtype=np.float64)
        slope = np.zeros(len(at))
        slope[:-1] = np.diff(height) / np.diff(at)
        return cls(False, missing, at, height, slope)

    def at(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each value of a column adds, (n,)."""
        if self.is_category:
            known = (column >= 0) & (column < len(self.effect)) & (column == np.floor(column))
            added: NDArray[np.float64] = np.full(len(column), self.missing)
            added[known] = self.effect[column[known].astype(np.intp)]
            return added
        inside = np.minimum(np.maximum(column, self.knots[0]), self.knots[-1])
        # NaN is sorted behind the last knot, and its result is replaced.
        piece = np.searchsorted(self.knots, inside, side="right") - 1
        added = self.effect[piece] + self.slope[piece] * (inside - self.knots[piece])
        added[np.isnan(column)] = self.missing
        return added

    def centered(self, mean: float) -> ColumnEffect:
        """Return the same function, lowered by `mean`."""
        return ColumnEffect(
            self.is_category, self.missing - mean, self.knots, self.effect - mean, self.slope
        )


class LinearScorer:
    """The scorer of a logistic regression.

    Parameters
    ----------
    bias
        Log-odds of the average training customer.
    columns
        What each column adds.

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
        self.bias = float(bias)
        self.columns = tuple(columns)
        # Plain Python floats: indexing an array for one value costs more than all the rest.
        self._rows = [
            (column.is_category, column.missing, *map(np.ndarray.tolist, _parts(column)))
            for column in self.columns
        ]

    @classmethod
    def straight(
        cls, *, bias: float, coefficients: ArrayLike, low: ArrayLike, high: ArrayLike
    ) -> Self:
        """Build one straight line for each column, flat outside `low` to `high`.

        Parameters
        ----------
        bias
            Log-odds where all columns are zero.
        coefficients, low, high : (f,)
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
        """How many columns the matrix must have."""
        return len(self.columns)

    def raw_score(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return log-odds, (n,), of a matrix (n, f) in which missing is NaN.

        Raises
        ------
        ModelDataError
            X has another number of columns.
        """
        matrix = check_matrix(X, self.n_features)
        total: NDArray[np.float64] = np.full(len(matrix), self.bias)
        for at, column in enumerate(self.columns):
            total += column.at(matrix[:, at])
        return total

    def raw_score_row(self, values: Sequence[float]) -> float:
        """Return the log-odds of one row, equal to `raw_score` to the last bit."""
        if len(values) != len(self._rows):
            raise ModelDataError(
                f"the row has {len(values)} values, but the model was fitted on "
                f"{self.n_features} columns"
            )
        total = self.bias
        # Operation for operation what `ColumnEffect.at` does, in the same order.
        for value, (is_category, missing, knots, effect, slope) in zip(
            values, self._rows, strict=True
        ):
            if value != value:  # noqa: PLR0124 - only NaN differs from itself
                total += missing
            elif is_category:
                known = 0 <= value < len(effect) and value == int(value)
                total += effect[int(value)] if known else missing
            else:
                inside = min(max(value, knots[0]), knots[-1])
                piece = bisect_right(knots, inside) - 1
                total += effect[piece] + slope[piece] * (inside - knots[piece])
        return float(total)

    def contributions(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what each column adds, (n, f + 1), the bias last; rows sum to `raw_score`.

        Raises
        ------
        ModelDataError
            X has another number of columns.
        """
        matrix = check_matrix(X, self.n_features)
        parts = np.empty((len(matrix), self.n_features + 1))
        for at, column in enumerate(self.columns):
            parts[:, at] = column.at(matrix[:, at])
        parts[:, -1] = self.bias
        return parts

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        knots, effect, slope = (
            np.concatenate([np.empty(0), *pieces])
            for pieces in (
                zip(*map(_parts, self.columns), strict=True) if self.columns else ((),) * 3
            )
        )
        sizes = np.array([len(column.knots) for column in self.columns], dtype=np.int64)
        return {"bias": self.bias, "n_features": self.n_features}, {
            "is_category": np.array([column.is_category for column in self.columns], dtype=bool),
            "missing": np.array([column.missing for column in self.columns], dtype=np.float64),
            "sizes": sizes,
            "knots": knots,
            "effect": effect,
            "slope": slope,
        }

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays do not fit together.
        """
        width = read_integer(settings, "n_features", low=1, high=_MAX_FEATURES)
        is_category = read_array(arrays, "is_category", dtype="bool", size=width)
        missing = read_array(arrays, "missing", dtype="float64", size=width)
        sizes = read_array(arrays, "sizes", dtype="int64", size=width)
        knots = read_array(arrays, "knots", dtype="float64")
        # Compared one by one, because a sum of forged sizes could wrap around.
        if (sizes < 0).any() or (sizes > len(knots)).any() or sizes.sum() != len(knots):
            raise BundleError("the saved array 'sizes' does not add up to the array 'knots'")
        effect = read_array(arrays, "effect", dtype="float64", size=len(knots))
        slope = read_array(arrays, "slope", dtype="float64", size=len(knots))
        ends = np.cumsum(sizes)
        columns = [
            _checked_column(
                ColumnEffect(
                    bool(is_category[at]),
                    float(missing[at]),
                    *(part[ends[at] - sizes[at] : ends[at]] for part in (knots, effect, slope)),
                ),
                at,
            )
            for at in range(width)
        ]
        return cls(read_number(settings, "bias"), columns)


def _parts(
    column: ColumnEffect,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return column.knots, column.effect, column.slope


def _checked_column(column: ColumnEffect, at: int) -> ColumnEffect:
    if column.is_category:
        return column
    if not len(column.knots) or (np.diff(column.knots) <= 0).any():
        raise BundleError(f"the saved knots of column {at} do not ascend")
    return column

"""Feature scaling and interactions of a contextual bandit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.serialization import read_array, read_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["BanditFeatures"]

_MAX_COLUMNS = 100_000


@dataclass(frozen=True, eq=False)
class BanditFeatures:
    """Standardized numbers (missing as the mean) and one indicator column per category code.

    Attributes
    ----------
    customer_count, option_count
        Number of input columns, f and g.
    categories
        Pairs of a customer column that holds codes from 0 and its number of codes.
    mean, scale : (f + g,) of the customers' and options' columns; 0 and 1 before `fit_scale`
    """

    customer_count: int
    option_count: int
    categories: tuple[tuple[int, int], ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def new(
        cls, customer_count: int, option_count: int, categories: Mapping[int, int]
    ) -> BanditFeatures:
        """Return features that are not standardized yet."""
        invalid = sum(
            not 0 <= column < customer_count or levels < 1 for column, levels in categories.items()
        )
        if invalid:
            raise ModelDataError(
                f"{invalid} of the categories are invalid: map a customer column's index to its "
                "number of codes"
            )
        width = customer_count + option_count
        pairs = tuple(sorted((int(column), int(levels)) for column, levels in categories.items()))
        return cls(customer_count, option_count, pairs, np.zeros(width), np.ones(width))

    @property
    def customer_width(self) -> int:
        """Number of columns that describe a customer: intercept, numbers, indicators."""
        indicators = sum(levels for _, levels in self.categories)
        return 1 + self.customer_count - len(self.categories) + indicators

    @property
    def shape(self) -> tuple[int, int]:
        """Number of customer and of option columns, intercepts included."""
        return self.customer_width, 1 + self.option_count

    @property
    def shared_width(self) -> int:
        """Number of columns of a shared row: customer, option and their products."""
        return self.customer_width * (1 + self.option_count)

    def fit_scale(
        self, customers: NDArray[np.float64], options: NDArray[np.float64]
    ) -> BanditFeatures:
        """Return the features with the mean and scale of tables of customers and options."""
        self._check(customers, self.customer_count, "customers")
        self._check(options, self.option_count, "options")
        moments = [_moments(table) for table in (customers, options)]
        return replace(
            self,
            mean=np.concatenate([mean for mean, _ in moments]),
            scale=np.concatenate([scale for _, scale in moments]),
        )

    def customers(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Encode customers (n, f) as intercept, numbers and indicators, (n, customer_width)."""
        self._check(rows, self.customer_count, "customers")
        coded = dict(self.categories)
        numeric = [column for column in range(self.customer_count) if column not in coded]
        numbers = self._standardize(rows, slice(0, self.customer_count))[:, numeric]
        columns = [np.ones((len(rows), 1)), numbers]
        for column, levels in self.categories:
            # A missing or unknown code sets no indicator.
            columns.append((rows[:, column, None] == np.arange(levels)).astype(np.float64))
        return np.concatenate(columns, axis=1)

    def options(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Encode options (n, g) as intercept and numbers, (n, 1 + g)."""
        self._check(rows, self.option_count, "options")
        numbers = self._standardize(rows, slice(self.customer_count, None))
        return np.concatenate([np.ones((len(rows), 1)), numbers], axis=1)

    @staticmethod
    def shared(customers: NDArray[np.float64], options: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all products of the customers' and options' columns, row by row."""
        products = customers[:, :, None] * options[:, None, :]
        return products.reshape(len(customers), -1)

    def shared_values(
        self,
        coefficients: NDArray[np.float64],
        customers: NDArray[np.float64],
        options: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the shared part for each draw, customer and option, (m, n, options)."""
        cube = coefficients.reshape(len(coefficients), self.customer_width, 1 + self.option_count)
        by_option = np.einsum("mpg,kg->mpk", cube, options)
        values: NDArray[np.float64] = np.einsum("np,mpk->mnk", customers, by_option)
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able data."""
        return {
            "customer_features": self.customer_count,
            "option_features": self.option_count,
            "categories": [list(pair) for pair in self.categories],
        }

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the mean and scale by name."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_saved(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> BanditFeatures:
        """Restore features from `to_dict` and `to_arrays`; BundleError if they are invalid."""
        counts = [
            read_integer(dict(settings), name, low=0, high=_MAX_COLUMNS)
            for name in ("customer_features", "option_features")
        ]
        pairs = settings.get("categories")
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, int) for n in pair)
            for pair in pairs
        ):
            raise BundleError("the saved bandit's categories must be pairs of integers")
        try:
            features = cls.new(counts[0], counts[1], dict(pairs))
        except ModelDataError as error:
            raise BundleError(f"the saved bandit is inconsistent: {error}") from None
        mean, scale = (
            read_array(arrays, name, dtype="float64", size=sum(counts))
            for name in ("mean", "scale")
        )
        if not (scale > 0).all():
            raise BundleError("the saved bandit's scale must be positive")
        return replace(features, mean=mean, scale=scale)

    def _standardize(self, rows: NDArray[np.float64], columns: slice) -> NDArray[np.float64]:
        scaled = (np.asarray(rows, dtype=np.float64) - self.mean[columns]) / self.scale[columns]
        return np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)

    @staticmethod
    def _check(rows: NDArray[np.float64], width: int, name: str) -> None:
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ModelDataError(f"{name} must have shape (n, {width}), got {rows.shape}")


def _moments(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count = np.maximum((~np.isnan(table)).sum(axis=0), 1)
    mean = np.nansum(table, axis=0) / count
    deviation = np.sqrt(np.nansum((table - mean) ** 2, axis=0) / count)
    # A constant column must not be divided by a deviation that is only rounding.
    return mean, np.where(deviation > 1e-9 * (np.abs(mean) + 1), deviation, 1.0)

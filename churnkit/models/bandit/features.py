"""How customers and options become the rows of a bandit's model."""

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

_MOST = 100_000


@dataclass(frozen=True, eq=False)
class BanditFeatures:
    """Numbers on one scale (missing counts as the mean), and one column a category.

    Attributes
    ----------
    customer_count, option_count
        How many columns come in.
    categories
        For customer columns of codes from 0: how many codes there are.
    mean, scale : (f + g,) of customers' and options' columns; 0 and 1 if nothing said otherwise
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
        """Make features that are not standardised yet."""
        wrong = [c for c, levels in categories.items() if not 0 <= c < customer_count or levels < 1]
        if wrong:
            raise ModelDataError(f"{len(wrong)} of the categories name no column, or no codes")
        width = customer_count + option_count
        kept = tuple(sorted((int(at), int(levels)) for at, levels in categories.items()))
        return cls(customer_count, option_count, kept, np.zeros(width), np.ones(width))

    @property
    def own_width(self) -> int:
        """Columns of a customer, one included: 1, numbers, categories."""
        wide = sum(levels for _, levels in self.categories)
        return 1 + self.customer_count - len(self.categories) + wide

    @property
    def shared_width(self) -> int:
        """Columns of a shared row: customer and option, and all products."""
        return self.own_width * (1 + self.option_count)

    def fit_scale(
        self, customers: NDArray[np.float64], options: NDArray[np.float64]
    ) -> BanditFeatures:
        """Take mean and scale from tables of customers and of options."""
        self._check(customers, self.customer_count, "customers")
        self._check(options, self.option_count, "options")
        moments = [_moments(table) for table in (customers, options)]
        return replace(
            self,
            mean=np.concatenate([mean for mean, _ in moments]),
            scale=np.concatenate([scale for _, scale in moments]),
        )

    def customers(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one, numbers and categories of customers, (n, own_width)."""
        self._check(rows, self.customer_count, "customers")
        coded = dict(self.categories)
        numbers = [at for at in range(self.customer_count) if at not in coded]
        known = self._standardised(rows, slice(0, self.customer_count))[:, numbers]
        columns = [np.ones((len(rows), 1)), known]
        for at, levels in self.categories:
            # A code that is missing or unknown has no column.
            columns.append((rows[:, at, None] == np.arange(levels)).astype(np.float64))
        return np.concatenate(columns, axis=1)

    def options(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one and the numbers of options, (n, 1 + g)."""
        self._check(rows, self.option_count, "options")
        known = self._standardised(rows, slice(self.customer_count, None))
        return np.concatenate([np.ones((len(rows), 1)), known], axis=1)

    @staticmethod
    def shared(customers: NDArray[np.float64], options: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all products of customers' and options' columns, row by row."""
        products = customers[:, :, None] * options[:, None, :]
        return products.reshape(len(customers), -1)

    def common(
        self,
        coefficients: NDArray[np.float64],
        customers: NDArray[np.float64],
        options: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the shared part of every customer and option, (m, n, options)."""
        cube = coefficients.reshape(len(coefficients), self.own_width, 1 + self.option_count)
        of_option = np.einsum("mpg,kg->mpk", cube, options)
        found: NDArray[np.float64] = np.einsum("np,mpk->mnk", customers, of_option)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able data."""
        return {
            "customer_features": self.customer_count,
            "option_features": self.option_count,
            "categories": [list(pair) for pair in self.categories],
        }

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return mean and scale."""
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def from_saved(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> BanditFeatures:
        """Restore what `to_dict` and `to_arrays` gave; raises BundleError where it does not fit."""
        counts = [
            read_integer(dict(settings), name, low=0, high=_MOST)
            for name in ("customer_features", "option_features")
        ]
        pairs = settings.get("categories")
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, int) for n in pair)
            for pair in pairs
        ):
            raise BundleError("the saved bandit's categories are no pairs of numbers")
        try:
            made = cls.new(counts[0], counts[1], dict(pairs))
        except ModelDataError as error:
            raise BundleError(f"the saved bandit does not fit together: {error}") from None
        mean, scale = (
            read_array(arrays, name, dtype="float64", size=sum(counts))
            for name in ("mean", "scale")
        )
        if not (scale > 0).all():
            raise BundleError("the saved bandit's scale must be above zero")
        return replace(made, mean=mean, scale=scale)

    def _standardised(self, rows: NDArray[np.float64], columns: slice) -> NDArray[np.float64]:
        moved = (np.asarray(rows, dtype=np.float64) - self.mean[columns]) / self.scale[columns]
        return np.nan_to_num(moved, nan=0.0, posinf=0.0, neginf=0.0)

    @staticmethod
    def _check(rows: NDArray[np.float64], width: int, said: str) -> None:
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ModelDataError(
                f"{said} have the shape {rows.shape}, but the bandit was made for {width} columns"
            )


def _moments(
    table: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count = np.maximum((~np.isnan(table)).sum(axis=0), 1)
    mean = np.nansum(table, axis=0) / count
    spread = np.sqrt(np.nansum((table - mean) ** 2, axis=0) / count)
    # A column that hardly moves says nothing, and must not be blown up.
    return mean, np.where(spread > 1e-9 * (np.abs(mean) + 1), spread, 1.0)

"""The baseline that any model must beat: the best rule that reads a single column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.core.stats.weighted_quantiles import weighted_quantiles
from churnkit.models.calibration.fit import row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.classifiers.base import BinaryModel, TrainingRows, check_categories
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import Fold, make_folds
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["RateTable", "SingleFeatureRule"]


@dataclass(frozen=True)
class RateTable:
    """Churn rates by the bins of one column.

    Attributes
    ----------
    is_category
        Whether the bins are codes.
    edges : (b - 1,) inner edges of a number's bins, ascending; a value on an edge is above it
    rate : (b + 1,) churn rate of each bin, shrunken to the overall rate; the last is missing's
    customers : (b + 1,) weight of each bin in training
    """

    is_category: bool
    edges: NDArray[np.float64]
    rate: NDArray[np.float64]
    customers: NDArray[np.float64]

    def bins(self, column: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the bin of each value, (n,); the last bin is for missing and unknown."""
        missing = len(self.rate) - 1
        return _bins(column, self.edges, is_category=self.is_category, missing=missing)

    def effect(self, overall: float) -> ColumnEffect:
        """Return what each bin adds to the log-odds of the overall rate."""
        added = np.log(self.rate / (1 - self.rate)) - np.log(overall / (1 - overall))
        if self.is_category:
            return ColumnEffect.of_category(added[:-1], missing=float(added[-1]))
        # The first bin has no lower edge; any number below the others stands for it.
        start = np.nextafter(self.edges[0], -np.inf) if len(self.edges) else 0.0
        knots = np.concatenate([[start], self.edges])
        return ColumnEffect(False, float(added[-1]), knots, added[:-1], np.zeros(len(knots)))


class SingleFeatureRule(BinaryModel):
    """Churn rates by one column: what a person would do with a pivot table.

    The column is the one whose rates, learned on the other folds, predict best.

    Parameters
    ----------
    bins
        How many bins of equal mass a number has; missing values have one more.
    shrinkage
        How many customers of the overall churn rate are added to each bin.
    cv
        The folds that choose the column: how many, a scikit-learn splitter, or pairs of row
        numbers.
    categorical_features
        Indices of the columns that hold category codes.
    seed
        For the folds.

    Attributes
    ----------
    feature_ : int
        The column's index.
    table_ : RateTable
        Its churn rates.
    log_loss_ : float
        Its cross-fitted log loss.
    scorer_ : LinearScorer
        The rule as log-odds of one column; it saves and explains itself as any model does.
    classes_ : (2,)
    n_features_in_ : int

    Examples
    --------
    >>> X = np.column_stack([np.arange(40.0), np.arange(40) % 2])
    >>> rule = SingleFeatureRule(categorical_features=(1,)).fit(X, np.arange(40) % 2)
    >>> print(rule.describe(["tenure", "contract"], levels={1: ["one year", "monthly"]}))
    Churn is 75% where contract is monthly, and 25% where it is one year.
    """

    def __init__(
        self,
        *,
        bins: int = 10,
        shrinkage: float = 20.0,
        cv: Any = 5,
        categorical_features: tuple[int, ...] | None = None,
        seed: int = 0,
    ) -> None:
        self.bins = bins
        self.shrinkage = shrinkage
        self.cv = cv
        self.categorical_features = categorical_features
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find the column and its rates.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        y : (n,) labels of two classes; the larger one is churn
        sample_weight : (n,) weights of the rows

        Raises
        ------
        ModelDataError
            The rows cannot be trained on, or there are fewer churners than folds.
        """
        if self.bins < 1 or not self.shrinkage > 0:
            raise ModelDataError("bins must be 1 or more, and shrinkage above 0")
        rows = self._training_rows(X, y, sample_weight)
        categories = frozenset(check_categories(self.categorical_features, rows.matrix))
        folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
        losses = [
            self._held_out_loss(rows, folds, at, is_category=at in categories)
            for at in range(rows.matrix.shape[1])
        ]
        self.feature_ = int(np.argmin(losses))
        self.log_loss_ = losses[self.feature_]
        everyone = np.arange(len(rows.matrix))
        is_category = self.feature_ in categories
        self.table_ = self._table(rows, everyone, self.feature_, is_category=is_category)
        overall = float(rows.weight @ rows.outcome / rows.weight.sum())
        columns = [ColumnEffect.of_number([0.0], [0.0], missing=0.0)] * rows.matrix.shape[1]
        columns[self.feature_] = self.table_.effect(overall)
        self.scorer_ = LinearScorer(float(np.log(overall / (1 - overall))), columns)
        self.calibration_ = Calibration.identity()
        return self

    def describe(
        self, names: Sequence[str], *, levels: Mapping[int, Sequence[Any]] | None = None
    ) -> str:
        """Say the rule in a sentence.

        Parameters
        ----------
        names : (f,) the columns in a person's words
        levels
            For a category's column index, its categories in the order of their codes.
        """
        name, table = names[self.feature_], self.table_
        held = np.flatnonzero(table.customers)
        high = held[np.argmax(table.rate[held])]
        low = held[np.argmin(table.rate[held])]
        if table.rate[high] == table.rate[low]:
            return f"No column tells churners apart: churn is {_percent(table.rate[high])}."
        words = (levels or {}).get(self.feature_)
        return (
            f"Churn is {_percent(table.rate[high])} where {name} {self._bin(high, words)}, "
            f"and {_percent(table.rate[low])} where it {self._bin(low, words)}."
        )

    def _bin(self, at: np.intp, words: Sequence[Any] | None) -> str:
        table = self.table_
        if at == len(table.rate) - 1:
            return "is missing"
        if table.is_category:
            return f"is {at if words is None else words[int(at)]}"
        if at == 0:
            return f"is below {table.edges[0]:g}" if len(table.edges) else "is known"
        if at == len(table.edges):
            return f"is {table.edges[-1]:g} or more"
        return f"is from {table.edges[at - 1]:g} to below {table.edges[at]:g}"

    def _held_out_loss(
        self, rows: TrainingRows, folds: Sequence[Fold], at: int, *, is_category: bool
    ) -> float:
        loss = mass = 0.0
        for fold in folds:
            table = self._table(rows, fold.train, at, is_category=is_category)
            weight = rows.weight[fold.test]
            expected = table.rate[table.bins(rows.matrix[fold.test, at])]
            loss += float(weight @ row_log_losses(rows.outcome[fold.test], expected))
            mass += float(weight.sum())
        return loss / mass

    def _table(
        self, rows: TrainingRows, chosen: NDArray[np.intp], at: int, *, is_category: bool
    ) -> RateTable:
        column, weight = rows.matrix[chosen, at], rows.weight[chosen]
        is_known = ~np.isnan(column)
        known = column[is_known]
        edges, missing = np.empty(0), 1
        if is_category:
            missing = int(known.max()) + 1 if len(known) else 0
        elif len(known):
            shares = np.arange(1, self.bins) / self.bins
            inner = np.unique(weighted_quantiles(known, weight[is_known], shares))
            # The value after each quantile: rows up to the quantile itself are below.
            distinct = np.unique(known)
            after = np.searchsorted(distinct, inner, side="right")
            edges = distinct[after[after < len(distinct)]]
            missing = len(edges) + 1
        bins = _bins(column, edges, is_category=is_category, missing=missing)
        customers = np.bincount(bins, weight, missing + 1).astype(np.float64)
        churned = np.bincount(bins, weight * rows.outcome[chosen], missing + 1)
        overall = churned.sum() / customers.sum()
        rate = (churned + self.shrinkage * overall) / (customers + self.shrinkage)
        return RateTable(is_category, edges, rate, customers)


def _bins(
    column: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    is_category: bool,
    missing: int,
) -> NDArray[np.intp]:
    if is_category:
        known = (column >= 0) & (column < missing)
        return np.where(known, column, missing).astype(np.intp)
    found = np.searchsorted(edges, column, side="right")
    return np.where(np.isnan(column), missing, found).astype(np.intp)


def _percent(rate: float) -> str:
    return f"{rate:.0%}"

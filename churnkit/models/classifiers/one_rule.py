"""One-rule baseline: churn rates by the bins of the most predictive column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.contracts.schema.date_text import describe_days_between
from churnkit.core.stats.weighted_quantiles import weighted_quantiles
from churnkit.models.calibration.fit import row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.classifiers.base import BinaryModel
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import make_folds
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer
from churnkit.models.training_rows import categorical_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.scorers.base import Scorer
    from churnkit.models.training_rows import TrainingRows

__all__ = ["RateTable", "SingleFeatureRule"]


@dataclass(frozen=True)
class RateTable:
    """Churn rates by the bins of one column.

    Attributes
    ----------
    is_category
        True if the bins are codes.
    edges : (b - 1,) ascending inner edges of a number's bins; an edge belongs to the bin above
    rate : (b + 1,) churn rate of each bin, shrunk to the overall rate; the last is for missing
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
        """Return the difference of each bin's log-odds from the overall rate's."""
        added = np.log(self.rate / (1 - self.rate)) - np.log(overall / (1 - overall))
        if self.is_category:
            return ColumnEffect.of_category(added[:-1], missing=float(added[-1]))
        # The first bin has no lower edge: any number below the first edge serves as its knot.
        start = np.nextafter(self.edges[0], -np.inf) if len(self.edges) else 0.0
        knots = np.concatenate([[start], self.edges])
        return ColumnEffect(False, float(added[-1]), knots, added[:-1], np.zeros(len(knots)))


class SingleFeatureRule(BinaryModel):
    """Churn rates by the bins of one column (1R), as in a pivot table.

    The column is the one whose rates, learned on the other folds, have the lowest log loss.

    Parameters
    ----------
    bins
        Number of bins of equal mass for a number; missing values have one more.
    shrinkage
        Number of customers with the overall churn rate added to each bin.
    cv
        The folds that choose the column: a number, a scikit-learn splitter, or pairs of row
        numbers.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
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
        The rule as log-odds of one column.
    classes_ : (2,)
    n_features_in_ : int

    Examples
    --------
    >>> X = np.column_stack([np.arange(40.0), np.arange(40) % 2])
    >>> rule = SingleFeatureRule(categorical_features=(1,)).fit(X, np.arange(40) % 2)
    >>> print(rule.describe(["tenure", "contract"], levels={1: ["one year", "monthly"]}))
    Churn is 75% where contract is monthly, and 25% where it is one year.

    References
    ----------
    Holte (1993). Very simple classification rules perform well on most commonly used datasets.
    Machine Learning 11. doi:10.1023/A:1022631118932
    """

    def __init__(
        self,
        *,
        bins: int = 10,
        shrinkage: float = 20.0,
        cv: Any = 5,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.bins = bins
        self.shrinkage = shrinkage
        self.cv = cv
        self.categorical_features = categorical_features
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Choose the column and learn its rates.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        y : (n,) labels of two classes; the larger one is churn
        sample_weight : (n,) weights of the rows

        Returns
        -------
        The fitted estimator.

        Raises
        ------
        ModelDataError
            The rows cannot be trained on, or there are fewer churners than folds.
        """
        if self.bins < 1 or not self.shrinkage > 0:
            raise ModelDataError("bins must be at least 1, and shrinkage above 0")
        rows = self._training_rows(X, y, sample_weight)
        categories = frozenset(categorical_columns(self, rows.matrix))
        folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
        splits = [(rows.take(fold.train), rows.take(fold.test)) for fold in folds]
        losses = [
            self._held_out_loss(splits, column, is_category=column in categories)
            for column in range(rows.matrix.shape[1])
        ]
        self.feature_: int = int(np.argmin(losses))
        self.log_loss_: float = losses[self.feature_]
        is_category = self.feature_ in categories
        self.table_: RateTable = self._fit_table(rows, self.feature_, is_category=is_category)
        overall = float(rows.weight @ rows.outcome / rows.weight.sum())
        columns = [ColumnEffect.of_number([0.0], [0.0], missing=0.0)] * rows.matrix.shape[1]
        columns[self.feature_] = self.table_.effect(overall)
        self.scorer_: Scorer = LinearScorer(float(np.log(overall / (1 - overall))), columns)
        self.calibration_: Calibration = Calibration.identity()
        return self

    def describe(
        self,
        names: Sequence[str] | None = None,
        *,
        levels: Mapping[int, Sequence[Any]] | None = None,
        dates: Collection[int] = (),
    ) -> str:
        """Describe the rule in a sentence.

        Parameters
        ----------
        names : (f,) labels of the columns; those of the training frame if not given
        levels
            For the index of a categorical column, its categories in the order of their codes, those
            of the training frame if not given; and for that of a column of 0 and 1 the words for both.
        dates
            The indices of columns of days, from a date to the as-of date of the row.

        Returns
        -------
        str
        """
        if names is None:
            names = [*getattr(self, "feature_names_in_", map(str, range(self.n_features_in_)))]
        name, table = names[self.feature_], self.table_
        nonempty = np.flatnonzero(table.customers)
        high = nonempty[np.argmax(table.rate[nonempty])]
        low = nonempty[np.argmin(table.rate[nonempty])]
        if table.rate[high] == table.rate[low]:
            return f"No column separates churners: churn is {table.rate[high]:.0%}."
        labels = self._labels(levels or {})
        is_date = self.feature_ in dates
        first, second = (self._describe_bin(n, labels, is_date=is_date) for n in (high, low))
        return (
            f"Churn is {table.rate[high]:.0%} where {name} {first}, and {table.rate[low]:.0%} where it "
            f"{second}."
        )

    def _labels(self, levels: Mapping[int, Sequence[Any]]) -> Sequence[Any] | None:
        """Return the labels of the column's codes; a frame may have been encoded once more."""
        labels = levels.get(self.feature_)
        encoder = self.frame_encoder_
        own = None if encoder is None else encoder.categories_.get(self.feature_)
        if own is None or labels is None or (own and isinstance(own[0], str)):
            return labels if own is None else own
        return [labels[int(code)] for code in own]

    def _describe_bin(
        self, number: np.intp, labels: Sequence[Any] | None, *, is_date: bool = False
    ) -> str:
        table = self.table_
        if number == len(table.rate) - 1:
            return "is missing"
        if table.is_category:
            return f"is {number if labels is None else labels[int(number)]}"
        if labels is not None and len(labels) == len(table.rate) - 1:
            return f"is {labels[int(number)]}"
        bounds = [None, *table.edges.tolist(), None]
        return _describe_range(bounds[number], bounds[number + 1], is_date=is_date)

    def _held_out_loss(
        self, splits: list[tuple[TrainingRows, TrainingRows]], column: int, *, is_category: bool
    ) -> float:
        loss = mass = 0.0
        for train, test in splits:
            table = self._fit_table(train, column, is_category=is_category)
            rate = table.rate[table.bins(test.matrix[:, column])]
            loss += float(test.weight @ row_log_losses(test.outcome, rate))
            mass += float(test.weight.sum())
        return loss / mass

    def _fit_table(self, rows: TrainingRows, feature: int, *, is_category: bool) -> RateTable:
        column, weight = rows.matrix[:, feature], rows.weight
        is_present = ~np.isnan(column)
        present = column[is_present]
        edges, missing = np.empty(0), 1
        if is_category:
            missing = int(present.max()) + 1 if len(present) else 0
        elif len(present):
            shares = np.arange(1, self.bins) / self.bins
            quantiles = np.unique(weighted_quantiles(present, weight[is_present], shares))
            # The next value after each quantile, so that the quantile itself is in the bin below.
            distinct = np.unique(present)
            after = np.searchsorted(distinct, quantiles, side="right")
            edges = distinct[after[after < len(distinct)]]
            missing = len(edges) + 1
        bins = _bins(column, edges, is_category=is_category, missing=missing)
        customers = np.bincount(bins, weight, missing + 1).astype(np.float64)
        churned = np.bincount(bins, weight * rows.outcome, missing + 1)
        overall = churned.sum() / customers.sum()
        rate = (churned + self.shrinkage * overall) / (customers + self.shrinkage)
        return RateTable(is_category, edges, rate, customers)


def _describe_range(low: float | None, high: float | None, *, is_date: bool) -> str:
    if low is None and high is None:
        return "is not missing"
    if is_date:
        return f"is {describe_days_between(low, high)}"
    if low is None:
        return f"is below {high:g}"
    return f"is {low:g} or more" if high is None else f"is from {low:g} to below {high:g}"


def _bins(
    column: NDArray[np.float64],
    edges: NDArray[np.float64],
    *,
    is_category: bool,
    missing: int,
) -> NDArray[np.intp]:
    if is_category:
        is_known = (column >= 0) & (column < missing)
        return np.where(is_known, column, missing).astype(np.intp)
    numbers = np.searchsorted(edges, column, side="right")
    return np.where(np.isnan(column), missing, numbers).astype(np.intp)

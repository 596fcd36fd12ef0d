"""Base classes of the churn estimators: checked labels, probabilities, boosted trees."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from churnkit.core.autologging import without_autologging
from churnkit.models.calibration.maps import Calibration
from churnkit.models.errors import ModelDataError, redact_values
from churnkit.models.folds import make_folds
from churnkit.models.frame_columns import array_of_series
from churnkit.models.scikit_base import BaseEstimator, ClassifierMixin
from churnkit.models.scorers.base import load_scorer
from churnkit.models.scorers.fold_encoding import cross_encode
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import TargetEncoding
from churnkit.models.training_rows import (
    TrainingRows,
    categorical_columns,
    check_features,
    check_weights,
    high_cardinality,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.dask_rows import DaskRows
    from churnkit.models.folds import Fold
    from churnkit.models.frame_encoder import FrameEncoder
    from churnkit.models.scorers.base import Scorer
    from churnkit.trees import CompiledTrees

__all__ = ["BinaryModel", "BoostedTreesModel", "TargetEncodedModel"]


class BinaryModel(ClassifierMixin, BaseEstimator):
    """Base of the estimators: a scorer and a calibration map produce the probabilities.

    A subclass sets `scorer_` and `calibration_` in its `fit`.
    """

    scorer_: Scorer
    calibration_: Calibration
    classes_: NDArray[Any]
    n_features_in_: int
    frame_encoder_: FrameEncoder | None

    def refit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        fold: int | None = None,  # noqa: ARG002 - a single estimator learns nothing from a fold
    ) -> BinaryModel:
        """Fit the chosen settings to other rows, such as all rows after a test.

        Nothing is selected again: settings, weights and calibration stay as `fit` chose them.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        y : (n,) labels of the same two classes
        sample_weight : (n,) weights of the rows
        fold
            Number of a fold of `fit` that the rows leave out. Weights and calibration of
            `ChurnClassifier` are then those fitted to the outcomes of the other folds.

        Returns
        -------
        A new estimator.

        Raises
        ------
        ModelDataError
            The rows cannot be trained on; the message says why and what to do.

        Examples
        --------
        >>> from churnkit.models import LogisticModel
        >>> X, y = [[1.0], [2.0], [3.0], [8.0], [9.0], [7.0]], [0, 0, 1, 1, 1, 0]
        >>> model = LogisticModel(cv=2).fit(X[1:], y[1:])
        >>> model.refit(X, y).C_ == model.C_
        True
        """
        check_is_fitted(self)
        fitted: Any = clone(self).set_params(**self._selected_settings())
        fitted.fit(X, y, sample_weight)
        model: Self = fitted.set_params(**self.get_params(deep=False))
        return model

    def refit_on_workers(self, rows: DaskRows) -> BinaryModel:
        """Fit the chosen settings to rows that the workers of a Dask cluster read.

        LightGBM is fitted to all rows, other estimators to the sample that this process holds.

        Parameters
        ----------
        rows
            Parts of the rows, and a sample of them.

        Returns
        -------
        A new estimator.

        Raises
        ------
        ModelDataError
            There is no cluster, or it lost a worker in each attempt.
        """
        sample = rows.sample
        return self.refit(
            sample.matrix, self.classes_[sample.outcome.astype(np.intp)], sample.weight
        )

    def _selected_settings(self) -> dict[str, Any]:
        """Return the settings that `fit` selected."""
        return {}

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the scorer's log-odds, before calibration.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN

        Returns
        -------
        (n,) log-odds

        Raises
        ------
        ModelDataError
            X has a different number of columns, infinite values, or values that are not numbers.
        """
        check_is_fitted(self)
        return self.scorer_.raw_score(check_features(self, X, reset=False))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities: ``calibration_.apply(scorer_.raw_score(X))`` in column 1.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN

        Returns
        -------
        (n, 2) probabilities in the order of `classes_`

        Raises
        ------
        ModelDataError
            As `decision_function`.
        """
        log_odds = self.decision_function(X)
        probability = self.calibration_.apply(log_odds)
        return np.column_stack([1 - probability, probability])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class with the higher probability.

        Do not base decisions on it: the threshold that pays depends on the customer's value and
        the cost of an action.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN

        Returns
        -------
        (n,) labels from `classes_`
        """
        is_churn = self.predict_proba(X)[:, 1] > 0.5
        labels: NDArray[Any] = self.classes_[is_churn.astype(np.intp)]
        return labels

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the scorer as settings and arrays, as in a bundle."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "scorer_" in state:
            state["scorer_"] = (self.scorer_.kind, *self.scorer_.to_arrays())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state."""
        if "scorer_" in state:
            state = state | {"scorer_": load_scorer(*state["scorer_"])}
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def _training_rows(self, X: Any, y: Any, sample_weight: Any) -> TrainingRows:
        if y is None:
            raise ModelDataError(
                "requires y to be passed, but the target y is None: pass the label column"
            )
        matrix = check_features(self, X, reset=True)
        outcome = self._check_label(y, len(matrix))
        weight = check_weights(sample_weight, len(matrix))
        rows = TrainingRows.from_arrays(matrix, outcome, weight)
        used = np.flatnonzero(weight > 0)
        if len(used) < len(matrix):
            rows = rows.take(used)
        if int(rows.outcome.sum()) in {0, len(used)}:
            raise ModelDataError(
                f"the label has only one class in {len(used)} rows with positive weight: "
                "training needs customers who churned and customers who stayed"
            )
        return rows

    def _check_label(self, y: Any, rows: int) -> NDArray[np.float64]:
        try:
            label = column_or_1d(array_of_series(y), warn=True)
            if label.dtype.kind == "f" and not np.isfinite(label).all():
                raise ModelDataError(
                    "Input y contains NaN or inf: drop the rows whose outcome is unknown"
                )
            check_classification_targets(label)
        except ValueError as error:
            raise ModelDataError(redact_values(str(error))) from None
        if len(label) != rows:
            raise ModelDataError(f"{len(label)} labels for {rows} rows: pass one per row")
        self.classes_ = np.unique(label)
        if len(self.classes_) > 2:
            raise ModelDataError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"the label has {len(self.classes_)} classes, churn has two"
            )
        if len(self.classes_) < 2:
            raise ModelDataError(
                f"the label has only one class ({rows} rows): training needs customers who "
                "churned and customers who stayed; extend the period or the outcome's horizon"
            )
        return np.asarray(label == self.classes_[1], dtype=np.float64)


class TargetEncodedModel(BinaryModel):
    """Base of trees that replace categories of many levels by churn rates."""

    seed: int
    categorical_features: Sequence[int] | Sequence[str] | None

    @property
    def _max_levels(self) -> int | None:
        """Number of levels above which a category is target-encoded."""
        return None

    def _target_encoded(self, rows: TrainingRows) -> tuple[int, ...]:
        categories = categorical_columns(self, rows.matrix)
        return high_cardinality(rows.matrix, categories, self._max_levels)

    def _encode_fold(
        self, rows: TrainingRows, fold: Fold, encoded: tuple[int, ...]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a fold's training and held-out matrices.

        The rates come from the fold's training rows alone: other rows would leak outcomes.
        """
        train, test = rows.take(fold.train), rows.take(fold.test)
        if not encoded:
            return train.matrix, test.matrix
        held_out = TargetEncoding.fit(train, encoded).apply(test.matrix)
        return cross_encode(train, encoded, seed=self.seed), held_out


class BoostedTreesModel(TargetEncodedModel):
    """Base of gradient-boosted trees: early stopping on held-out rows, target-encoded categories.

    A subclass implements `cross_fit` and `_fit_trees`.
    """

    rounds: int | None
    cv: Any
    monotone_constraints: tuple[int, ...] | None
    rounds_: int

    @without_autologging()
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the trees.

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
            The rows cannot be trained on; the message says why and what to do.
        MissingExtraError
            The library is not installed.
        """
        rows = self._training_rows(X, y, sample_weight)
        self._check_settings()
        rounds = self.rounds
        if rounds is None:
            folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
            rounds = int(self.cross_fit(rows, folds)[1].rounds or 1)
        encoded = self._target_encoded(rows)
        matrix = cross_encode(rows, encoded, seed=self.seed) if encoded else rows.matrix
        self.rounds_ = rounds
        trees = self._fit_trees(matrix, rows, encoded, rounds)
        self.scorer_: Scorer = (
            TargetEncodedScorer(TargetEncoding.fit(rows, encoded), trees) if encoded else trees
        )
        self.calibration_: Calibration = Calibration.identity()
        return self

    @abstractmethod
    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], Self]:
        """Score each row by trees fitted without it, and choose the number of rounds.

        The number of rounds has the lowest mean log loss over all folds; a refit on all rows
        uses the same number.

        Parameters
        ----------
        rows
            Checked training rows.
        folds
            Row numbers for training and for holding out.

        Returns
        -------
        raw : (n,) log-odds; NaN where no fold holds the row out
        estimator
            The same settings with the chosen `rounds`.
        """

    @abstractmethod
    def _fit_trees(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        encoded: tuple[int, ...],
        rounds: int,
    ) -> CompiledTrees: ...

    def _selected_settings(self) -> dict[str, Any]:
        return {"rounds": max(1, self.rounds_)}

    def _check_settings(self) -> None:
        """Check that the library and the settings are usable."""

    def _check_constraints(
        self, matrix: NDArray[np.float64], matrix_columns: int
    ) -> list[int] | None:
        """Return the constraints; the columns that target encoding appends are unconstrained."""
        if self.monotone_constraints is None:
            return None
        columns = matrix.shape[1]
        constraints = [int(sign) for sign in self.monotone_constraints]
        if len(constraints) != columns or not set(constraints) <= {-1, 0, 1}:
            raise ModelDataError(
                f"monotone_constraints must be 1, 0 or -1 for each of {columns} columns, got "
                f"{len(constraints)} values"
            )
        constrained = [
            column for column in categorical_columns(self, matrix) if constraints[column]
        ]
        if constrained:
            raise ModelDataError(
                f"column {constrained[0]} is categorical and has no order: set its monotone "
                "constraint to 0"
            )
        return constraints + [0] * (matrix_columns - columns)

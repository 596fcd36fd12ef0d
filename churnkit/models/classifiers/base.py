"""What all churn estimators share: checked training rows, probabilities, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import load_scorer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.calibration.maps import Calibration
    from churnkit.models.scorers.base import Scorer

__all__ = ["BinaryModel", "TrainingRows", "check_categories", "high_cardinality", "redact_values"]


class TrainingRows(NamedTuple):
    """Checked training rows.

    Attributes
    ----------
    matrix : (n, f)
    outcome : (n,) 0.0 and 1.0
    weight : (n,) above zero
    position : (n,) where the row stood in the caller's table; rows of weight zero are left out
    """

    matrix: NDArray[np.float64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]
    position: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        matrix: NDArray[np.float64],
        outcome: NDArray[np.float64],
        weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Return rows of which all count."""
        weights = np.ones(len(matrix)) if weight is None else weight
        return cls(matrix, outcome, weights, np.arange(len(matrix)))

    def take(self, at: NDArray[np.intp]) -> TrainingRows:
        """Return some of the rows."""
        return TrainingRows(self.matrix[at], self.outcome[at], self.weight[at], self.position[at])


class BinaryModel(ClassifierMixin, BaseEstimator):
    """Base of the estimators: a scorer and a calibration make the probabilities.

    A subclass fits `scorer_` and `calibration_` in its `fit`.
    """

    scorer_: Scorer
    calibration_: Calibration
    classes_: NDArray[Any]
    n_features_in_: int

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the scorer's log-odds, before calibration.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN

        Returns
        -------
        (n,) log-odds

        Raises
        ------
        ModelDataError
            X has another number of columns, infinite values, or values that are no numbers.
        """
        check_is_fitted(self)
        return self.scorer_.raw_score(self._checked_matrix(X, reset=False))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities: ``calibration_.apply(scorer_.raw_score(X))`` in column 1.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN

        Returns
        -------
        (n, 2) probabilities in the order of `classes_`

        Raises
        ------
        ModelDataError
            As `decision_function`.
        """
        raw = self.decision_function(X)
        churned = self.calibration_.apply(raw)
        return np.column_stack([1 - churned, churned])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likelier class of each row, (n,).

        Decisions should not rest on it: what a customer is worth and what an action costs
        set the threshold, not one half.
        """
        churned = self.predict_proba(X)[:, 1] > 0.5
        likelier: NDArray[Any] = self.classes_[churned.astype(np.intp)]
        return likelier

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the scorer as plain settings and arrays, as a bundle has it."""
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
        matrix = self._checked_matrix(X, reset=True)
        outcome = self._checked_label(y, len(matrix))
        weight = _checked_weight(sample_weight, len(matrix))
        # A row of weight zero is a row that is not there.
        used = np.flatnonzero(weight > 0)
        if not len(used):
            raise ModelDataError("all sample weights are zero: no row is left to train on")
        rows = TrainingRows.of(matrix, outcome, weight)
        if len(used) < len(matrix):
            rows = rows.take(used)
        churners = int(rows.outcome.sum())
        if churners in {0, len(used)}:
            raise ModelDataError(
                f"the label holds one class only in {len(used)} rows of weight above zero: "
                "training needs customers who left and customers who stayed"
            )
        return rows

    def _checked_matrix(self, X: Any, *, reset: bool) -> NDArray[np.float64]:
        try:
            matrix: NDArray[np.float64] = validate_data(
                self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            )
        except ValueError as refusal:
            raise ModelDataError(redact_values(str(refusal))) from None
        return matrix

    def _checked_label(self, y: Any, rows: int) -> NDArray[np.float64]:
        try:
            label = column_or_1d(y, warn=True)
            if label.dtype.kind == "f" and not np.isfinite(label).all():
                raise ModelDataError(
                    "Input y contains NaN or inf: leave out rows whose outcome is not known"
                )
            check_classification_targets(label)
        except ValueError as refusal:
            raise ModelDataError(redact_values(str(refusal))) from None
        if len(label) != rows:
            raise ModelDataError(f"{len(label)} labels for {rows} rows: give one for each row")
        self.classes_ = np.unique(label)
        if len(self.classes_) > 2:
            raise ModelDataError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"the label holds {len(self.classes_)} classes, and churn has two"
            )
        if len(self.classes_) < 2:
            raise ModelDataError(
                f"the label holds one class only ({rows} rows): training needs customers who "
                "left and customers who stayed; widen the period or the outcome's horizon"
            )
        return np.asarray(label == self.classes_[1], dtype=np.float64)


def check_categories(
    categorical_features: tuple[int, ...] | None, matrix: NDArray[np.float64]
) -> tuple[int, ...]:
    """Return the indices of the columns that hold codes, in order.

    Raises
    ------
    ModelDataError
        An index is outside the matrix, or such a column holds something else than codes.

    Examples
    --------
    >>> check_categories((1,), np.array([[0.5, 0.0], [0.1, 2.0]]))
    (1,)
    """
    columns = tuple(sorted(set(categorical_features or ())))
    if columns and not (columns[0] >= 0 and columns[-1] < matrix.shape[1]):
        raise ModelDataError(
            f"categorical_features names a column outside 0 to {matrix.shape[1] - 1}"
        )
    for at in columns:
        codes = matrix[:, at]
        codes = codes[~np.isnan(codes)]
        # A table by code is as long as its largest code.
        if ((codes < 0) | (codes != np.floor(codes)) | (codes > 1e7)).any():
            raise ModelDataError(
                f"column {at} is declared a category, but does not hold codes 0, 1, 2, ...: "
                "encode it with the contract, missing as NaN"
            )
    return columns


def high_cardinality(
    matrix: NDArray[np.float64], categories: tuple[int, ...], levels: int | None
) -> tuple[int, ...]:
    """Return which of the categories hold more than so many levels; none if `levels` is None.

    Examples
    --------
    >>> high_cardinality(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]]), (0, 1), 2)
    (0,)
    """
    if levels is None:
        return ()
    return tuple(
        at for at in categories if len(np.unique(matrix[~np.isnan(matrix[:, at]), at])) > levels
    )


def _checked_weight(sample_weight: Any, rows: int) -> NDArray[np.float64]:
    if sample_weight is None:
        return np.ones(rows)
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError("sample_weight holds values that are no numbers") from None
    if weight.ndim == 0:
        weight = np.full(rows, float(weight))
    if weight.ndim != 1:
        raise ModelDataError("Sample weights must be 1D array or scalar")
    if len(weight) != rows:
        raise ModelDataError(f"{len(weight)} weights for {rows} rows: give one for each row")
    wrong = int(np.count_nonzero(~np.isfinite(weight) | (weight < 0)))
    if wrong:
        raise ModelDataError(f"{wrong} weights are negative or not finite: mend or drop those rows")
    return weight


def redact_values(message: str) -> str:
    """Return scikit-learn's refusal, without the values of the table that some quote."""
    if "Reshape your data" in message:
        return (
            f"{message.strip().splitlines()[0].rstrip(':')}. Reshape your data: the matrix has "
            "one row for each customer and one column for each feature"
        )
    if "could not convert" in message.lower():
        return "the matrix holds values that are no numbers: encode it with the contract first"
    return message.strip().splitlines()[0]

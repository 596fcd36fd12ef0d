"""Checked training rows, and the checks that estimators share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import validate_data

from churnkit.models.errors import ModelDataError, redact_values
from churnkit.models.frame_encoder import categorical_positions, encode_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.scikit_base import BaseEstimator

__all__ = [
    "TrainingRows",
    "categorical_columns",
    "check_categories",
    "check_features",
    "check_weights",
    "high_cardinality",
    "subsample",
]

# A subsample keeps at least this many rows of the rarer class.
_MIN_RARE_ROWS = 2_000
_MAX_CODE = 1e7


class TrainingRows(NamedTuple):
    """Checked training rows.

    Attributes
    ----------
    matrix : (n, f)
    outcome : (n,) 0.0 and 1.0
    weight : (n,) positive
    position : (n,) index of the row in the caller's table; rows with zero weight are dropped
    """

    matrix: NDArray[np.float64]
    outcome: NDArray[np.float64]
    weight: NDArray[np.float64]
    position: NDArray[np.intp]

    @classmethod
    def from_arrays(
        cls,
        matrix: NDArray[np.float64],
        outcome: NDArray[np.float64],
        weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Return rows that keep their position; weight 1 if not given."""
        weights = np.ones(len(matrix)) if weight is None else weight
        return cls(matrix, outcome, weights, np.arange(len(matrix)))

    def take(self, rows: NDArray[np.intp]) -> TrainingRows:
        """Return a selection of the rows."""
        return TrainingRows(
            self.matrix[rows], self.outcome[rows], self.weight[rows], self.position[rows]
        )


def subsample(rows: TrainingRows, size: int, *, seed: int) -> tuple[TrainingRows, NDArray[np.intp]]:
    """Draw a stratified sample whose weights restore the shares of both classes.

    Parameters
    ----------
    rows
        Checked training rows.
    size
        Number of rows to keep; all of them if there are no more.
    seed
        The same seed draws the same rows.

    Returns
    -------
    rows : TrainingRows
        The sample, in the original order.
    index : (size,) positions of the sample in `rows`

    Examples
    --------
    >>> rows = TrainingRows.from_arrays(np.zeros((10_000, 1)), np.arange(10_000) % 100 == 0.0)
    >>> few, index = subsample(rows, 1_000, seed=0)
    >>> rate = float(few.weight @ few.outcome / few.weight.sum())
    >>> len(index), int(few.outcome.sum()), round(rate, 4)
    (1000, 100, 0.01)
    """
    total = len(rows.matrix)
    if total <= size:
        return rows, np.arange(total)
    generator = np.random.default_rng(seed)
    churned, stayed = (np.flatnonzero(rows.outcome == label) for label in (1, 0))
    rare, common = (churned, stayed) if len(churned) <= len(stayed) else (stayed, churned)
    rare_size = max(round(size * len(rare) / total), min(len(rare), _MIN_RARE_ROWS, size // 2))
    samples = [
        generator.choice(rare, rare_size, replace=False),
        generator.choice(common, size - rare_size, replace=False),
    ]
    factor = np.zeros(total)
    for sample, stratum in zip(samples, (rare, common), strict=True):
        factor[sample] = len(stratum) / len(sample) * size / total
    index = np.sort(np.concatenate(samples))
    sampled = rows.take(index)
    return sampled._replace(weight=sampled.weight * factor[index]), index


def check_features(estimator: BaseEstimator, X: Any, *, reset: bool) -> NDArray[np.float64]:
    """Encode and validate X for an estimator; errors do not quote values of the table.

    Parameters
    ----------
    estimator
        Stores or compares the names and the number of columns, and the encoder of its frames.
    X
        Frame of n rows, or (n, f) matrix with missing as NaN.
    reset
        True when fitting, False when predicting.

    Returns
    -------
    (n, f) float64

    Raises
    ------
    ModelDataError
        X cannot be encoded, has infinite values, or has other columns than in training.
    """
    X = encode_input(estimator, X, reset=reset)
    try:
        matrix: NDArray[np.float64] = validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )
    except ValueError as error:
        raise ModelDataError(redact_values(str(error))) from None
    return matrix


def categorical_columns(estimator: BaseEstimator, matrix: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the positions of an estimator's categorical columns, declared or found in a frame.

    Raises
    ------
    ModelDataError
        As `check_categories`.
    """
    encoder = getattr(estimator, "frame_encoder_", None)
    if encoder is not None:
        positions: tuple[int, ...] = encoder.categorical_positions_
        return positions
    return check_categories(getattr(estimator, "categorical_features", None), matrix)


def check_categories(
    categorical_features: Sequence[Any] | None, matrix: NDArray[np.float64]
) -> tuple[int, ...]:
    """Return the indices of the columns that hold codes, in order.

    Raises
    ------
    ModelDataError
        An index is out of range, or such a column holds values that are not codes.

    Examples
    --------
    >>> check_categories((1,), np.array([[0.5, 0.0], [0.1, 2.0]]))
    (1,)
    """
    columns = categorical_positions(categorical_features, matrix.shape[1])
    for column in columns:
        codes = matrix[:, column]
        codes = codes[~np.isnan(codes)]
        # Tables by code are as long as the largest code.
        if ((codes < 0) | (codes != np.floor(codes)) | (codes > _MAX_CODE)).any():
            raise ModelDataError(
                f"column {column} is declared categorical, but its values are not codes 0, 1, "
                "2, ...: pass a frame, whose categories are encoded, or codes with missing as NaN"
            )
    return columns


def high_cardinality(
    matrix: NDArray[np.float64], categories: tuple[int, ...], max_levels: int | None
) -> tuple[int, ...]:
    """Return the categorical columns with more than `max_levels` levels; none if it is None.

    Examples
    --------
    >>> high_cardinality(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]]), (0, 1), 2)
    (0,)
    """
    if max_levels is None:
        return ()
    return tuple(
        column
        for column in categories
        if len(np.unique(matrix[~np.isnan(matrix[:, column]), column])) > max_levels
    )


def check_weights(sample_weight: Any, rows: int) -> NDArray[np.float64]:
    """Return the weights of the rows, (n,): ones if not given, a scalar repeated.

    Raises
    ------
    ModelDataError
        Weights are not numeric, of another length, negative or not finite, or all zero.

    Examples
    --------
    >>> check_weights(None, 2)
    array([1., 1.])
    """
    if sample_weight is None:
        return np.ones(rows)
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelDataError("sample_weight has values that are not numbers") from None
    if weight.ndim == 0:
        weight = np.full(rows, float(weight))
    if weight.ndim != 1:
        raise ModelDataError("Sample weights must be 1D array or scalar")
    if len(weight) != rows:
        raise ModelDataError(f"{len(weight)} weights for {rows} rows: pass one per row")
    invalid = int(np.count_nonzero(~np.isfinite(weight) | (weight < 0)))
    if invalid:
        raise ModelDataError(
            f"{invalid} weights are negative or not finite: correct or drop those rows"
        )
    if not weight.any():
        raise ModelDataError("all sample weights are zero: no row is left to train on")
    return weight

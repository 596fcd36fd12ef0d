"""Encode frames for estimators: one encoder for pandas, polars and Arrow."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from churnkit.models.errors import ModelDataError, redact_values
from churnkit.models.frame_columns import (
    FrameColumn,
    frame_columns,
    is_frame,
    is_numeric_frame,
    refuse_columns,
)
from churnkit.models.scikit_base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["FrameEncoder", "UnknownCategoryWarning", "categorical_positions", "encode_input"]


class UnknownCategoryWarning(UserWarning):
    """Rows have categories that training did not have; they were read as missing."""


class FrameEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Encode a frame as a matrix of floats, one column each.

    Every estimator of `churnkit.models` encodes its frames with it. Use it alone to feed them to
    another library.

    ========================================  ======================================================
    Column                                    Encoded as
    ========================================  ======================================================
    number, nullable number, decimal          the number
    boolean                                   0 and 1
    duration                                  days
    category, text, `categorical_features`    0, 1, ... in the order of `categories_`
    date, time, list, other                   refused: the message names the column
    ========================================  ======================================================

    Missing values become NaN. So do categories that training did not have, with an
    `UnknownCategoryWarning`. Text is refused if it holds numbers or dates, or a different value in
    nearly every row, as ids do; name such a column in `categorical_features` to keep it.

    Parameters
    ----------
    categorical_features
        Further columns that hold categories: names, positions, or a mask.

    Attributes
    ----------
    categories_ : dict of int to tuple
        For the position of each categorical column, its categories in the order of their codes.
    feature_names_in_ : (f,) names of the columns, if they are strings
    n_features_in_ : int

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"plan": ["year", "month", None], "fee": [9, 12, 8]})
    >>> encoder = FrameEncoder().fit(customers)
    >>> encoder.transform(customers)
    array([[ 1.,  9.],
           [ 0., 12.],
           [nan,  8.]])
    >>> encoder.categories_
    {0: ('month', 'year')}
    """

    n_features_in_: int

    def __init__(
        self, *, categorical_features: Sequence[int] | Sequence[str] | None = None
    ) -> None:
        self.categorical_features = categorical_features

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - the interface of scikit-learn
        """Learn the categories.

        Parameters
        ----------
        X
            Frame of n rows (pandas, polars, Arrow, or a list of dicts), or (n, f) matrix.
        y
            Not used.

        Returns
        -------
        The fitted encoder.

        Raises
        ------
        ModelDataError
            A column cannot be encoded; the message names it and says what to do.
        """
        if not is_frame(X):
            matrix = self._validated(X, reset=True)
            positions = categorical_positions(self.categorical_features, matrix.shape[1])
            self.categories_: dict[int, tuple[Any, ...]] = {
                at: FrameColumn.of(matrix[:, at]).levels() for at in positions
            }
        else:
            self._learn(*frame_columns(X))
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Encode a frame or matrix with the columns of `fit`.

        Parameters
        ----------
        X
            As in `fit`, with the same columns in the same order.

        Returns
        -------
        (n, f) matrix, missing as NaN

        Raises
        ------
        ModelDataError
            Columns are missing, unknown or in another order, or hold another kind of values.
        """
        check_is_fitted(self)
        if not is_frame(X):
            matrix = self._validated(X, reset=False)
            return self._encode(
                [FrameColumn.of(column, name) for name, column in enumerate(matrix.T)]
            )
        labels, columns = frame_columns(X)
        _check_names(self, labels)
        return self._encode(columns)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _learn(self, labels: Sequence[Any], columns: list[FrameColumn]) -> None:
        declared = categorical_positions(self.categorical_features, len(columns), labels)
        refuse_columns(
            {
                column.name: column.problem(is_declared=at in declared)
                for at, column in enumerate(columns)
            }
        )
        validate_data(self, _empty_frame(labels), skip_check_array=True)
        self.categories_ = {
            at: column.levels()
            for at, column in enumerate(columns)
            if at in declared or column.kind in {"text", "category"}
        }

    @property
    def categorical_positions_(self) -> tuple[int, ...]:
        """Positions of the categorical columns."""
        return tuple(self.categories_)

    def _validated(self, X: Any, *, reset: bool) -> NDArray[np.float64]:
        try:
            matrix: NDArray[np.float64] = validate_data(
                self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            )
        except ValueError as error:
            raise ModelDataError(redact_values(str(error))) from None
        return matrix

    def _encode(self, columns: list[FrameColumn]) -> NDArray[np.float64]:
        """Encode columns that were checked by name."""
        matrix = _encode_columns(columns, self.categories_)
        unknown = {
            columns[at].name: columns[at].count_present()
            - int(np.count_nonzero(~np.isnan(matrix[:, at])))
            for at in self.categories_
        }
        if any(unknown.values()):
            counts = ", ".join(f"{name!r} in {count}" for name, count in unknown.items() if count)
            warnings.warn(
                f"categories that training did not have were read as missing: {counts} of "
                f"{len(matrix)} rows",
                UnknownCategoryWarning,
                stacklevel=4,
            )
        return matrix


def encode_input(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X as `validate_data` of scikit-learn reads it: frames as pandas frames of floats.

    Sets `frame_encoder_` of the estimator when fitting: the encoder, or None for a matrix and for
    a frame of numbers without categories.

    Parameters
    ----------
    estimator
        Its `categorical_features`, if it has any, may be names.
    X
        Frame of n rows or (n, f) matrix.
    reset
        True when fitting, False when predicting.

    Returns
    -------
    Frame or matrix of n rows

    Raises
    ------
    ModelDataError
        A column cannot be encoded; the message names it and says what to do.
    """
    if reset:
        declared = getattr(estimator, "categorical_features", None)
        needs_none = not is_frame(X) or (is_numeric_frame(X) and declared is None)
        encoder = None if needs_none else FrameEncoder(categorical_features=declared)
        estimator.frame_encoder_ = encoder
        if encoder is None:
            return X
        labels, columns = frame_columns(X)
        encoder._learn(labels, columns)  # noqa: SLF001 - converted once for both steps
        return _frame(encoder._encode(columns), labels)  # noqa: SLF001
    encoder = getattr(estimator, "frame_encoder_", None)
    if not is_frame(X):
        return X if encoder is None else _encode_matrix(estimator, encoder, X)
    if encoder is None and is_numeric_frame(X):
        return X
    labels, columns = frame_columns(X)
    _check_names(estimator, labels)
    matrix = _encode_columns(columns, {}) if encoder is None else encoder._encode(columns)  # noqa: SLF001
    return _frame(matrix, labels)


def categorical_positions(
    declared: Sequence[Any] | None, columns: int, labels: Sequence[Any] | None = None
) -> tuple[int, ...]:
    """Return the positions of the columns that were declared categorical, in order.

    Parameters
    ----------
    declared
        Names, positions, or a mask of the columns.
    columns
        Number of columns.
    labels
        Names of the columns; not for a matrix.

    Raises
    ------
    ModelDataError
        A name or a position does not exist.

    Examples
    --------
    >>> categorical_positions(["plan"], 2, ["fee", "plan"]), categorical_positions([True, False], 2)
    ((1,), (0,))
    """
    if isinstance(declared, str):
        declared = [declared]
    entries: list[Any] = [] if declared is None else [*declared]
    if entries and all(isinstance(entry, (bool, np.bool_)) for entry in entries):
        if len(entries) != columns:
            raise ModelDataError(
                f"categorical_features is a mask of {len(entries)} values for {columns} columns: "
                "pass one per column, or names"
            )
        entries = np.flatnonzero(entries).tolist()
    names = [entry for entry in entries if isinstance(entry, str)]
    if names and labels is None:
        raise ModelDataError(
            "categorical_features has names, but X is a matrix without column names: pass a frame, "
            "or the positions of the columns"
        )
    position = {label: at for at, label in enumerate(() if labels is None else labels)}
    unknown = [name for name in names if name not in position]
    if unknown:
        raise ModelDataError(
            f"categorical_features has columns that X lacks: {', '.join(map(repr, unknown))}"
        )
    positions = {position[entry] if isinstance(entry, str) else int(entry) for entry in entries}
    if positions and not (min(positions) >= 0 and max(positions) < columns):
        raise ModelDataError(
            f"categorical_features must be column indices from 0 to {columns - 1}, or names"
        )
    return tuple(sorted(positions))


def _encode_columns(
    columns: list[FrameColumn], categories: Mapping[int, tuple[Any, ...]]
) -> NDArray[np.float64]:
    """Encode columns by the categories of training; all others must hold numbers."""
    refuse_columns(
        {
            column.name: _kind_problem(column, categories.get(at))
            for at, column in enumerate(columns)
        }
    )
    rows = len(columns[0].array) if columns else 0
    matrix = np.empty((rows, len(columns)))
    for at, column in enumerate(columns):
        levels = categories.get(at)
        matrix[:, at] = column.numbers() if levels is None else column.codes(levels)
    return matrix


def _kind_problem(column: FrameColumn, levels: tuple[Any, ...] | None) -> str | None:
    """Return the reason why a column does not have the kind that it had in training."""
    problem = column.problem(is_declared=True)
    if problem or column.kind == "empty" or not column.count_present():
        return problem
    if levels is None:
        if column.kind in {"text", "category"}:
            return f"has the kind {column.kind}, but had numbers in training: convert it as there"
    elif levels and column.is_text != isinstance(levels[0], str):
        present, trained = ("text", "numbers") if column.is_text else ("numbers", "text")
        return f"has {present} as categories, but had {trained} in training: convert it as there"
    return None


def _encode_matrix(estimator: Any, encoder: FrameEncoder, X: Any) -> Any:
    """Encode an array of objects by position; an array of numbers has no categories to encode."""
    if not encoder.categories_:
        return X
    array = np.asarray(X, dtype=object) if isinstance(X, (list, tuple)) else X
    if getattr(array, "ndim", 0) != 2:
        return X
    validate_data(estimator, array, reset=False, skip_check_array=True)
    names = getattr(encoder, "feature_names_in_", range(encoder.n_features_in_))
    if getattr(array.dtype, "kind", "") != "O":
        at = next(iter(encoder.categories_))
        raise ModelDataError(
            f"{type(estimator).__name__} was trained on a frame with categories, such as column "
            f"{names[at]!r}: pass a frame with the same columns"
        )
    import pandas as pd

    _, columns = frame_columns(pd.DataFrame(array, columns=[str(name) for name in names]))
    return encoder._encode(columns)  # noqa: SLF001 - by position, as checked above


def _check_names(estimator: Any, labels: Sequence[Any]) -> None:
    try:
        validate_data(estimator, _empty_frame(labels), reset=False, skip_check_array=True)
    except ValueError as error:
        raise ModelDataError(str(error)) from None


def _empty_frame(labels: Sequence[Any]) -> Any:
    return _frame(np.empty((0, len(labels))), labels)


def _frame(matrix: NDArray[np.float64], labels: Sequence[Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(matrix, columns=pd.Index(labels), copy=False)

"""Penalized logistic regression with piecewise linear effects of numbers."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from churnkit.core.stats.newton_logistic import Block, NewtonFit, newton_logistic
from churnkit.models.calibration.fit import row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.classifiers.base import BinaryModel
from churnkit.models.classifiers.logistic_encoding import (
    ColumnEncoding,
    encode_columns,
    limit_knots,
    limit_rows,
)
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import average_held_out, make_folds
from churnkit.models.scorers.additive import LinearScorer
from churnkit.models.scorers.fold_encoding import cross_encode
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import TargetEncoding
from churnkit.models.training_rows import TrainingRows, categorical_columns, high_cardinality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.folds import Fold
    from churnkit.models.scorers.base import Scorer

__all__ = ["STRENGTHS", "LogisticModel"]

# About two values per power of ten: the held-out loss hardly differs between adjacent ones.
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# With more rows, or more of them times squared coefficients, one fold chooses the strength.
MANY_ROWS, MANY_PAIRS = 20_000, 4_000_000_000
_BLOCK_ROWS = 32_768
_MAX_CACHED_CELLS = 2**25  # 256 MB


class LogisticModel(BinaryModel):
    """Logistic regression on linear splines and one-hot categories, with a ridge penalty.

    Numbers are standardized, with knots at quantiles; values outside the training range are
    clipped to it. Missing values have a separate effect. Unseen categories count as missing.

    Parameters
    ----------
    C
        Inverse strength of the penalty, as in scikit-learn; larger fits closer. Chosen among
        `STRENGTHS` by held-out log loss over `cv` folds if not given.
    n_knots
        Number of inner quantiles at which the slope of a number may change; 0 for straight
        lines.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    max_levels
        Number of categories per column with a separate effect; rarer ones share one.
    target_encoding_threshold
        A category with more levels than this is target-encoded: its churn rate and frequency
        replace its codes. No category is encoded if not given.
    max_rows
        Larger tables are thinned evenly to this many rows, enough for a few hundred
        coefficients. Wide tables have fewer knots and rows, so that the time does not grow with
        the square of the columns.
    max_iter
        Maximum number of Newton steps.
    cv
        The folds that choose C: a number, a scikit-learn splitter, or pairs of row numbers.
    seed
        For those folds.

    Attributes
    ----------
    scorer_ : LinearScorer, or TargetEncodedScorer with encoded categories
    calibration_ : Calibration
        The identity.
    classes_ : (2,)
    n_features_in_ : int
    C_ : float
        The C in use.
    n_iter_ : int
        Number of Newton steps.

    Examples
    --------
    >>> X = [[1.0, 0], [2.0, 0], [30.0, 1], [40.0, 1], [3.0, 0], [50.0, 0]]
    >>> model = LogisticModel(C=1.0, n_knots=0, categorical_features=(1,))
    >>> model = model.fit(X, [1, 1, 0, 0, 1, 0])
    >>> model.predict([[1.5, 0.0], [45.0, np.nan]])
    array([1, 0])
    """

    def __init__(
        self,
        *,
        C: float | None = None,
        n_knots: int = 9,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
        max_levels: int = 256,
        target_encoding_threshold: int | None = None,
        max_rows: int = 200_000,
        max_iter: int = 100,
        cv: Any = 5,
        seed: int = 0,
    ) -> None:
        self.C = C
        self.n_knots = n_knots
        self.categorical_features = categorical_features
        self.max_levels = max_levels
        self.target_encoding_threshold = target_encoding_threshold
        self.max_rows = max_rows
        self.max_iter = max_iter
        self.cv = cv
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

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
        """
        rows = self._training_rows(X, y, sample_weight)
        if self.C is None:
            folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
            self.C_ = self._score_held_out(rows, folds)[1]
        else:
            self.C_ = float(self.C)
        design = self._encode(self._thin(rows))
        fitted = self._fit_coefficients(design.blocks(), design.encodings, self.C_)
        if not fitted.converged:
            warnings.warn(
                f"no convergence after {fitted.steps} steps: increase max_iter or decrease C",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.n_iter_: int = max(1, fitted.steps)
        self.scorer_: Scorer = design.scorer(fitted.coefficients)
        self.calibration_: Calibration = Calibration.identity()
        return self

    def _selected_settings(self) -> dict[str, Any]:
        return {"C": self.C_}

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], LogisticModel]:
        """Score each row by a model fitted without it, and choose the penalty.

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
            The same settings with the chosen `C`.
        """
        raw, strength = self._score_held_out(rows, folds)
        return raw, clone(self).set_params(C=strength)

    def _score_held_out(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], float]:
        @cache
        def design(number: int) -> tuple[_Design, Callable[[], Iterable[Block]]]:
            encoded = self._encode(self._thin(rows.take(folds[number].train)))
            return encoded, encoded.blocks()

        # Warm starts: each fit begins at the coefficients of the previous strength.
        starts: list[NDArray[np.float64] | None] = [None] * len(folds)

        def score(strength: float, number: int) -> NDArray[np.float64]:
            encoded, blocks = design(number)
            fitted = self._fit_coefficients(blocks, encoded.encodings, strength, starts[number])
            starts[number] = fitted.coefficients
            held_out = rows.matrix[folds[number].test]
            return encoded.scorer(fitted.coefficients).raw_score(held_out)

        def scores(strength: float, numbers: range) -> NDArray[np.float64]:
            raw = [score(strength, number) for number in numbers]
            return average_held_out(folds[: len(numbers)], raw, len(rows.matrix))

        # The best strength depends on the columns: where steps are slow one fold is enough.
        is_slow = len(rows.matrix) > MANY_ROWS or design(0)[0].pairs > MANY_PAIRS
        strength = self.C
        if strength is None:
            numbers = range(1 if is_slow else len(folds))
            strength = _descend(lambda value: _held_out_loss(rows, scores(value, numbers)))
        raw = []
        for number in range(len(folds)):
            raw.append(score(strength, number))
            if is_slow:
                design.cache_clear()  # one fold in memory at a time
        return average_held_out(folds, raw, len(rows.matrix)), float(strength)

    def _thin(self, rows: TrainingRows) -> TrainingRows:
        """Return at most `max_rows` rows, evenly spaced."""
        return _evenly(rows, self.max_rows)

    def _encode(self, rows: TrainingRows) -> _Design:
        categories = categorical_columns(self, rows.matrix)
        encoded = high_cardinality(rows.matrix, categories, self.target_encoding_threshold)
        target_encoding = None
        if encoded:
            target_encoding = TargetEncoding.fit(rows, encoded)
            rows = rows._replace(matrix=cross_encode(rows, encoded, seed=self.seed))
        native = [column for column in categories if column not in encoded]
        numbers = rows.matrix.shape[1] - len(native)
        encodings = encode_columns(
            rows.matrix,
            rows.weight,
            categories=native,
            n_knots=limit_knots(self.n_knots, rows=len(rows.matrix), numbers=numbers),
            max_levels=self.max_levels,
        )
        width = 1 + sum(encoding.width for encoding in encodings)
        rows = _evenly(rows, limit_rows(width))
        return _Design(rows, encodings, target_encoding)

    def _fit_coefficients(
        self,
        blocks: Callable[[], Iterable[Block]],
        encodings: list[ColumnEncoding],
        strength: float,
        start: NDArray[np.float64] | None = None,
    ) -> NewtonFit:
        if not strength > 0:
            raise ModelDataError(f"C must be above 0, got {strength}")
        penalty = np.full(1 + sum(encoding.width for encoding in encodings), 1 / strength)
        penalty[0] = 0.0  # the intercept is not penalized
        return newton_logistic(blocks, penalty, start=start, max_steps=self.max_iter)


class _Design(NamedTuple):
    """Training rows and the encodings of their columns."""

    rows: TrainingRows
    encodings: list[ColumnEncoding]
    target_encoding: TargetEncoding | None

    @property
    def width(self) -> int:
        """Number of coefficients."""
        return 1 + sum(encoding.width for encoding in self.encodings)

    @property
    def pairs(self) -> int:
        """Number of products that a Newton step adds up."""
        return len(self.rows.matrix) * self.width**2

    def blocks(self) -> Callable[[], Iterable[Block]]:
        """Return a function that yields the encoded rows: cached if they fit in memory."""
        if len(self.rows.matrix) * self.width > _MAX_CACHED_CELLS:
            return self._encoded_blocks
        cached = list(self._encoded_blocks())
        return lambda: cached

    def _encoded_blocks(self) -> Iterator[Block]:
        matrix, outcome, weight, _ = self.rows
        for start in range(0, len(matrix), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            block = matrix[rows]
            columns = [
                encoding.design(block[:, column]) for column, encoding in enumerate(self.encodings)
            ]
            design = np.concatenate([np.ones((len(block), 1)), *columns], axis=1)
            yield Block(design, outcome[rows], weight[rows])

    def scorer(self, coefficients: NDArray[np.float64]) -> Scorer:
        """Return one function per column, each centered on the training rows."""
        matrix, _, weight, _ = self.rows
        bias = float(coefficients[0])
        ends = 1 + np.cumsum([encoding.width for encoding in self.encodings])
        columns = []
        for column, encoding in enumerate(self.encodings):
            effect = encoding.effect(coefficients[ends[column] - encoding.width : ends[column]])
            mean = float(effect.at(matrix[:, column]) @ weight / weight.sum())
            columns.append(effect.centered(mean))
            bias += mean
        linear = LinearScorer(bias, columns)
        if self.target_encoding is None:
            return linear
        return TargetEncodedScorer(self.target_encoding, linear)


def _evenly(rows: TrainingRows, size: int) -> TrainingRows:
    """Return at most `size` rows, evenly spaced."""
    count = len(rows.matrix)
    return rows if count <= size else rows.take(np.arange(size) * count // size)


def _descend(strength_loss: Callable[[float], float]) -> float:
    """Move from the middle strength to the better adjacent one, until neither is better."""
    loss = cache(lambda index: strength_loss(STRENGTHS[index]))
    best = len(STRENGTHS) // 2
    for step in (1, -1):
        while 0 <= best + step < len(STRENGTHS) and loss(best + step) < loss(best):
            best += step
    return STRENGTHS[best]


def _held_out_loss(rows: TrainingRows, raw: NDArray[np.float64]) -> float:
    held = ~np.isnan(raw)
    probability = Calibration.identity().apply(raw[held])
    return float(rows.weight[held] @ row_log_losses(rows.outcome[held], probability))

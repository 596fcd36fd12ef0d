"""Regularised logistic regression that bends where the data ask for it."""

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
from churnkit.models.classifiers.base import (
    BinaryModel,
    TrainingRows,
    check_categories,
    high_cardinality,
)
from churnkit.models.classifiers.logistic_encoding import ColumnEncoding, encode_columns
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import Fold, average_held_out, make_folds
from churnkit.models.scorers.additive import LinearScorer
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import TargetEncoding, cross_encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.scorers.base import Scorer

__all__ = ["STRENGTHS", "LogisticModel"]

# About three to a power of ten: between neighbours the held-out loss hardly differs.
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_BLOCK_ROWS = 32_768
_MANY_ROWS = 20_000
_KEPT_CELLS = 2**25  # 256 MB


class LogisticModel(BinaryModel):
    """Logistic regression on bent numbers and one-hot categories, with a ridge penalty.

    Numbers are standardised and may bend at quantiles; beyond their training range they count
    as its end. Missing values have an effect of their own. Categories that training did not
    see count as missing.

    Parameters
    ----------
    C
        Inverse strength of the penalty, as in scikit-learn; larger fits closer. If not given,
        held-out log loss over `cv` folds chooses among `STRENGTHS`.
    bends
        How many inner quantiles may bend a number's line; 0 for straight lines.
    categorical_features
        Indices of the columns that hold category codes.
    max_levels
        How many categories of a column have an effect of their own; rarer ones share one.
    target_encoding_threshold
        A category of more levels than this is read by how often its customers leave and how
        many there are; all are read one by one if not given.
    max_rows
        Of more rows than this an even part is fitted: so many settle a few hundred
        coefficients.
    max_iter
        How many Newton steps at most.
    cv
        The folds that choose C, if it is not given: how many, a scikit-learn splitter, or pairs
        of row numbers.
    seed
        For those folds.

    Attributes
    ----------
    scorer_ : LinearScorer, or TargetEncodedScorer where a category is wide
    calibration_ : Calibration
        The identity: the model's own log-odds.
    classes_ : (2,)
    n_features_in_ : int
    C_ : float
        The C that was used.
    n_iter_ : int
        How many Newton steps it took.

    Examples
    --------
    >>> X = [[1.0, 0], [2.0, 0], [30.0, 1], [40.0, 1], [3.0, 0], [50.0, 0]]
    >>> model = LogisticModel(C=1.0, bends=0, categorical_features=(1,)).fit(X, [1, 1, 0, 0, 1, 0])
    >>> model.predict([[1.5, 0.0], [45.0, np.nan]])
    array([1, 0])
    """

    def __init__(
        self,
        *,
        C: float | None = None,
        bends: int = 9,
        categorical_features: tuple[int, ...] | None = None,
        max_levels: int = 256,
        target_encoding_threshold: int | None = None,
        max_rows: int = 200_000,
        max_iter: int = 100,
        cv: Any = 5,
        seed: int = 0,
    ) -> None:
        self.C = C
        self.bends = bends
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
        X : (n, f) encoded matrix, missing as NaN
        y : (n,) labels of two classes; the larger one is churn
        sample_weight : (n,) weights of the rows

        Raises
        ------
        ModelDataError
            The rows cannot be trained on; the message says why and what to do.
        """
        rows = self._training_rows(X, y, sample_weight)
        if self.C is None:
            folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
            self.C_ = self._held_out(rows, folds)[1]
        else:
            self.C_ = float(self.C)
        reading = self._reading(self._part(rows))
        fitted = self._coefficients(reading.blocks(), reading.encodings, self.C_)
        if not fitted.converged:
            warnings.warn(
                f"{fitted.steps} steps did not settle: raise max_iter or lower C",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.n_iter_ = max(1, fitted.steps)
        self.scorer_ = reading.scorer(fitted.coefficients)
        self.calibration_ = Calibration.identity()
        return self

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], LogisticModel]:
        """Score each row by a model that did not see it, and find how strong a penalty helps.

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
            The same settings with `C` found.
        """
        raw, strength = self._held_out(rows, folds)
        return raw, clone(self).set_params(C=strength)

    def _held_out(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], float]:
        readings = [self._reading(self._part(rows.take(fold.train))) for fold in folds]
        blocks = [reading.blocks() for reading in readings]
        # Each fit starts where the last one ended, which is near.
        starts: list[NDArray[np.float64] | None] = [None] * len(folds)

        def held_out(strength: float, count: int) -> NDArray[np.float64]:
            parts = []
            for at, fold in enumerate(folds[:count]):
                fitted = self._coefficients(
                    blocks[at], readings[at].encodings, strength, starts[at]
                )
                starts[at] = fitted.coefficients
                scorer = readings[at].scorer(fitted.coefficients)
                parts.append(scorer.raw_score(rows.matrix[fold.test]))
            return average_held_out(folds[:count], parts, len(rows.matrix))

        strength = self.C
        if strength is None:
            # The strength is a matter of the columns, not of the rows: of many, a part suffices.
            judges = len(folds) if len(rows.matrix) <= _MANY_ROWS else 1
            strength = _downhill(lambda tried: _held_out_loss(rows, held_out(tried, judges)))
        return held_out(strength, len(folds)), float(strength)

    def _part(self, rows: TrainingRows) -> TrainingRows:
        """Return rows evenly from first to last, if there are more than needed."""
        count = len(rows.matrix)
        if count <= self.max_rows:
            return rows
        return rows.take(np.arange(self.max_rows) * count // self.max_rows)

    def _reading(self, rows: TrainingRows) -> _Reading:
        categories = check_categories(self.categorical_features, rows.matrix)
        wide = high_cardinality(rows.matrix, categories, self.target_encoding_threshold)
        statistics = None
        if wide:
            statistics = TargetEncoding.fit(rows, wide)
            rows = rows._replace(matrix=cross_encode(rows, wide, seed=self.seed))
        encodings = encode_columns(
            rows.matrix,
            rows.weight,
            categories=[at for at in categories if at not in wide],
            bends=self.bends,
            max_levels=self.max_levels,
        )
        return _Reading(rows, encodings, statistics)

    def _coefficients(
        self,
        blocks: Callable[[], Iterable[Block]],
        encodings: list[ColumnEncoding],
        strength: float,
        start: NDArray[np.float64] | None = None,
    ) -> NewtonFit:
        if not strength > 0:
            raise ModelDataError(f"C is {strength}, and must be above 0")
        penalty = np.full(1 + sum(encoding.width for encoding in encodings), 1 / strength)
        penalty[0] = 0.0  # the churn rate itself is not shrunk
        return newton_logistic(blocks, penalty, start=start, max_steps=self.max_iter)


class _Reading(NamedTuple):
    """Training rows as the regression reads them, and how it reads others."""

    rows: TrainingRows
    encodings: list[ColumnEncoding]
    statistics: TargetEncoding | None

    def blocks(self) -> Callable[[], Iterable[Block]]:
        return _blocks(self.rows, self.encodings)

    def scorer(self, coefficients: NDArray[np.float64]) -> Scorer:
        linear = _folded(coefficients, self.encodings, self.rows)
        return linear if self.statistics is None else TargetEncodedScorer(self.statistics, linear)


def _downhill(loss_of: Callable[[float], float]) -> float:
    """Walk from the middle strength to the neighbour that is better, until neither is."""
    loss = cache(lambda at: loss_of(STRENGTHS[at]))
    best = len(STRENGTHS) // 2
    for step in (1, -1):
        while 0 <= best + step < len(STRENGTHS) and loss(best + step) < loss(best):
            best += step
    return STRENGTHS[best]


def _held_out_loss(rows: TrainingRows, raw: NDArray[np.float64]) -> float:
    held = ~np.isnan(raw)
    probability = Calibration.identity().apply(raw[held])
    return float(rows.weight[held] @ row_log_losses(rows.outcome[held], probability))


def _blocks(rows: TrainingRows, encodings: list[ColumnEncoding]) -> Callable[[], Iterable[Block]]:
    """Return what gives the encoded rows: kept if they are few, else encoded on each pass."""

    def encoded() -> Iterator[Block]:
        for start in range(0, len(rows.matrix), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            block = rows.matrix[part]
            columns = [encoding.design(block[:, at]) for at, encoding in enumerate(encodings)]
            design = np.concatenate([np.ones((len(block), 1)), *columns], axis=1)
            yield Block(design, rows.outcome[part], rows.weight[part])

    cells = len(rows.matrix) * (1 + sum(encoding.width for encoding in encodings))
    if cells > _KEPT_CELLS:
        return encoded
    kept = list(encoded())
    return lambda: kept


def _folded(
    coefficients: NDArray[np.float64], encodings: list[ColumnEncoding], rows: TrainingRows
) -> LinearScorer:
    """Fold the coefficients into one function a column, each centered on the training rows."""
    bias = float(coefficients[0])
    ends = 1 + np.cumsum([encoding.width for encoding in encodings])
    columns = []
    for at, encoding in enumerate(encodings):
        effect = encoding.effect(coefficients[ends[at] - encoding.width : ends[at]])
        mean = float(effect.at(rows.matrix[:, at]) @ rows.weight / rows.weight.sum())
        columns.append(effect.centered(mean))
        bias += mean
    return LinearScorer(bias, columns)

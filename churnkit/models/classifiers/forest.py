"""Forests of scikit-learn, scored from compiled arrays."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone

from churnkit.core.autologging import without_autologging
from churnkit.models.calibration.fit import fit_calibration
from churnkit.models.calibration.maps import Calibration
from churnkit.models.classifiers.base import TargetEncodedModel
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import average_held_out, make_folds
from churnkit.models.scorers.fold_encoding import cross_encode
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import TargetEncoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.folds import Fold
    from churnkit.models.scorers.base import Scorer
    from churnkit.models.training_rows import TrainingRows
    from churnkit.trees import CompiledTrees

__all__ = ["ForestModel", "fit_scale"]

# Log-odds per unit of the mean leaf probability before they are fitted: about the logistic's slope.
_UNIT = 6.0
_LARGEST = float(np.finfo(np.float32).max)


class ForestModel(TargetEncodedModel):
    """Base class of forests, whose log-odds are linear in the mean of the leaves' churn rates.

    Shapley values of a mean of trees are exact; those of its log-odds are if these are linear in it.
    """

    n_trees: int
    scale: tuple[float, float] | None
    cv: Any
    target_encoding_threshold: int | None
    seed: int

    @abstractmethod
    def _make_forest(self, n_trees: int) -> Any:
        """Return an unfitted forest of scikit-learn."""

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
        """
        rows = self._training_rows(X, y, sample_weight)
        scale = self.scale
        if scale is None:
            folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
            scale = fit_scale(self._held_out_shares(rows, folds), rows)
        self.scale_: tuple[float, float] = scale
        encoded = self._target_encoded(rows)
        matrix = cross_encode(rows, encoded, seed=self.seed) if encoded else rows.matrix
        trees = _compile(self._grow(matrix, rows, self.n_trees), matrix, scale)
        self.scorer_: Scorer = (
            TargetEncodedScorer(TargetEncoding.fit(rows, encoded), trees) if encoded else trees
        )
        self.calibration_: Calibration = Calibration.identity()
        return self

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], Self]:
        """Score each row by trees fitted without it, and choose the scale.

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
            The same settings with the chosen `scale`.
        """
        share = self._held_out_shares(rows, folds)
        scale = self.scale or fit_scale(share, rows)
        return scale[0] * (share - 0.5) + scale[1], clone(self).set_params(scale=scale)

    @property
    def _max_levels(self) -> int | None:
        return self.target_encoding_threshold

    def _selected_settings(self) -> dict[str, Any]:
        return {"scale": self.scale_}

    def _held_out_shares(self, rows: TrainingRows, folds: Sequence[Fold]) -> NDArray[np.float64]:
        shares = [self.held_out_share(rows, fold, self.n_trees) for fold in folds]
        return average_held_out(folds, shares, len(rows.matrix))

    def held_out_share(self, rows: TrainingRows, fold: Fold, n_trees: int) -> NDArray[np.float64]:
        """Return the mean churn rate of the leaves of a fold's k held-out rows, (k,)."""
        train, held_out = self._encode_fold(rows, fold, self._target_encoded(rows))
        forest = self._grow(train, rows.take(fold.train), n_trees)
        return np.asarray(forest.predict_proba(_clip(held_out))[:, 1], dtype=np.float64)

    def _grow(self, matrix: NDArray[np.float64], rows: TrainingRows, n_trees: int) -> Any:
        weight = None if (rows.weight == 1).all() else rows.weight
        return self._make_forest(n_trees).fit(_clip(matrix), rows.outcome, weight)


def _clip(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers that single precision holds."""
    return np.clip(matrix, -_LARGEST, _LARGEST)


def fit_scale(share: NDArray[np.float64], rows: TrainingRows) -> tuple[float, float]:
    """Fit slope and intercept of the log-odds in the held-out mean churn rate, (n,)."""
    held_out = ~np.isnan(share)
    fitted = fit_calibration(
        _UNIT * (share[held_out] - 0.5),
        rows.outcome[held_out],
        method="platt",
        sample_weight=rows.weight[held_out],
    )
    slope, _, intercept = fitted.slopes.tolist()
    return _UNIT * slope, intercept


def _compile(forest: Any, matrix: NDArray[np.float64], scale: tuple[float, float]) -> CompiledTrees:
    """Compile a fitted forest, and compare the result with scikit-learn's scores."""
    from churnkit.trees.parsing.scikit_learn import compile_forest

    slope, intercept = scale
    trees = compile_forest(forest, slope=slope, intercept=intercept)
    sample = _clip(np.ascontiguousarray(matrix[:256]))
    expected = slope * (forest.predict_proba(sample)[:, 1] - 0.5) + intercept
    if not np.allclose(trees.raw_score(sample), expected, rtol=0, atol=1e-9 * (1 + abs(slope))):
        raise ModelDataError(
            "the compiled trees differ from scikit-learn's scores: remove the candidate, and "
            "report the versions that churnkit doctor prints"
        )
    return trees

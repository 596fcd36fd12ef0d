"""Extremely randomized trees of scikit-learn, scored from compiled arrays."""

from __future__ import annotations

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

__all__ = ["ExtraTrees"]

# Trees that decide on one fold whether the forest is compared on all of them.
_PILOT_TREES = 30
# Log-odds per unit of the mean leaf probability before they are fitted: about the logistic's slope.
_UNIT = 6.0
_LARGEST = float(np.finfo(np.float32).max)


class ExtraTrees(TargetEncodedModel):
    """Trees with random thresholds, grown down to single rows and averaged.

    They interpolate between similar customers, which wins where customers appear several times or
    form tight groups; elsewhere boosted trees are better. Their log-odds are linear in the mean of
    the leaves' churn rates, so that Shapley values are exact.

    Parameters
    ----------
    n_trees
        Number of trees.
    max_features
        Share of the columns that compete for each split.
    min_child_samples
        Minimum number of rows in a leaf.
    scale
        Slope and intercept of the log-odds in the mean churn rate of the leaves, minus a half;
        fitted on held-out rows over `cv` folds if not given.
    cv
        The folds for `scale`: a number, a scikit-learn splitter, or pairs of row numbers.
    categorical_features
        The columns that hold category codes, by index or name; those of a frame by their types
        if not given.
    target_encoding_threshold
        A category with more levels than this is target-encoded: its churn rate and frequency
        replace its codes, which are otherwise read as numbers.
    num_threads
        Number of threads of scikit-learn.
    seed
        The same seed gives the same trees.

    Attributes
    ----------
    scorer_ : churnkit.trees.CompiledTrees, or TargetEncodedScorer with encoded categories
    calibration_ : Calibration
        The identity.
    scale_ : tuple of float
        Slope and intercept.
    classes_ : (2,)
    n_features_in_ : int

    References
    ----------
    Geurts, Ernst and Wehenkel (2006). Extremely randomized trees. Machine Learning 63.
    doi:10.1007/s10994-006-6226-1

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> model = ExtraTrees(n_trees=20, cv=2).fit(X, X[:, 0] > 0)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array([ True, False])
    """

    def __init__(
        self,
        *,
        n_trees: int = 60,
        max_features: float = 0.6,
        min_child_samples: int = 1,
        scale: tuple[float, float] | None = None,
        cv: Any = 5,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
        target_encoding_threshold: int | None = 8,
        num_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.max_features = max_features
        self.min_child_samples = min_child_samples
        self.scale = scale
        self.cv = cv
        self.categorical_features = categorical_features
        self.target_encoding_threshold = target_encoding_threshold
        self.num_threads = num_threads
        self.seed = seed

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
            scale = _fit_scale(self._held_out_shares(rows, folds), rows)
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
    ) -> tuple[NDArray[np.float64], ExtraTrees]:
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
        scale = self.scale or _fit_scale(share, rows)
        return scale[0] * (share - 0.5) + scale[1], clone(self).set_params(scale=scale)

    def pilot(self, rows: TrainingRows, fold: Fold) -> NDArray[np.float64]:
        """Score a fold's held-out rows by fewer trees.

        Parameters
        ----------
        rows
            Checked training rows.
        fold
            Row numbers for training and for holding out.

        Returns
        -------
        (k,) log-odds of the held-out rows
        """
        share = self._held_out_share(rows, fold, min(self.n_trees, _PILOT_TREES))
        slope, intercept = _fit_scale(share, rows.take(fold.test))
        return slope * (share - 0.5) + intercept

    @property
    def _max_levels(self) -> int | None:
        return self.target_encoding_threshold

    def _selected_settings(self) -> dict[str, Any]:
        return {"scale": self.scale_}

    def _held_out_shares(self, rows: TrainingRows, folds: Sequence[Fold]) -> NDArray[np.float64]:
        shares = [self._held_out_share(rows, fold, self.n_trees) for fold in folds]
        return average_held_out(folds, shares, len(rows.matrix))

    def _held_out_share(self, rows: TrainingRows, fold: Fold, n_trees: int) -> NDArray[np.float64]:
        """Return the mean churn rate of the leaves of a fold's held-out rows."""
        train, held_out = self._encode_fold(rows, fold, self._target_encoded(rows))
        forest = self._grow(train, rows.take(fold.train), n_trees)
        return np.asarray(forest.predict_proba(_clip(held_out))[:, 1], dtype=np.float64)

    def _grow(self, matrix: NDArray[np.float64], rows: TrainingRows, n_trees: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            n_trees,
            criterion="entropy",
            max_features=self.max_features,
            min_samples_leaf=self.min_child_samples,
            random_state=self.seed,
            n_jobs=self.num_threads,
        )
        weight = None if (rows.weight == 1).all() else rows.weight
        return forest.fit(_clip(matrix), rows.outcome, weight)


def _clip(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers that single precision holds."""
    return np.clip(matrix, -_LARGEST, _LARGEST)


def _fit_scale(share: NDArray[np.float64], rows: TrainingRows) -> tuple[float, float]:
    """Fit slope and intercept of the log-odds in the held-out mean churn rate."""
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

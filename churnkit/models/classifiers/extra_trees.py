"""Extremely randomized trees of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.models.classifiers.forest import ForestModel, fit_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from churnkit.models.folds import Fold
    from churnkit.models.training_rows import TrainingRows

__all__ = ["ExtraTrees"]

# Trees that decide on one fold whether the forest is compared on all of them.
_PILOT_TREES = 30


class ExtraTrees(ForestModel):
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
        share = self.held_out_share(rows, fold, min(self.n_trees, _PILOT_TREES))
        slope, intercept = fit_scale(share, rows.take(fold.test))
        return slope * (share - 0.5) + intercept

    def _make_forest(self, n_trees: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(
            n_trees,
            criterion="entropy",
            max_features=self.max_features,
            min_samples_leaf=self.min_child_samples,
            random_state=self.seed,
            n_jobs=self.num_threads,
        )

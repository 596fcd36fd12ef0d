"""The random forest of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.models.classifiers.forest import ForestModel

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RandomForest"]


class RandomForest(ForestModel):
    """Trees on random rows, the best of a few random columns at each split, grown down to single rows.

    Alone they are mostly behind boosted trees, from which their errors differ: a blend of both can be
    ahead of either.

    Parameters
    ----------
    n_trees
        Number of trees.
    max_features
        Share of the columns that compete for each split; the square root of their number if not
        given.
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
    Breiman (2001). Random forests. Machine Learning 45. doi:10.1023/A:1010933404324

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> model = RandomForest(n_trees=20, cv=2).fit(X, X[:, 0] > 0)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array([ True, False])
    """

    def __init__(
        self,
        *,
        n_trees: int = 60,
        max_features: float | None = None,
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

    def _make_forest(self, n_trees: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_trees,
            max_features="sqrt" if self.max_features is None else self.max_features,
            min_samples_leaf=self.min_child_samples,
            random_state=self.seed,
            n_jobs=self.num_threads,
        )

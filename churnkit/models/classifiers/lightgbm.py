"""Gradient-boosted trees with early stopping, compiled to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sklearn.base import clone

from churnkit.models.calibration.maps import Calibration
from churnkit.models.classifiers.base import (
    BinaryModel,
    TrainingRows,
    check_categories,
    high_cardinality,
)
from churnkit.models.classifiers.lightgbm_dask import check_engine, train_on_dask
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import Fold, average_held_out, make_folds
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import TargetEncoding, cross_encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lightgbm
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LightGBMTrees"]

_METRIC = "binary_logloss"


class LightGBMTrees(BinaryModel):
    """LightGBM for churn: small regularised trees, as many as held-out rows ask for.

    Fitting is deterministic: the same rows, settings and seed give the same trees; with Dask
    they depend on how many workers there are, too.

    Parameters
    ----------
    learning_rate, num_leaves, min_child_samples
        As in LightGBM.
    l2
        Penalty on leaf values.
    feature_fraction, row_fraction
        Share of the columns, and of the rows, that each tree may see.
    extra_trees
        Draw one threshold for each column instead of searching them all.
    rounds
        How many trees; if not given, early stopping over `cv` folds finds the number.
    max_rounds, patience
        Early stopping ends after `max_rounds`, or `patience` rounds without a better mean
        log loss over the folds.
    cv
        The folds that early stopping uses, if `rounds` is not given: how many, a scikit-learn
        splitter, or pairs of row numbers.
    categorical_features
        Indices of the columns that hold category codes.
    target_encoding_threshold
        A category of more levels than this is read by how often its customers leave and how
        many there are; all are read one by one if not given.
    monotone_constraints
        For each column 1, -1 or 0: whether churn may only rise with it, only fall, or either.
    num_threads
        How many threads LightGBM may use.
    engine
        Where the trees are fitted once their number is known: ``"local"``, in this process, or
        ``"dask"``, by the workers of the Dask cluster that it is connected to (extra `dask`).
    seed
        The same seed gives the same trees.

    Attributes
    ----------
    scorer_ : churnkit.trees.CompiledTrees, or TargetEncodedScorer where a category is wide
    booster_ : lightgbm.Booster
    calibration_ : Calibration
        The identity: the trees' own log-odds.
    rounds_ : int
        How many trees there are.
    classes_ : (2,)
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> model = LightGBMTrees(rounds=20).fit(X, X[:, 0] > 0)
    >>> model.predict([[2.0, 0.0], [-2.0, 0.0]])
    array([ True, False])
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.03,
        num_leaves: int = 8,
        min_child_samples: int = 20,
        l2: float = 10.0,
        feature_fraction: float = 0.5,
        row_fraction: float = 0.8,
        extra_trees: bool = False,
        rounds: int | None = None,
        max_rounds: int = 2000,
        patience: int = 50,
        cv: Any = 5,
        categorical_features: tuple[int, ...] | None = None,
        target_encoding_threshold: int | None = None,
        monotone_constraints: tuple[int, ...] | None = None,
        num_threads: int = 1,
        engine: str = "local",
        seed: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.l2 = l2
        self.feature_fraction = feature_fraction
        self.row_fraction = row_fraction
        self.extra_trees = extra_trees
        self.rounds = rounds
        self.max_rounds = max_rounds
        self.patience = patience
        self.cv = cv
        self.categorical_features = categorical_features
        self.target_encoding_threshold = target_encoding_threshold
        self.monotone_constraints = monotone_constraints
        self.num_threads = num_threads
        self.engine = engine
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the trees.

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
        check_engine(self.engine)
        rounds = self._enough(rows) if self.rounds is None else self.rounds
        from churnkit.trees import compile_booster

        wide = self._wide(rows)
        matrix = cross_encode(rows, wide, seed=self.seed) if wide else rows.matrix
        self.booster_: lightgbm.Booster = self._train(matrix, rows, wide, rounds)
        self.rounds_ = self.booster_.num_trees()
        trees = compile_booster(self.booster_)
        self.scorer_ = TargetEncodedScorer(TargetEncoding.fit(rows, wide), trees) if wide else trees
        self.calibration_ = Calibration.identity()
        return self

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], LightGBMTrees]:
        """Score each row by trees that did not see it, and find how many trees are enough.

        The number of rounds is the one with the lowest mean log loss over all folds, so it is
        one number, which a refit on all rows can use.

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
            The same settings with `rounds` found.
        """
        import lightgbm

        settings = self._settings(rows)
        callbacks = []
        if self.rounds is None:
            callbacks.append(lightgbm.early_stopping(self.patience, verbose=False))
        wide = self._wide(rows)
        held_out = [rows.matrix[fold.test] for fold in folds]
        matrix, replaced = rows.matrix, None
        if wide:
            # Each fold's rates are its own training rows': others would tell the outcome.
            sets, held_out = self._encoded_folds(rows, folds, wide)
            matrix = cross_encode(rows, wide, seed=self.seed)
            turn = iter(sets)

            def replaced(_: Any, __: Any, given: dict[str, Any]) -> Any:
                return (*next(turn), given)

        found: dict[str, Any] = lightgbm.cv(
            settings | {"metric": _METRIC},
            self._dataset(matrix, rows, wide),
            num_boost_round=self.rounds or self.max_rounds,
            folds=[(fold.train, fold.test) for fold in folds],
            fpreproc=replaced,
            callbacks=callbacks,
            return_cvbooster=True,
        )
        rounds = len(found[f"valid {_METRIC}-mean"])
        parts = [
            booster.predict(part, num_iteration=rounds, raw_score=True)
            for booster, part in zip(found["cvbooster"].boosters, held_out, strict=True)
        ]
        return average_held_out(folds, parts, len(rows.matrix)), clone(self).set_params(
            rounds=rounds
        )

    def _enough(self, rows: TrainingRows) -> int:
        """Return how many trees the held-out rows ask for."""
        folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
        return int(self.cross_fit(rows, folds)[1].get_params()["rounds"])

    def _train(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        wide: tuple[int, ...],
        rounds: int,
    ) -> lightgbm.Booster:
        settings = self._settings(rows)
        if self.engine == "dask":
            return train_on_dask(
                matrix,
                rows,
                settings=settings,
                rounds=rounds,
                categories=self._categories(rows, wide),
            )
        import lightgbm

        return lightgbm.train(settings, self._dataset(matrix, rows, wide), num_boost_round=rounds)

    def _categories(self, rows: TrainingRows, wide: tuple[int, ...]) -> list[int]:
        """Return which columns the trees read as categories."""
        categories = check_categories(self.categorical_features, rows.matrix)
        return [at for at in categories if at not in wide]

    def _wide(self, rows: TrainingRows) -> tuple[int, ...]:
        categories = check_categories(self.categorical_features, rows.matrix)
        return high_cardinality(rows.matrix, categories, self.target_encoding_threshold)

    def _encoded_folds(
        self, rows: TrainingRows, folds: Sequence[Fold], wide: tuple[int, ...]
    ) -> tuple[list[tuple[lightgbm.Dataset, lightgbm.Dataset]], list[NDArray[np.float64]]]:
        """Return each fold's training and held-out sets, and its held-out matrix."""
        sets, held_out = [], []
        for fold in folds:
            inside, outside = rows.take(fold.train), rows.take(fold.test)
            matrix = TargetEncoding.fit(inside, wide).apply(outside.matrix)
            trained = self._dataset(cross_encode(inside, wide, seed=self.seed), inside, wide)
            judged = self._dataset(matrix, outside, wide, reference=trained)
            sets.append((trained, judged))
            held_out.append(matrix)
        return sets, held_out

    def _settings(self, rows: TrainingRows) -> dict[str, Any]:
        settings = {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": self.l2,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.row_fraction,
            "bagging_freq": 1 if self.row_fraction < 1 else 0,
            "extra_trees": self.extra_trees,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.num_threads,
            # A round that splits nothing is no reason to drop columns for good.
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        if self.monotone_constraints is not None:
            further = [0] * len(self._wide(rows))
            settings["monotone_constraints"] = self._checked_constraints(rows.matrix) + further
            settings["monotone_constraints_method"] = "intermediate"
        return settings

    def _checked_constraints(self, matrix: NDArray[np.float64]) -> list[int]:
        constraints = [int(sign) for sign in self.monotone_constraints or ()]
        if len(constraints) != matrix.shape[1] or not set(constraints) <= {-1, 0, 1}:
            raise ModelDataError(
                f"monotone_constraints must hold 1, 0 or -1 for each of {matrix.shape[1]} columns"
            )
        bound = [at for at in self.categorical_features or () if constraints[at]]
        if bound:
            raise ModelDataError(
                f"column {bound[0]} is a category, which has no order to be monotone in: "
                "set its constraint to 0"
            )
        return constraints

    def _dataset(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        wide: tuple[int, ...],
        *,
        reference: lightgbm.Dataset | None = None,
    ) -> lightgbm.Dataset:
        import lightgbm

        return lightgbm.Dataset(
            matrix,
            label=rows.outcome,
            weight=rows.weight,
            reference=reference,
            categorical_feature=self._categories(rows, wide),
            params={"verbosity": -1, "feature_pre_filter": False},
            free_raw_data=False,
        )

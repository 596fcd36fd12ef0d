"""LightGBM with early stopping, compiled to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from churnkit.models.classifiers.base import BoostedTreesModel
from churnkit.models.classifiers.lightgbm_dask import check_engine, deal_rows, train_on_dask
from churnkit.models.folds import average_held_out
from churnkit.models.scorers.fold_encoding import cross_encode, fold_encoding
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.training_rows import categorical_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.dask_rows import DaskRows
    from churnkit.models.folds import Fold
    from churnkit.models.training_rows import TrainingRows
    from churnkit.trees import CompiledTrees

__all__ = ["LightGBMTrees"]

_METRIC = "binary_logloss"


class LightGBMTrees(BoostedTreesModel):
    """LightGBM for churn: small regularized trees, their number chosen on held-out rows.

    Fitting is deterministic: the same rows, settings and seed give the same trees. With Dask
    they also depend on the number of workers.

    Parameters
    ----------
    learning_rate, num_leaves, min_child_samples
        As in LightGBM.
    l2
        Penalty on leaf values.
    feature_fraction, row_fraction
        Share of the columns, and of the rows, that each tree uses.
    extra_trees
        Draw one random threshold per column instead of searching all of them.
    rounds
        Number of trees; chosen by early stopping over `cv` folds if not given.
    max_rounds, patience
        Early stopping ends after `max_rounds`, or `patience` rounds without a better mean
        log loss over the folds.
    cv
        The folds for early stopping: a number, a scikit-learn splitter, or pairs of row numbers.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    target_encoding_threshold
        A category with more levels than this is target-encoded: its churn rate and frequency
        replace its codes. No category is encoded if not given.
    monotone_constraints
        For each column 1, -1 or 0: churn may only rise with it, only fall, or either.
    num_threads
        Number of threads of LightGBM.
    engine
        Where the final trees are fitted: ``"local"``, in this process, or ``"dask"``, on the
        workers of the Dask cluster that the process is connected to (extra `dask`).
    seed
        The same seed gives the same trees.

    Attributes
    ----------
    scorer_ : churnkit.trees.CompiledTrees, or TargetEncodedScorer with encoded categories
    booster_ : lightgbm.Booster
    calibration_ : Calibration
        The identity: the trees' own log-odds.
    rounds_ : int
        Number of trees.
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
        categorical_features: Sequence[int] | Sequence[str] | None = None,
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

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], LightGBMTrees]:
        """Score each row by trees fitted without it; see `BoostedTreesModel.cross_fit`."""
        import lightgbm

        callbacks = []
        if self.rounds is None:
            callbacks.append(lightgbm.early_stopping(self.patience, verbose=False))
        encoded = self._target_encoded(rows)
        held_out = [rows.matrix[fold.test] for fold in folds]
        matrix, use_encoded_sets = rows.matrix, None
        if encoded:
            sets, held_out = self._encoded_datasets(rows, folds, encoded)
            # Only its width is used: each fold replaces the data by its own sets.
            matrix = cross_encode(rows, encoded, seed=self.seed)
            remaining = iter(sets)

            def use_encoded_sets(_: Any, __: Any, params: dict[str, Any]) -> Any:
                return (*next(remaining), params)

        result: dict[str, Any] = lightgbm.cv(
            self._params(rows, matrix) | {"metric": _METRIC},
            self._dataset(matrix, rows, encoded),
            num_boost_round=self.rounds or self.max_rounds,
            folds=[(fold.train, fold.test) for fold in folds],
            fpreproc=use_encoded_sets,
            callbacks=callbacks,
            return_cvbooster=True,
        )
        rounds = len(result[f"valid {_METRIC}-mean"])
        raw = [
            booster.predict(part, num_iteration=rounds, raw_score=True)
            for booster, part in zip(result["cvbooster"].boosters, held_out, strict=True)
        ]
        return average_held_out(folds, raw, len(rows.matrix)), clone(self).set_params(rounds=rounds)

    def _check_settings(self) -> None:
        check_engine(self.engine)

    @property
    def _max_levels(self) -> int | None:
        return self.target_encoding_threshold

    def _fit_trees(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        encoded: tuple[int, ...],
        rounds: int,
    ) -> CompiledTrees:
        import lightgbm

        from churnkit.trees import compile_booster

        params = self._params(rows, matrix)
        if self.engine == "dask":
            self.booster_: lightgbm.Booster = train_on_dask(
                deal_rows(rows._replace(matrix=matrix), seed=self.seed),
                params=params,
                rounds=rounds,
                categories=self._native_categories(rows, encoded),
            )
        else:
            dataset = self._dataset(matrix, rows, encoded)
            self.booster_ = lightgbm.train(params, dataset, num_boost_round=rounds)
        self.rounds_: int = self.booster_.num_trees()
        return compile_booster(self.booster_)

    def refit_on_workers(self, rows: DaskRows) -> LightGBMTrees:
        """Fit the chosen settings to rows that the workers read."""
        from churnkit.trees import compile_booster

        check_is_fitted(self)
        sample = rows.sample
        encoded = self._target_encoded(sample)
        encoding = fold_encoding(rows, encoded, seed=self.seed) if encoded else None
        width = sample.matrix.shape[1] + len(encoded)
        params = self._params(sample, np.empty((0, width)))
        other = LightGBMTrees(**self.get_params(deep=False))
        vars(other).update(vars(self))
        other.booster_ = train_on_dask(
            rows,
            params=params,
            rounds=max(1, self.rounds_),
            categories=self._native_categories(sample, encoded),
            encoding=encoding,
        )
        other.rounds_ = other.booster_.num_trees()
        trees = compile_booster(other.booster_)
        other.scorer_ = (
            trees
            if encoding is None
            else TargetEncodedScorer(encoding.for_new_customers(sample.matrix.shape[1]), trees)
        )
        return other

    def _native_categories(self, rows: TrainingRows, encoded: tuple[int, ...]) -> list[int]:
        """Return the categorical columns that the trees split by their codes."""
        categories = categorical_columns(self, rows.matrix)
        return [column for column in categories if column not in encoded]

    def _encoded_datasets(
        self, rows: TrainingRows, folds: Sequence[Fold], encoded: tuple[int, ...]
    ) -> tuple[list[tuple[lightgbm.Dataset, lightgbm.Dataset]], list[NDArray[np.float64]]]:
        """Return each fold's training and held-out datasets, and its held-out matrix."""
        datasets, matrices = [], []
        for fold in folds:
            train, held_out = self._encode_fold(rows, fold, encoded)
            train_set = self._dataset(train, rows.take(fold.train), encoded)
            test_set = self._dataset(held_out, rows.take(fold.test), encoded, reference=train_set)
            datasets.append((train_set, test_set))
            matrices.append(held_out)
        return datasets, matrices

    def _params(self, rows: TrainingRows, matrix: NDArray[np.float64]) -> dict[str, Any]:
        params = {
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
            # Keep columns that cannot be split on in one fold: another fold may split on them.
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        constraints = self._check_constraints(rows.matrix, matrix.shape[1])
        if constraints is not None:
            params["monotone_constraints"] = constraints
            params["monotone_constraints_method"] = "intermediate"
        return params

    def _dataset(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        encoded: tuple[int, ...],
        *,
        reference: lightgbm.Dataset | None = None,
    ) -> lightgbm.Dataset:
        import lightgbm

        return lightgbm.Dataset(
            matrix,
            label=rows.outcome,
            weight=rows.weight,
            reference=reference,
            categorical_feature=self._native_categories(rows, encoded),
            params={"verbosity": -1, "feature_pre_filter": False},
            free_raw_data=False,
        )

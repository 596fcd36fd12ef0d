"""CatBoost's trees, fitted by CatBoost (extra ``accurate``) and scored from compiled arrays."""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from churnkit.errors import MissingExtraError
from churnkit.models.classifiers.base import BoostedTreesModel
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import average_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.folds import Fold
    from churnkit.models.training_rows import TrainingRows
    from churnkit.trees import CompiledTrees

__all__ = ["CatBoostTrees", "border_count", "catboost_available"]

# CatBoost's default, and the columns beyond which small tables have fewer thresholds.
_MAX_BORDERS, _WIDE_COLUMNS = 254, 100
_MIN_BORDERS, _ROWS_PER_BORDER = 32, 20


def border_count(rows: int, columns: int) -> int:
    """Return the number of thresholds of a column among which a split is chosen.

    With few rows and many columns the thresholds take the time, not the rows.

    Examples
    --------
    >>> border_count(1_000, 20), border_count(1_000, 400), border_count(20_000, 400)
    (254, 50, 254)
    """
    if columns <= _WIDE_COLUMNS:
        return _MAX_BORDERS
    return min(_MAX_BORDERS, max(_MIN_BORDERS, rows // _ROWS_PER_BORDER))


def catboost_available() -> bool:
    """Return whether CatBoost is installed, without importing it.

    Examples
    --------
    >>> catboost_available() in {True, False}
    True
    """
    return find_spec("catboost") is not None


class CatBoostTrees(BoostedTreesModel):
    """CatBoost for churn: oblivious trees, one split per level.

    Categories are target-encoded with rates learned on other rows. The fitted trees are compiled
    to arrays: scoring needs no CatBoost, and a saved model contains no CatBoost file.

    Parameters
    ----------
    learning_rate, depth
        As in CatBoost.
    l2
        Penalty on leaf values.
    rounds
        Number of trees; chosen by early stopping over `cv` folds if not given.
    max_rounds, patience
        Each fold ends after `max_rounds`, or `patience` rounds without a better log loss.
    cv
        The folds for early stopping: a number, a scikit-learn splitter, or pairs of row numbers.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    monotone_constraints
        For each column 1, -1 or 0: churn may only rise with it, only fall, or either.
    num_threads
        Number of threads of CatBoost.
    seed
        The same seed gives the same trees.

    Attributes
    ----------
    scorer_ : CompiledTrees, or TargetEncodedScorer with categories
    calibration_ : Calibration
        The identity: the trees' own log-odds.
    rounds_ : int
        Number of trees.
    classes_ : (2,)
    n_features_in_ : int

    Examples
    --------
    >>> from churnkit.models import ChurnClassifier
    >>> trees = CatBoostTrees(depth=4)
    >>> ChurnClassifier(candidates=[("oblivious", trees)]).candidates[0][1].depth
    4
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.05,
        depth: int = 6,
        l2: float = 3.0,
        rounds: int | None = None,
        max_rounds: int = 1000,
        patience: int = 50,
        cv: Any = 5,
        categorical_features: Sequence[int] | Sequence[str] | None = None,
        monotone_constraints: tuple[int, ...] | None = None,
        num_threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.depth = depth
        self.l2 = l2
        self.rounds = rounds
        self.max_rounds = max_rounds
        self.patience = patience
        self.cv = cv
        self.categorical_features = categorical_features
        self.monotone_constraints = monotone_constraints
        self.num_threads = num_threads
        self.seed = seed

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], CatBoostTrees]:
        """Score each row by trees fitted without it; see `BoostedTreesModel.cross_fit`."""
        encoded = self._target_encoded(rows)
        models, matrices, curves = [], [], []
        for fold in folds:
            train, held_out = self._encode_fold(rows, fold, encoded)
            model = self._train(
                train,
                rows.take(fold.train),
                self.rounds or self.max_rounds,
                evaluation=(held_out, rows.take(fold.test)),
            )
            models.append(model)
            matrices.append(held_out)
            curves.append(model.evals_result_["validation"]["Logloss"])
        rounds = self.rounds or _best_rounds(curves)
        raw = [
            np.asarray(model.predict(matrix, prediction_type="RawFormulaVal", ntree_end=rounds))
            for model, matrix in zip(models, matrices, strict=True)
        ]
        return average_held_out(folds, raw, len(rows.matrix)), clone(self).set_params(rounds=rounds)

    def _check_settings(self) -> None:
        if not catboost_available():
            raise MissingExtraError("accurate", "catboost")

    @property
    def _max_levels(self) -> int:
        return 2  # a category of two levels is a number already

    def _fit_trees(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        encoded: tuple[int, ...],  # noqa: ARG002 - CatBoost reads encoded categories as numbers
        rounds: int,
    ) -> CompiledTrees:
        return _compile(self._train(matrix, rows, rounds), matrix)

    def _train(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        rounds: int,
        *,
        evaluation: tuple[NDArray[np.float64], TrainingRows] | None = None,
    ) -> Any:
        from catboost import CatBoostClassifier, Pool

        params: dict[str, Any] = {}
        constraints = self._check_constraints(rows.matrix, matrix.shape[1])
        if constraints is not None:
            params["monotone_constraints"] = constraints
        if evaluation is not None and self.rounds is None:
            params |= {"od_type": "Iter", "od_wait": self.patience}
        model = CatBoostClassifier(
            iterations=rounds,
            learning_rate=self.learning_rate,
            depth=self.depth,
            l2_leaf_reg=self.l2,
            random_seed=self.seed,
            thread_count=self.num_threads,
            loss_function="Logloss",
            nan_mode="Min",
            border_count=border_count(*matrix.shape),
            use_best_model=False,
            allow_writing_files=False,
            allow_const_label=True,
            verbose=False,
            **params,
        )
        held_out = None
        if evaluation is not None:
            test, test_rows = evaluation
            held_out = Pool(test, test_rows.outcome, weight=test_rows.weight)
        return model.fit(Pool(matrix, rows.outcome, weight=rows.weight), eval_set=held_out)


def _best_rounds(curves: Sequence[Sequence[float]]) -> int:
    """Return the number of trees with the lowest mean log loss, up to the shortest curve."""
    length = min(len(curve) for curve in curves)
    mean = np.mean([curve[:length] for curve in curves], axis=0)
    return int(np.argmin(mean)) + 1


def _compile(model: Any, matrix: NDArray[np.float64]) -> CompiledTrees:
    """Compile a fitted model, and compare the result with CatBoost's scores."""
    from churnkit.trees.parsing.catboost import compile_catboost

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        document = json.loads(path.read_text(encoding="utf-8"))
    trees = compile_catboost(document, n_features=matrix.shape[1])
    sample = np.ascontiguousarray(matrix[:256])
    expected = np.asarray(model.predict(sample, prediction_type="RawFormulaVal"))
    if not np.allclose(trees.raw_score(sample), expected, rtol=0, atol=1e-9):
        raise ModelDataError(
            "the compiled trees differ from CatBoost's scores: remove the candidate, and report "
            "the versions that churnkit doctor prints"
        )
    return trees

"""CatBoost's trees, fitted by CatBoost (extra ``accurate``) and scored from our own arrays."""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone

from churnkit.errors import MissingExtraError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.classifiers.base import (
    BinaryModel,
    TrainingRows,
    check_categories,
    high_cardinality,
)
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import Fold, average_held_out, make_folds
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import TargetEncoding, cross_encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.trees import CompiledTrees

__all__ = ["CatBoostTrees", "catboost_available"]

# A category of two levels is a number already.
_LEVELS = 2


def catboost_available() -> bool:
    """Tell whether CatBoost is installed, without loading it.

    Examples
    --------
    >>> catboost_available() in {True, False}
    True
    """
    return find_spec("catboost") is not None


class CatBoostTrees(BinaryModel):
    """CatBoost for churn: trees that ask the same question on a whole level.

    Categories are read by their churn rates and counts, learned on other rows than the one
    that is read. What is fitted is compiled to plain arrays: scoring needs no CatBoost, and a
    saved model holds none of its files.

    Parameters
    ----------
    learning_rate, depth
        As in CatBoost.
    l2
        Penalty on leaf values.
    rounds
        How many trees; if not given, early stopping over `cv` folds finds the number.
    max_rounds, patience
        Each fold ends after `max_rounds`, or `patience` rounds without a better log loss.
    cv
        The folds that early stopping uses, if `rounds` is not given.
    categorical_features
        Indices of the columns that hold category codes.
    monotone_constraints
        For each column 1, -1 or 0: whether churn may only rise with it, only fall, or either.
    num_threads
        How many threads CatBoost may use.
    seed
        The same seed gives the same trees.

    Attributes
    ----------
    scorer_ : CompiledTrees, or TargetEncodedScorer where there are categories
    calibration_ : Calibration
        The identity: the trees' own log-odds.
    rounds_ : int
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
        categorical_features: tuple[int, ...] | None = None,
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
        MissingExtraError
            CatBoost is not installed.
        """
        rows = self._training_rows(X, y, sample_weight)
        if not catboost_available():
            raise MissingExtraError("accurate", "catboost")
        rounds = self.rounds
        if rounds is None:
            folds = make_folds(self.cv, rows, groups=None, seed=self.seed)
            rounds = int(self.cross_fit(rows, folds)[1].rounds or 1)
        wide = self._wide(rows)
        matrix = cross_encode(rows, wide, seed=self.seed) if wide else rows.matrix
        trees = _compiled(self._fitted(matrix, rows, rounds), matrix)
        self.rounds_ = rounds
        self.scorer_ = TargetEncodedScorer(TargetEncoding.fit(rows, wide), trees) if wide else trees
        self.calibration_ = Calibration.identity()
        return self

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], CatBoostTrees]:
        """Score each row by trees that did not see it, and find how many trees are enough.

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
        wide = self._wide(rows)
        models, held_out, curves = [], [], []
        for fold in folds:
            inside, outside = rows.take(fold.train), rows.take(fold.test)
            matrix, judged = inside.matrix, outside.matrix
            if wide:
                matrix = cross_encode(inside, wide, seed=self.seed)
                judged = TargetEncoding.fit(inside, wide).apply(outside.matrix)
            model = self._fitted(
                matrix, inside, self.rounds or self.max_rounds, judge=(judged, outside)
            )
            models.append(model)
            held_out.append(judged)
            curves.append(model.evals_result_["validation"]["Logloss"])
        rounds = self.rounds or _best_rounds(curves)
        parts = [
            np.asarray(model.predict(judged, prediction_type="RawFormulaVal", ntree_end=rounds))
            for model, judged in zip(models, held_out, strict=True)
        ]
        return average_held_out(folds, parts, len(rows.matrix)), clone(self).set_params(
            rounds=rounds
        )

    def _wide(self, rows: TrainingRows) -> tuple[int, ...]:
        categories = check_categories(self.categorical_features, rows.matrix)
        return high_cardinality(rows.matrix, categories, _LEVELS)

    def _fitted(
        self,
        matrix: NDArray[np.float64],
        rows: TrainingRows,
        rounds: int,
        *,
        judge: tuple[NDArray[np.float64], TrainingRows] | None = None,
    ) -> Any:
        from catboost import CatBoostClassifier, Pool

        further = matrix.shape[1] - rows.matrix.shape[1]
        settings: dict[str, Any] = {}
        if self.monotone_constraints is not None:
            signs = [int(sign) for sign in self.monotone_constraints]
            if len(signs) != rows.matrix.shape[1]:
                raise ModelDataError(
                    "monotone_constraints must hold 1, 0 or -1 for each of "
                    f"{rows.matrix.shape[1]} columns"
                )
            settings["monotone_constraints"] = [*signs, *([0] * further)]
        if judge is not None and self.rounds is None:
            settings |= {"od_type": "Iter", "od_wait": self.patience}
        model = CatBoostClassifier(
            iterations=rounds,
            learning_rate=self.learning_rate,
            depth=self.depth,
            l2_leaf_reg=self.l2,
            random_seed=self.seed,
            thread_count=self.num_threads,
            loss_function="Logloss",
            nan_mode="Min",
            use_best_model=False,
            allow_writing_files=False,
            allow_const_label=True,
            verbose=False,
            **settings,
        )
        shown = None if judge is None else Pool(judge[0], judge[1].outcome, weight=judge[1].weight)
        return model.fit(Pool(matrix, rows.outcome, weight=rows.weight), eval_set=shown)


def _best_rounds(curves: Sequence[Sequence[float]]) -> int:
    """Return how many trees have the lowest mean log loss, as far as all folds went."""
    length = min(len(curve) for curve in curves)
    mean = np.mean([curve[:length] for curve in curves], axis=0)
    return int(np.argmin(mean)) + 1


def _compiled(model: Any, matrix: NDArray[np.float64]) -> CompiledTrees:
    """Compile a fitted model, and hold the result against CatBoost's own scores."""
    from churnkit.trees.parsing.catboost import compile_oblivious

    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / "model.json"
        model.save_model(str(path), format="json")
        document = json.loads(path.read_text(encoding="utf-8"))
    trees = compile_oblivious(document, n_features=matrix.shape[1])
    sample = np.ascontiguousarray(matrix[:256])
    expected = np.asarray(model.predict(sample, prediction_type="RawFormulaVal"))
    if not np.allclose(trees.raw_score(sample), expected, rtol=0, atol=1e-9):
        raise ModelDataError(
            "the compiled trees do not score as CatBoost does: leave the candidate out, and "
            "please report the versions that churnkit doctor prints"
        )
    return trees

"""The models compared by `benchmarks.models`."""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from benchmarks.model_tables import in_days
from churnkit.models import ChurnClassifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.model_tables import Table

TRIALS = 100
INNER_FOLDS = 3
# With at least this many training rows, the tuned peer's trials use one held-out part.
MANY_ROWS = 20_000


class Fold(NamedTuple):
    """Row numbers to fit on, and row numbers to predict."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True)
class Peer:
    """A model in the comparison.

    Attributes
    ----------
    title
        Its name in the results.
    predict
        Fits on a fold's training rows and returns probabilities of its test rows, (n,).
    """

    title: str
    predict: Callable[[Table, Fold], NDArray[np.float64]]


def churnkit(profile: str, **settings: Any) -> Peer:
    def predict(table: Table, fold: Fold) -> NDArray[np.float64]:
        X = table.matrix()
        model = ChurnClassifier(
            profile=profile, seed=0, categorical_features=table.category_indices, **settings
        )
        model.fit(X[fold.train], table.y[fold.train])
        print(model.candidates_.to_frame().to_string(index=False), flush=True)
        return np.asarray(model.predict_proba(X[fold.test])[:, 1])

    return Peer(f"churnkit, {profile}", predict)


def _catboost(table: Table, fold: Fold) -> NDArray[np.float64]:
    from catboost import CatBoostClassifier

    frame = table.frame.apply(in_days)
    for name in table.categories:
        frame[name] = frame[name].fillna("missing").astype(str)
    model = CatBoostClassifier(
        random_seed=0, thread_count=1, verbose=False, allow_writing_files=False
    )
    model.fit(
        frame.iloc[fold.train], table.y[fold.train], cat_features=list(table.category_indices)
    )
    return np.asarray(model.predict_proba(frame.iloc[fold.test])[:, 1])


_PLAIN = {"objective": "binary", "num_threads": 1, "verbosity": -1, "seed": 0}


def _lightgbm(table: Table, fold: Fold) -> NDArray[np.float64]:
    import lightgbm

    X = table.matrix()
    rows = lightgbm.Dataset(
        X[fold.train], table.y[fold.train], categorical_feature=list(table.category_indices)
    )
    return np.asarray(lightgbm.train(_PLAIN, rows).predict(X[fold.test]))


def _lightgbm_tuned(table: Table, fold: Fold) -> NDArray[np.float64]:
    """Tune by TPE on log loss over inner folds; predict by the mean of the inner folds' models."""
    import lightgbm
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X = table.matrix()
    inner, y = X[fold.train], table.y[fold.train]
    splitter = (
        StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=1)
        if len(y) < MANY_ROWS
        else StratifiedShuffleSplit(1, test_size=0.2, random_state=1)
    )
    folds = list(splitter.split(inner, y))
    rows = lightgbm.Dataset(
        inner,
        y,
        categorical_feature=list(table.category_indices),
        params={"verbosity": -1, "feature_pre_filter": False},
        free_raw_data=False,
    )

    def cross_validate(settings: dict[str, Any]) -> tuple[float, list[Any], int]:
        result = lightgbm.cv(
            _PLAIN | {"metric": "binary_logloss", "feature_pre_filter": False} | settings,
            rows,
            num_boost_round=1000,
            folds=folds,
            callbacks=[lightgbm.early_stopping(20, verbose=False)],
            return_cvbooster=True,
        )
        losses = result["valid binary_logloss-mean"]
        return float(losses[-1]), result["cvbooster"].boosters, len(losses)

    def objective(trial: Any) -> float:
        return cross_validate(_suggest_settings(trial))[0]

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=TRIALS)
    _, boosters, rounds = cross_validate(study.best_params | {"bagging_freq": 1})
    parts = [booster.predict(X[fold.test], num_iteration=rounds) for booster in boosters]
    return np.asarray(np.mean(parts, axis=0))


def _suggest_settings(trial: Any) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 2, 64, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 1, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l1": trial.suggest_float("lambda_l1", 1e-4, 10.0, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-4, 100.0, log=True),
        "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
        "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
        "cat_l2": trial.suggest_float("cat_l2", 1.0, 100.0, log=True),
        "bagging_freq": 1,
    }


def autogluon(python: Path, seconds: int) -> Peer:
    """Return AutoGluon in a separate environment: one processor, `best_quality`, log loss."""

    def predict(table: Table, fold: Fold) -> NDArray[np.float64]:
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            frame = table.frame.assign(**{_LABEL: table.y})
            frame.iloc[fold.train].to_parquet(folder / "train.parquet")
            frame.drop(columns=_LABEL).iloc[fold.test].to_parquet(folder / "test.parquet")
            script = Path(__file__).parent / "model_autogluon.py"
            process = subprocess.run(
                [str(python), str(script), str(folder), _LABEL, str(seconds)],
                capture_output=True,
                text=True,
                check=False,
            )
            if process.returncode:
                raise RuntimeError(process.stderr[-2000:])
            print("    autogluon:", json.loads(process.stdout.splitlines()[-1]), flush=True)
            return pd.read_parquet(folder / "probability.parquet")["probability"].to_numpy()

    return Peer(f"AutoGluon best_quality, {seconds} s a fold", predict)


_LABEL = "left_us"


def peers(population_rate: float | None = None) -> dict[str, Peer]:
    """Return the peers that run in this environment."""
    settings = {"population_rate": population_rate}
    return {
        "fast": churnkit("fast", **settings),
        "balanced": churnkit("balanced", **settings),
        "accurate": churnkit("accurate", **settings),
        "catboost": Peer("CatBoost, its defaults", _catboost),
        "lightgbm": Peer("LightGBM, its defaults", _lightgbm),
        "lightgbm-tuned": Peer(f"LightGBM, {TRIALS} Optuna trials", _lightgbm_tuned),
    }


def cpu_seconds() -> float:
    """Return the processor time of this process and its finished children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime

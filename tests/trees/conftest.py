"""Rows and models of every shape, trained by LightGBM, which is also the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

N_FEATURES = 8
CATEGORICAL = [1, 5]

# Name -> (parameters, what is learned, which columns are categories).
SHAPES: dict[str, tuple[dict[str, Any], str, list[int]]] = {
    "binary": ({"objective": "binary"}, "flag", CATEGORICAL),
    "one-hot categories": ({"objective": "binary", "max_cat_to_onehot": 20}, "flag", CATEGORICAL),
    "no categories": ({"objective": "regression"}, "amount", []),
    "zero as missing": ({"objective": "regression", "zero_as_missing": True}, "amount", [1, 5]),
    "nothing missing": ({"objective": "regression", "use_missing": False}, "amount", [1]),
    "square root": ({"objective": "regression", "reg_sqrt": True}, "amount", [1]),
    "absolute error": ({"objective": "regression_l1"}, "amount", [1]),
    "quantile": ({"objective": "quantile", "alpha": 0.7}, "amount", [1]),
    "poisson": ({"objective": "poisson"}, "count", []),
    "gamma": ({"objective": "gamma"}, "positive", [1]),
    "tweedie": ({"objective": "tweedie"}, "count", []),
    "multiclass": ({"objective": "multiclass", "num_class": 4}, "kind", [1]),
    "one against all": ({"objective": "multiclassova", "num_class": 4}, "kind", [1]),
    "cross entropy": ({"objective": "cross_entropy"}, "flag", [1]),
    "cross entropy lambda": ({"objective": "cross_entropy_lambda"}, "flag", [1]),
    "wide bins": ({"objective": "regression", "max_bin": 900, "min_data_in_bin": 1}, "amount", []),
    "255 leaves": ({"objective": "regression", "num_leaves": 255}, "amount", [1]),
    "400 leaves": (
        {"objective": "regression", "num_leaves": 400, "min_data_in_leaf": 2},
        "amount",
        CATEGORICAL,
    ),
    "random forest": (
        {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
        "flag",
        CATEGORICAL,
    ),
    "dart": ({"objective": "binary", "boosting": "dart", "sigmoid": 1.7}, "flag", [1]),
    "no split": ({"objective": "binary", "min_data_in_leaf": 1500}, "flag", []),
    "hundreds of categories": ({"objective": "binary", "max_bin": 400}, "flag", [7]),
}


def _rows(n_rows, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_FEATURES))
    X[:, 1] = rng.integers(0, 12, n_rows)
    X[:, 5] = rng.integers(0, 70, n_rows)
    X[:, 6] = np.where(rng.random(n_rows) < 0.4, 0.0, X[:, 6])
    X[:, 7] = rng.integers(0, 300, n_rows) * 7
    X[rng.random(n_rows) < 0.1, 0] = np.nan
    X[rng.random(n_rows) < 0.1, 1] = np.nan
    return X


def _targets(X):
    known = np.nan_to_num(X)
    amount = known[:, 2] + known[:, 1] % 3 + known[:, 5] % 7 / 3 + known[:, 0] + abs(known[:, 6])
    amount += known[:, 7] % 5 / 3
    return {
        "amount": amount,
        "flag": (amount > np.median(amount)).astype(float),
        "count": np.floor(abs(amount)),
        "positive": abs(amount) + 0.1,
        "kind": np.clip(amount, 0, 3).astype(int),
    }


@pytest.fixture(scope="session")
def rows():
    """1,500 ordinary rows: numbers, categories, zeros and missing values."""
    return _rows(1500, 0)


@pytest.fixture(scope="session")
def train(rows):
    """Train a booster of a named shape, once a session."""
    lightgbm = pytest.importorskip("lightgbm")
    targets, made = _targets(rows), {}

    def run(shape, rounds=7):
        if (shape, rounds) not in made:
            settings, target, categories = SHAPES[shape]
            calm = {"verbose": -1, "num_threads": 1, "seed": 3, "deterministic": True}
            loose = {"min_data_per_group": 5, "cat_smooth": 1.0, "min_data_in_leaf": 5}
            data = lightgbm.Dataset(
                rows, targets[target], categorical_feature=categories, free_raw_data=False
            )
            made[shape, rounds] = lightgbm.train({**calm, **loose, **settings}, data, rounds)
        return made[shape, rounds]

    return run


@pytest.fixture(scope="session")
def stress(rows):
    """Rows of values on which evaluators differ if they differ at all."""

    def make(booster, seed=1, n_rows=400):
        rng = np.random.default_rng(seed)
        lines = booster.model_to_string().splitlines()
        texts = [line[10:].split() for line in lines if line.startswith("threshold=")]
        cuts = np.array([0.0, *(float(word) for words in texts for word in words)])
        tiny = float(np.float32(1e-35))
        odd = [np.inf, -np.inf, np.nan, 0.0, -0.0, 5e-324, 1e-36, 1e-35, -1e-35, tiny, -tiny]
        odd += [np.nextafter(tiny, 1), -1.0, -0.5, -0.999, 0.5, 3.7, 1e9, 1e300, -1e300]
        odd += [2.0**31, -(2.0**31), 2.0**32 + 3, 2.0**63, 99999.0, -7.0]
        near = [cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf)]
        choices = np.concatenate([*near, np.repeat(odd, 1 + len(cuts) // 20)])
        made = rows[rng.integers(0, len(rows), n_rows)].copy()
        replaced = rng.random(made.shape) < 0.5
        made[replaced] = rng.choice(choices, replaced.sum())
        return made

    return make

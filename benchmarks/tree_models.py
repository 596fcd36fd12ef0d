"""Rows and LightGBM models of several sizes, which the benchmarks of the trees score."""

from __future__ import annotations

from typing import Any, NamedTuple

import lightgbm
import numpy as np

__all__ = ["BASE", "SIZES", "Size", "make_rows", "train"]


class Size(NamedTuple):
    """Trees, leaves and columns of a model, and the levels of each of its categories."""

    trees: int = 300
    leaves: int = 31
    columns: int = 30
    levels: tuple[int, ...] = ()

    def __str__(self) -> str:
        size = f"{self.trees:,} trees of {self.leaves} leaves, {self.columns} columns"
        levels = ", ".join(map(str, self.levels))
        return f"{size}, categories of {levels} levels" if levels else f"{size}, numbers"


BASE = Size(levels=(3, 6, 12, 24, 48))
_WIDE = (5, 12, 40, 120, 200)
SIZES = (
    Size(trees=30),
    Size(),
    Size(trees=1000),
    Size(leaves=8),
    Size(leaves=127),
    Size(columns=200),
    Size(levels=_WIDE[:3]),
    Size(levels=_WIDE),
    Size(trees=400, leaves=12, levels=_WIDE),
)


def make_rows(n_rows: int, seed: int, size: Size = BASE) -> Any:
    """Draw columns, ten of them sometimes missing, the last ones categories."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, size.columns))
    for position, levels in enumerate(size.levels, start=size.columns - len(size.levels)):
        X[:, position] = rng.integers(0, levels, n_rows)
    X[:, :10][rng.random((n_rows, 10)) < 0.1] = np.nan
    return X


def train(size: Size = BASE) -> Any:
    """Train on 20,000 rows."""
    X, rng = make_rows(20_000, 0, size), np.random.default_rng(7)
    numbers = min(25, size.columns)
    categorical = list(range(size.columns - len(size.levels), size.columns))
    known = np.nan_to_num(X)
    score = known[:, :numbers] @ rng.normal(size=numbers) * 0.4 + np.abs(known[:, 0])
    score += np.sin(2 * known[:, 3]) * known[:, 11] + 0.5 * known[:, 12] * known[:, 13]
    for position in categorical:
        score += 0.5 * rng.normal(size=max(size.levels))[X[:, position].astype(int)]
    labels = score + rng.logistic(size=len(X)) > 0
    settings = {"objective": "binary", "num_leaves": size.leaves, "learning_rate": 0.05, "seed": 1}
    calm = {"verbose": -1, "num_threads": 1, "deterministic": True, "min_data_per_group": 20}
    data = lightgbm.Dataset(X, labels.astype(float), categorical_feature=categorical)
    return lightgbm.train({**settings, **calm}, data, size.trees)

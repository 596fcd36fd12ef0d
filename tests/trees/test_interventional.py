"""Interventional Shapley values and interactions against their definition."""

import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from churnkit.trees import compile_booster, compile_sklearn

_here = Path(__file__).parent
_definition = runpy.run_path(str(_here / "shapley_definition.py"))
_made = runpy.run_path(str(_here / "random_trees.py"))
shapley_values = _definition["shapley_values"]
shapley_interactions = _definition["shapley_interactions"]
random_model, random_rows = _made["random_model"], _made["random_rows"]
N = 5


def _worth(booster, row, background):
    """Score the background with the known features of a row, by LightGBM."""

    @cache
    def worth(known):
        mixed = background.copy()
        mixed[:, list(known)] = row[list(known)]
        return booster.predict(mixed, raw_score=True, num_threads=1).mean()

    return worth


@pytest.mark.parametrize("seed", range(8))
def test_values_and_interactions_are_those_of_the_definition(seed):
    """Random trees with native categories, missing values and values on thresholds."""
    lightgbm = pytest.importorskip("lightgbm")
    text = random_model(seed, [3 + seed, 12, 20, 2])
    booster, trees = lightgbm.Booster(model_str=text), compile_booster(text)
    rows, background = random_rows(seed, n_rows=4), random_rows(seed + 1, n_rows=30)
    values = trees.contributions(rows, background=background)
    pairs = trees.interactions(rows, background=background)
    for row, found, matrix in zip(rows, values, pairs, strict=True):
        worth = _worth(booster, row, background)
        np.testing.assert_allclose(found[:N], shapley_values(worth, N), rtol=0, atol=1e-12)
        assert found[N] == pytest.approx(worth(()), abs=1e-12)
        np.testing.assert_allclose(
            matrix[:N, :N], shapley_interactions(worth, N), rtol=0, atol=1e-12
        )
        np.testing.assert_array_equal(matrix[N, :N], 0)
        assert matrix[N, N] == found[N]


def test_many_rows_and_classes_sum_to_their_scores(train, stress):
    booster = train("multiclass")
    trees, X = compile_booster(booster), stress(booster, n_rows=150)
    values = trees.contributions(X, background=X[:40]).reshape(150, 4, -1)
    pairs = trees.interactions(X[:50], background=X[:40])
    np.testing.assert_allclose(values.sum(axis=2), trees.raw_score(X), rtol=0, atol=1e-12)
    np.testing.assert_allclose(pairs.sum(axis=3), values[:50], rtol=0, atol=1e-12)


def test_a_background_of_the_row_itself_explains_nothing(train, rows):
    trees = compile_booster(train("binary"))
    values = trees.contributions(rows[:1], background=rows[:1])
    np.testing.assert_array_equal(values[0, :-1], 0)


def test_rows_do_not_depend_on_each_other(train, rows):
    trees = compile_booster(train("255 leaves"))
    together = trees.contributions(rows[:30], background=rows[50:90])
    alone = trees.contributions(rows[7:8], background=rows[50:90])
    np.testing.assert_allclose(alone[0], together[7], rtol=0, atol=1e-14)


def test_an_empty_background_is_refused(train, rows):
    trees = compile_booster(train("binary"))
    for explain in (trees.contributions, trees.interactions):
        with pytest.raises(ValueError, match="at least one row"):
            explain(rows, background=rows[:0])
        with pytest.raises(ValueError, match="shape"):
            explain(rows, background=rows[:, :3])


def _conditional(tree, row, node=0):
    """Return the worth of known features, replacing others by the training rows of each node."""

    def worth(known, node=node):
        if tree.children_left[node] < 0:
            return tree.value[node, 0, 0]
        children = tree.children_left[node], tree.children_right[node]
        if tree.feature[node] in known:
            is_left = np.float32(row[tree.feature[node]]) <= tree.threshold[node]
            return worth(known, children[0] if is_left else children[1])
        parts = [tree.n_node_samples[child] * worth(known, child) for child in children]
        return sum(parts) / tree.n_node_samples[node]

    return worth


@pytest.mark.parametrize("seed", range(5))
def test_path_dependent_interactions_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, N))
    model = DecisionTreeRegressor(max_leaf_nodes=15, random_state=seed)
    model.fit(X, X[:, 0] * X[:, 1] + X[:, 2] * (X[:, 3] > 0) + X[:, 4])
    trees = compile_sklearn(model)
    for row, matrix in zip(X[:5], trees.interactions(X[:5]), strict=True):
        worth = _conditional(model.tree_, row)
        expected = shapley_interactions(worth, N)
        np.testing.assert_allclose(matrix[:N, :N], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", ["binary", "multiclass", "400 leaves", "hundreds of categories"])
def test_path_dependent_interactions_sum_to_the_contributions(train, stress, shape):
    booster = train(shape)
    trees, X = compile_booster(booster), stress(booster, n_rows=60)
    pairs = trees.interactions(X)
    values = trees.contributions(X).reshape(pairs.shape[:-1])
    np.testing.assert_allclose(pairs.sum(axis=-1), values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pairs, np.swapaxes(pairs, -1, -2), rtol=0, atol=1e-15)

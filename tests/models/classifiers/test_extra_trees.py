"""Forests of scikit-learn on arrays: the same scores, exact Shapley values, chosen where they win."""

import itertools
import math

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from churnkit.models import ChurnClassifier, ExtraTrees, LogisticModel, load_scorer
from churnkit.models.folds import make_folds
from churnkit.models.selection.candidates import is_promising, score_candidate
from churnkit.models.training_rows import TrainingRows
from churnkit.trees.parsing.scikit_learn import compile_forest


@pytest.fixture(scope="module")
def repeated():
    """Customers who occur several times with small differences."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 4))
    churned = (np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] > 0.3).astype(int)
    index = np.repeat(np.arange(150), 4)
    X = X[index] + generator.normal(scale=0.01, size=(600, 4))
    X[generator.random(600) < 0.1, 3] = np.nan
    return X, churned[index]


@pytest.fixture(scope="module")
def forest(repeated):
    X, churned = repeated
    forest = ExtraTreesClassifier(7, criterion="entropy", random_state=0).fit(X[::3], churned[::3])
    return forest, compile_forest(forest)


def test_scores_equal_those_of_scikit_learn_also_at_the_thresholds_and_for_missing_values(
    forest, repeated
):
    model, trees = forest
    thresholds = np.concatenate([tree.tree_.threshold for tree in model.estimators_])
    near = [thresholds, np.nextafter(thresholds, np.inf), thresholds.astype(np.float32)]
    rows = np.tile(np.concatenate(near)[:, None], (1, 4)).astype(float)
    rows[::5, 3] = np.nan
    rows[::7, 0] = np.nan  # never missing in training
    for X in (repeated[0], rows):
        expected = model.predict_proba(X)[:, 1] - 0.5
        np.testing.assert_allclose(trees.raw_score(X), expected, rtol=0, atol=1e-12)
        one = [trees.raw_score_row(row) for row in X[:20].tolist()]
        np.testing.assert_array_equal(one, trees.raw_score(X[:20]))


def _value(tree, row, known, node=0):
    """The expectation of a tree, weighting by rows where the column is not known."""
    if tree.children_left[node] < 0:
        return tree.value[node, 0, 1] / tree.value[node, 0].sum()
    left, right = tree.children_left[node], tree.children_right[node]
    value = row[tree.feature[node]]
    if tree.feature[node] in known:
        goes_left = (
            tree.missing_go_to_left[node]
            if np.isnan(value)
            else np.float32(value) <= tree.threshold[node]
        )
        return _value(tree, row, known, left if goes_left else right)
    parts = [
        tree.n_node_samples[child] * _value(tree, row, known, child) for child in (left, right)
    ]
    return sum(parts) / tree.n_node_samples[node]


def test_contributions_are_shapley_values_by_their_definition(forest, repeated):
    model, trees = forest
    row = repeated[0][1]
    columns = range(4)
    expected = np.zeros(5)
    for tree in (each.tree_ for each in model.estimators_):
        expected[-1] += (_value(tree, row, ()) - 0.5) / 7
        for column in columns:
            others = [other for other in columns if other != column]
            for size in range(4):
                share = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
                for known in itertools.combinations(others, size):
                    gain = _value(tree, row, (*known, column)) - _value(tree, row, known)
                    expected[column] += share * gain / 7
    np.testing.assert_allclose(trees.contributions(row[None])[0], expected, rtol=0, atol=1e-12)


def test_a_saved_forest_scores_the_same(repeated):
    X, churned = repeated
    codes = np.column_stack([X, np.arange(600) % 40]).astype(float)
    model = ExtraTrees(n_trees=5, cv=2, categorical_features=(4,)).fit(codes, churned)
    assert model.scorer_.kind == "statistics"
    loaded = load_scorer(model.scorer_.kind, *model.scorer_.to_arrays())
    np.testing.assert_array_equal(loaded.raw_score(codes), model.scorer_.raw_score(codes))
    assert np.isfinite(loaded.raw_score(np.array([[1e300, -1e300, np.nan, 0, 77]]))).all()


def test_it_wins_a_weight_where_customers_repeat_and_is_left_out_elsewhere(repeated):
    X, churned = repeated
    candidates = [("logistic", LogisticModel(C=1.0)), ("forest", ExtraTrees(n_trees=20))]
    model = ChurnClassifier(candidates=candidates, cv=3).fit(X, churned)
    assert "forest" in model.members_
    messages: list[str] = []
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(500, 4))
    chance = 1 / (1 + np.exp(-rows[:, 0]))
    model.fit(rows, generator.random(500) < chance, progress=messages.append)
    assert list(model.members_) == ["logistic"]
    assert any(message.startswith("forest: left out") for message in messages)


def test_a_candidate_without_a_pilot_or_rivals_is_always_compared(repeated):
    X, churned = repeated
    rows = TrainingRows.from_arrays(X, churned.astype(float))
    folds = make_folds(2, rows, groups=None, seed=0)
    assert is_promising(ExtraTrees(), [], rows, folds)
    number = np.zeros(len(X), dtype=np.intp)
    number[folds[1].test] = 1
    logistic = LogisticModel(C=1.0)
    scored = score_candidate("logistic", logistic, rows, folds, number)
    assert is_promising(logistic, [scored], rows, folds)


def test_row_weights_count_as_repeated_rows_do(repeated):
    X, churned = repeated
    weight = np.where(churned == 1, 3.0, 1.0)
    model = ExtraTrees(n_trees=10, cv=3).fit(X, churned, weight)
    plain = ExtraTrees(n_trees=10, cv=3).fit(X, churned)
    assert model.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean()

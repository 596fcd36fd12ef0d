"""Trees of scikit-learn as arrays: its scores, bit for bit, on values where evaluators differ."""

import os
import warnings

import numpy as np
import pytest
from sklearn import dummy, ensemble, tree
from sklearn.linear_model import LogisticRegression

from churnkit.errors import BundleError
from churnkit.trees import CompiledTrees, compile_booster, compile_sklearn
from churnkit.trees.parsing.merge_boosters import average_trees

MODELS = int(os.environ.get("CHURNKIT_FUZZ_MODELS", "12"))
TINY = [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1e-40, 1e-36, -1e-36, 1e-35, 1e-30, 1.0]
FORESTS = {
    "random forest": ensemble.RandomForestClassifier,
    "random forest regressor": ensemble.RandomForestRegressor,
    "extra trees": ensemble.ExtraTreesClassifier,
    "extra trees regressor": ensemble.ExtraTreesRegressor,
    "decision tree": tree.DecisionTreeClassifier,
    "decision tree regressor": tree.DecisionTreeRegressor,
    "extra tree": tree.ExtraTreeClassifier,
}


@pytest.fixture(params=[pytest.param(True, id="numba"), pytest.param(False, id="numpy")])
def fast(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


def _data(rng, *, n_classes, has_missing=True):
    """Draw columns of normal numbers, tiny numbers, few numbers and categories."""
    X = rng.normal(size=(200, 5))
    X[:, 1] = rng.choice(TINY, 200)
    X[:, 2] = rng.integers(0, 4, 200) / 3
    X[:, 3] = rng.choice([0, 1, 2, 5, 7, 40, 90, 1000], 200)
    X[:, 4] = rng.integers(0, 30, 200)
    score = X[:, 0] + (X[:, 1] > 1e-36) + X[:, 3] % 3 + rng.normal(size=200)
    if has_missing:
        X[rng.random((200, 5)) < 0.1] = np.nan
    y = score if n_classes == 0 else (np.argsort(np.argsort(score)) * n_classes) // 200
    return X, y


def _stress(rng, X, thresholds, *, largest=np.inf, has_missing=True):
    """Draw rows of values on thresholds, next to them, tiny, and unknown."""
    cuts = np.clip(thresholds, -3e38, 3e38)
    near = [cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf)]
    single = cuts.astype(np.float32)
    near += [single, np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-9))]
    odd = [*TINY, 0.5, 3.7, -0.5, -1.0, 6.0, 40.0, 255.0, 256.0, 260.0, 1e9, -1e300, 1e300]
    odd += [np.inf, -np.inf, np.nan, 2.0**31, 2.0**63, 1000.5]
    choices = np.concatenate([*near, np.repeat(odd, 1 + len(cuts) // 20)]).astype(float)
    rows = X[rng.integers(0, len(X), 300)].copy()
    replaced = rng.random(rows.shape) < 0.5
    rows[replaced] = rng.choice(choices, replaced.sum())
    rows = np.where(np.abs(rows) > largest, 1.0, rows)
    return rows if has_missing else np.nan_to_num(rows, nan=0.25)


def _equal(trees, rows, expected):
    """Hold the scores of a batch, of few rows, and of saved arrays."""
    np.testing.assert_array_equal(trees.raw_score(rows), expected)
    np.testing.assert_array_equal(trees.raw_score(rows[:9]), expected[:9])
    if trees.n_outputs == 1:
        alone = [trees.predict_row(row) for row in rows[:9].tolist()]
        np.testing.assert_array_equal(alone, expected[:9])
    again = CompiledTrees.from_arrays(*trees.to_arrays(), fast=False)
    np.testing.assert_array_equal(again.raw_score(rows), expected)


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_histogram_boosting_scores_the_same_bits(fast, n_classes):
    kind = ensemble.HistGradientBoostingClassifier
    if n_classes == 0:
        kind = ensemble.HistGradientBoostingRegressor
    for seed in range(MODELS):
        rng = np.random.default_rng(seed)
        X, y = _data(rng, n_classes=n_classes, has_missing=bool(seed % 4))
        categorical = [[3, 4], None, [3], [0, 3]][seed % 4]
        if categorical == [0, 3]:
            X[:, 0] = np.floor(3 * np.abs(X[:, 0]))
        settings = {"max_iter": 4, "max_leaf_nodes": 9, "min_samples_leaf": 3, "random_state": seed}
        model = kind(categorical_features=categorical, **settings).fit(X, y)
        thresholds = [each.nodes["num_threshold"] for part in model._predictors for each in part]
        rows = _stress(rng, X, np.concatenate(thresholds))
        coded = rows[:, categorical or []]
        # scikit-learn refuses infinite categories.
        rows[:, categorical or []] = np.where(np.isinf(coded), 1e9, coded)
        expected = model._raw_predict(rows)
        trees = compile_sklearn(model, fast=fast)
        _equal(trees, rows, expected[:, 0] if trees.n_outputs == 1 else expected)
        predicted = trees.predict(rows)
        by_model = model.predict(rows) if n_classes == 0 else model.predict_proba(rows)
        by_model = by_model[:, 1] if n_classes == 2 else by_model
        np.testing.assert_allclose(predicted, by_model, rtol=1e-12)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "absolute_error", "quantile"])
def test_histogram_boosting_predicts_by_its_loss(loss):
    rng = np.random.default_rng(0)
    X, y = _data(rng, n_classes=0)
    settings = {"quantile": 0.8} if loss == "quantile" else {}
    model = ensemble.HistGradientBoostingRegressor(loss=loss, max_iter=5, **settings)
    model.fit(X, np.abs(y) + 0.1)
    np.testing.assert_allclose(compile_sklearn(model).predict(X), model.predict(X), rtol=1e-12)


@pytest.mark.parametrize("name", FORESTS)
def test_forests_predict_the_same_bits(fast, name):
    kind = FORESTS[name]
    for seed in range(MODELS):
        rng = np.random.default_rng(seed)
        has_missing = bool(seed % 2)
        n_classes = 0 if "regressor" in name else 2 + seed % 3 // 2
        X, y = _data(rng, n_classes=n_classes, has_missing=has_missing)
        X[:, 4] *= 1e-39
        settings = {} if "tree" in name.split() else {"n_estimators": 6}
        model = kind(max_depth=None if seed % 3 else 4, random_state=seed, **settings).fit(X, y)
        members = [each.tree_ for each in getattr(model, "estimators_", [model])]
        thresholds = np.concatenate([each.threshold for each in members])
        rows = _stress(rng, X, thresholds, largest=3e38, has_missing=has_missing)
        trees = compile_sklearn(model, fast=fast)
        expected = model.predict(rows) if n_classes == 0 else model.predict_proba(rows)
        expected = expected[:, 1] if n_classes == 2 else expected
        np.testing.assert_array_equal(trees.predict(rows), expected)
        np.testing.assert_array_equal(trees.predict(rows[:7]), expected[:7])
        _equal(trees, rows, trees.raw_score(rows))


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_gradient_boosting_scores_the_same_bits(fast, n_classes):
    kind = ensemble.GradientBoostingClassifier
    if n_classes == 0:
        kind = ensemble.GradientBoostingRegressor
    for seed in range(MODELS):
        rng = np.random.default_rng(seed)
        X, y = _data(rng, n_classes=n_classes, has_missing=False)
        settings = {"init": "zero"} if seed % 3 == 0 else {}
        if n_classes == 2 and seed % 2:
            settings["loss"] = "exponential"
        model = kind(n_estimators=5, max_depth=4, random_state=seed, **settings).fit(X, y)
        thresholds = [each.tree_.threshold for each in model.estimators_.reshape(-1)]
        cuts = np.concatenate(thresholds)
        rows = _stress(rng, X, cuts, largest=3e38, has_missing=False)
        trees = compile_sklearn(model, fast=fast)
        raw = model.decision_function(rows) if n_classes else model.predict(rows)
        _equal(trees, rows, raw)
        if n_classes:
            expected = model.predict_proba(rows)
            expected = expected[:, 1] if n_classes == 2 else expected
            np.testing.assert_allclose(trees.predict(rows), expected, rtol=1e-12)


def test_contributions_of_a_booster_with_categories_sum_to_its_scores(fast):
    rng = np.random.default_rng(1)
    X, y = _data(rng, n_classes=2)
    model = ensemble.HistGradientBoostingClassifier(categorical_features=[3, 4], max_iter=9)
    trees = compile_sklearn(model.fit(X, y), fast=fast)
    np.testing.assert_allclose(
        trees.contributions(X).sum(axis=1), model.decision_function(X), rtol=0, atol=1e-12
    )


def test_models_that_cannot_be_compiled_are_refused():
    rng = np.random.default_rng(2)
    X, y = _data(rng, n_classes=2, has_missing=False)
    with pytest.raises(BundleError, match="LogisticRegression is not supported"):
        compile_sklearn(LogisticRegression().fit(X[:, :1], y))
    two = ensemble.RandomForestRegressor(3).fit(X, np.stack([y, y], axis=1))
    with pytest.raises(BundleError, match="2 targets"):
        compile_sklearn(two)
    other = ensemble.GradientBoostingClassifier(init=tree.DecisionTreeClassifier(), n_estimators=2)
    with pytest.raises(BundleError, match="init=None"):
        compile_sklearn(other.fit(X, y))
    start = dummy.DummyClassifier(strategy="stratified")
    by_chance = ensemble.GradientBoostingClassifier(init=start, n_estimators=2)
    with pytest.raises(BundleError, match="random scores"):
        compile_sklearn(by_chance.fit(X, y))
    X[:, 2] -= 5.5
    negative = ensemble.HistGradientBoostingClassifier(categorical_features=[2], max_iter=2)
    with pytest.raises(BundleError, match="whole numbers"):
        compile_sklearn(negative.fit(X, y))
    words = np.array(["plan", "trial"], object)[(X[:, :1] > 0).astype(int)]
    named = ensemble.HistGradientBoostingClassifier(categorical_features=[0], max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named.fit(words, y)
    with pytest.raises(BundleError, match="whole numbers"):
        compile_sklearn(named)


def test_models_of_two_libraries_are_not_averaged(train):
    rng = np.random.default_rng(3)
    X = np.hstack([_data(rng, n_classes=2, has_missing=False)[0]] * 2)[:, :8]
    forest = compile_sklearn(ensemble.RandomForestRegressor(2).fit(X, X[:, 0]))
    with pytest.raises(ValueError, match="one library"):
        average_trees([compile_booster(train("binary")), forest])


def test_saved_arrays_name_how_values_are_compared():
    rng = np.random.default_rng(4)
    X, y = _data(rng, n_classes=2)
    settings, arrays = compile_sklearn(
        ensemble.HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    ).to_arrays()
    assert (settings["format"], settings["comparison"]) == (2, "exact")
    for change in ({"comparison": "other"}, {"comparison": 1}, {"format": 1}):
        with pytest.raises(BundleError, match="comparison"):
            CompiledTrees.from_arrays(settings | change, arrays)

"""CatBoost's trees of numbers as arrays: the same bits as CatBoost's own raw scores."""

import os

import numpy as np
import pytest

from churnkit.errors import BundleError
from churnkit.trees import CompiledTrees, compile_catboost

catboost = pytest.importorskip("catboost")
MODELS = int(os.environ.get("CHURNKIT_FUZZ_MODELS", "8"))
TINY = [0.0, -0.0, 1e-45, -1e-45, 1e-40, 1e-36, 1e-35, 1e-30, 1.0]


@pytest.fixture(params=[pytest.param(True, id="numba"), pytest.param(False, id="numpy")])
def fast(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


def _data(rng):
    X = rng.normal(size=(300, 4))
    X[:, 1] = rng.choice(TINY, 300)
    X[:, 2] = rng.integers(0, 4, 300) / 3
    score = X[:, 0] + (X[:, 1] > 1e-36) + X[:, 2] + rng.normal(size=300)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, score


def _fit(seed, rng):
    X, score = _data(rng)
    settings = {"iterations": 4 + 5 * (seed % 7), "depth": 1 + seed % 6, "random_seed": seed}
    settings |= {"verbose": False, "thread_count": 1, "allow_writing_files": False}
    if seed % 3 == 0:
        return X, catboost.CatBoostRegressor(**settings).fit(X, score)
    if seed % 3 == 1:
        model = catboost.CatBoostRegressor(loss_function="Poisson", **settings)
        return X, model.fit(X, np.floor(np.abs(score)))
    return X, catboost.CatBoostClassifier(boost_from_average=seed % 2 > 0, **settings).fit(
        X, score > 0.5
    )


def test_random_models_score_the_same_bits(fast):
    for seed in range(MODELS):
        rng = np.random.default_rng(seed)
        X, model = _fit(seed, rng)
        trees = compile_catboost(model, fast=fast)
        cuts = trees.to_arrays()[1]["threshold"]
        near = [cuts, np.nextafter(cuts, 9), np.nextafter(cuts, -9), cuts.astype(np.float32)]
        odd = np.repeat([*TINY, np.nan, np.inf, -np.inf, 1e300, -1e300, 3.7], 5)
        rows = X[rng.integers(0, 300, 300)].copy()
        replaced = rng.random(rows.shape) < 0.5
        rows[replaced] = rng.choice(np.concatenate([*near, odd]), replaced.sum())
        raw = model.predict(rows, prediction_type="RawFormulaVal")
        np.testing.assert_array_equal(trees.raw_score(rows), raw)
        np.testing.assert_array_equal(trees.raw_score(rows[:9]), raw[:9])
        assert [trees.predict_row(row) for row in rows[:9].tolist()] == raw[:9].tolist()
        again = CompiledTrees.from_arrays(*trees.to_arrays(), fast=fast)
        np.testing.assert_array_equal(again.raw_score(rows), raw)
        kind = {1: "Exponent", 2: "Probability"}.get(seed % 3, "RawFormulaVal")
        predicted = np.atleast_2d(model.predict(rows, prediction_type=kind).T)[-1]
        np.testing.assert_allclose(trees.predict(rows), predicted, rtol=1e-12)


@pytest.mark.parametrize("kind", ["categorical", "text", "embedding"])
def test_a_model_that_also_read_other_columns_is_refused(kind):
    document = {
        "oblivious_trees": [],
        "scale_and_bias": [1, [0.0]],
        "features_info": {"float_features": [], f"{kind}_features": [{"flat_feature_index": 0}]},
    }
    with pytest.raises(BundleError, match=f"{kind} features"):
        compile_catboost(document)


def test_models_that_cannot_be_compiled_are_refused():
    rng = np.random.default_rng(0)
    X, score = _data(rng)
    calm = {"iterations": 2, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    several = catboost.CatBoostClassifier(loss_function="MultiClass", **calm)
    with pytest.raises(BundleError, match="several outputs"):
        compile_catboost(several.fit(X, np.clip(score, 0, 2).astype(int)))
    other = catboost.CatBoostRegressor(loss_function="LogCosh", **calm)
    with pytest.raises(BundleError, match="LogCosh"):
        compile_catboost(other.fit(X, score))
    coded = X.astype(object)
    coded[:, 2] = [str(value) for value in X[:, 2]]
    named = catboost.CatBoostClassifier(cat_features=[2], **calm)
    with pytest.raises(BundleError, match="categories"):
        compile_catboost(named.fit(coded, score > 0))

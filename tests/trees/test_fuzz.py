"""Random models. CHURNKIT_FUZZ_MODELS sets how many each test compares, here and in `parsing`."""

import contextlib
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from churnkit.errors import BundleError
from churnkit.trees import CompiledTrees, compile_booster

_made = runpy.run_path(str(Path(__file__).with_name("random_trees.py")))
random_model, random_rows = _made["random_model"], _made["random_rows"]

seeds = st.integers(0, 2**32 - 1)
sizes = st.lists(st.integers(2, 40), min_size=1, max_size=6)
calm = settings(
    deadline=None,
    max_examples=int(os.environ.get("CHURNKIT_FUZZ_MODELS", "40")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=[pytest.param(True, id="numba"), pytest.param(False, id="numpy")])
def fast(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


@given(seed=seeds, sizes=sizes)
@calm
def test_random_trees_score_and_explain_as_lightgbm_does(fast, seed, sizes):
    lightgbm = pytest.importorskip("lightgbm")
    text, X = random_model(seed, sizes), random_rows(seed)
    booster, trees = lightgbm.Booster(model_str=text), compile_booster(text, fast=fast)
    expected = booster.predict(X, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(trees.raw_score(X), expected)
    np.testing.assert_array_equal([trees.predict_row(row) for row in X[:9].tolist()], expected[:9])
    contributions = booster.predict(X[:30], pred_contrib=True, num_threads=1)
    np.testing.assert_allclose(trees.contributions(X[:30]), contributions, rtol=0, atol=1e-9)


@given(seed=seeds, sizes=st.lists(st.integers(2, 40), min_size=1, max_size=24), data=st.data())
@calm
def test_random_trees_score_blocks_and_ranges_of_trees_as_lightgbm_does(fast, seed, sizes, data):
    """Many trees, so that the nodes of a column need several words of answers."""
    lightgbm = pytest.importorskip("lightgbm")
    text, X = random_model(seed, sizes), random_rows(seed, n_rows=300)
    booster, trees = lightgbm.Booster(model_str=text), compile_booster(text, fast=fast)
    expected = booster.predict(X, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(trees.raw_score(X), expected)
    first = data.draw(st.integers(0, len(sizes) - 1))
    last = data.draw(st.integers(first + 1, len(sizes)))
    np.testing.assert_array_equal(
        trees.predict(X, raw_score=True, start_tree=first, end_tree=last),
        booster.predict(
            X, raw_score=True, start_iteration=first, num_iteration=last - first, num_threads=1
        ),
    )
    np.testing.assert_array_equal(trees.leaf_indices(X), booster.predict(X, pred_leaf=True))


@given(seed=seeds, size=st.integers(2, 30))
@calm
def test_random_multiclass_trees_score_as_lightgbm_does(fast, seed, size):
    lightgbm = pytest.importorskip("lightgbm")
    text = random_model(seed, [size, 2, size + 3] * 2, per_round=3)
    booster, trees = lightgbm.Booster(model_str=text), compile_booster(text, fast=fast)
    X = random_rows(seed)
    expected = booster.predict(X, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(trees.predict(X, raw_score=True), expected)
    np.testing.assert_allclose(trees.predict(X).sum(axis=1), 1.0)


@given(seed=seeds, at=st.floats(0, 1), put=st.text(max_size=3), cut=st.integers(0, 8))
@settings(deadline=None, max_examples=150)
def test_a_damaged_text_is_refused_or_still_makes_trees(seed, at, put, cut):
    text = random_model(seed % 5, [7, 12])
    place = int(at * len(text))
    damaged = text[:place] + put + text[place + cut :]
    try:
        trees = compile_booster(damaged, fast=False)
    except BundleError:
        return
    scores = trees.raw_score(np.zeros((2, trees.n_features)))
    assert scores.shape in {(2,), (2, trees.n_outputs)}


@given(seed=seeds, data=st.data())
@settings(deadline=None, max_examples=200)
def test_tampered_arrays_are_refused_or_stay_within_bounds(seed, data):
    saved, arrays = compile_booster(random_model(seed % 7, [9, 4])).to_arrays()
    arrays = {name: array.copy() for name, array in arrays.items()}
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    numbers = st.sampled_from([-(2**31), -9, -1, 0, 1, 2, 7, 11, 255, 2**20, 2**31 - 1])
    if len(array):
        place = data.draw(st.integers(0, len(array) - 1))
        limits = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
        value = data.draw(numbers if limits else st.floats())
        array[place] = np.clip(value, limits.min, limits.max) if limits else value
    if data.draw(st.booleans()):
        arrays[name] = array[: data.draw(st.integers(0, len(array)))]
    try:
        trees = CompiledTrees.from_arrays(saved, arrays, fast=False)
    except BundleError:
        return
    X = random_rows(seed)
    assert len(trees.raw_score(X)) == len(X)
    assert trees.leaf_indices(X).shape == (len(X), 2)
    with contextlib.suppress(BundleError):
        assert len(trees.contributions(X[:3])) == 3


@example(seed=0)
@given(seed=seeds)
@settings(deadline=None, max_examples=5)
def test_the_same_text_makes_the_same_arrays(seed):
    text = random_model(seed, [5, 9])
    first, second = compile_booster(text).to_arrays(), compile_booster(text).to_arrays()
    assert first[0] == second[0]
    for name, array in first[1].items():
        assert array.tobytes() == second[1][name].tobytes()

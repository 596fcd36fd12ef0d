import numpy as np
import pytest

from churnkit.trees import CompiledTrees, compile_booster

SHAPES = [
    "binary",
    "one-hot categories",
    "no categories",
    "zero as missing",
    "nothing missing",
    "square root",
    "absolute error",
    "quantile",
    "poisson",
    "gamma",
    "tweedie",
    "multiclass",
    "one against all",
    "cross entropy",
    "cross entropy lambda",
    "wide bins",
    "255 leaves",
    "400 leaves",
    "random forest",
    "dart",
    "no split",
    "hundreds of categories",
]
ENGINES = [pytest.param(True, id="numba"), pytest.param(False, id="numpy")]


@pytest.fixture(params=SHAPES)
def booster(request, train):
    return train(request.param)


@pytest.fixture(params=ENGINES)
def fast(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


def reference(booster, X, **settings):
    return booster.predict(X, num_threads=1, **settings)


def test_raw_scores_are_the_same_bits_on_ordinary_rows(booster, rows, fast):
    trees = compile_booster(booster, fast=fast)
    np.testing.assert_array_equal(
        trees.predict(rows, raw_score=True), reference(booster, rows, raw_score=True)
    )


def test_raw_scores_are_the_same_bits_on_stress_values(booster, stress, fast):
    trees, X = compile_booster(booster, fast=fast), stress(booster)
    np.testing.assert_array_equal(
        trees.predict(X, raw_score=True), reference(booster, X, raw_score=True)
    )


def test_few_rows_score_as_many_do(booster, stress, fast):
    trees, X = compile_booster(booster, fast=fast), stress(booster)
    together = trees.predict(X, raw_score=True)
    np.testing.assert_array_equal(trees.predict(X[30:70], raw_score=True), together[30:70])
    if trees.n_outputs == 1:
        alone = [trees.predict_row(row) for row in X[:40].tolist()]
        np.testing.assert_array_equal(alone, together[:40])
        assert trees.raw_score_row(X[0].tolist()) == together[0]


def test_predictions_follow_the_objective(booster, stress, fast):
    trees, X = compile_booster(booster, fast=fast), stress(booster)
    np.testing.assert_allclose(trees.predict(X), reference(booster, X), rtol=1e-13, atol=0)


def test_leaves_are_numbered_as_lightgbm_does(booster, stress):
    trees, X = compile_booster(booster), stress(booster)
    expected = reference(booster, X, pred_leaf=True).reshape(len(X), -1)
    np.testing.assert_array_equal(trees.leaf_indices(X), expected)


def test_a_range_of_trees_scores_as_a_range_of_rounds(booster, rows, fast):
    trees = compile_booster(booster, fast=fast)
    rounds = trees.n_trees // trees.n_outputs
    start, count = (2, 4) if rounds >= 6 else (0, rounds)
    part = trees.predict(
        rows,
        raw_score=True,
        start_tree=start * trees.n_outputs,
        end_tree=(start + count) * trees.n_outputs,
    )
    expected = reference(booster, rows, raw_score=True, start_iteration=start, num_iteration=count)
    np.testing.assert_array_equal(part, expected)


def test_contributions_are_lightgbms_and_sum_to_the_raw_score(booster, stress, fast):
    trees, X = compile_booster(booster, fast=fast), stress(booster, n_rows=120)
    found = trees.contributions(X)
    np.testing.assert_allclose(found, reference(booster, X, pred_contrib=True), rtol=0, atol=1e-12)
    sums = found.reshape(len(X), trees.n_outputs, -1).sum(axis=2)
    raw = trees.raw_score(X).reshape(len(X), -1)
    np.testing.assert_allclose(sums, raw, rtol=0, atol=1e-12)


def test_contributions_are_the_same_bits_with_and_without_numba_and_alone(booster, stress):
    pytest.importorskip("numba")
    X = stress(booster, n_rows=120)
    fast, plain = compile_booster(booster, fast=True), compile_booster(booster, fast=False)
    together = fast.contributions(X)
    np.testing.assert_array_equal(together, plain.contributions(X))
    np.testing.assert_array_equal(together[5:9], fast.contributions(X[5:9]))


def test_contributions_of_many_rows_are_the_same_bits(booster, stress, fast):
    X = stress(booster, n_rows=600)
    trees, plain = (compile_booster(booster, fast=choice) for choice in (fast, False))
    together = trees.contributions(X)
    np.testing.assert_array_equal(plain.contributions(X[:90]), together[:90])
    np.testing.assert_array_equal(plain.contributions(X), together)


def test_saved_arrays_make_the_same_trees(booster, stress):
    trees, X = compile_booster(booster), stress(booster)
    settings, arrays = trees.to_arrays()
    again = CompiledTrees.from_arrays(settings, arrays)
    np.testing.assert_array_equal(again.raw_score(X), trees.raw_score(X))
    assert again.feature_names == trees.feature_names
    assert again.objective == trees.objective


def test_a_model_too_large_for_masks_scores_the_same_bits(train, stress, fast, monkeypatch):
    booster = train("binary")
    X = stress(booster)
    whole = compile_booster(booster, fast=fast)
    monkeypatch.setattr("churnkit.trees.layout.derived.MAX_MASK_BYTES", 1)
    pieces = compile_booster(booster, fast=fast)
    np.testing.assert_array_equal(pieces.raw_score(X), whole.raw_score(X))
    np.testing.assert_array_equal(pieces.raw_score(X[:5]), whole.raw_score(X[:5]))
    assert pieces.predict_row(X[0].tolist()) == whole.predict_row(X[0].tolist())
    np.testing.assert_array_equal(pieces.contributions(X), whole.contributions(X))


def test_more_thresholds_than_two_bytes_hold_score_the_same_bits(fast):
    lightgbm = pytest.importorskip("lightgbm")
    n_leaves = 70_001
    cuts = np.arange(1.0, n_leaves)
    booster = lightgbm.Booster(model_str=_chain(cuts))
    X = np.random.default_rng(0).choice(np.arange(0, n_leaves, 0.5), (300, 1))
    X[:200] = cuts[-1] - np.abs(X[:200]) / 1e3
    trees = compile_booster(booster.model_to_string(), fast=fast)
    np.testing.assert_array_equal(trees.raw_score(X[:200]), booster.predict(X[:200]))


def _chain(cuts):
    """Write one tree with a leaf between any two thresholds: codes beyond 65,535."""
    header = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        "max_feature_idx=0\nobjective=regression\nfeature_names=tenure\n"
        "feature_infos=[0:100000]\n\n"
    )
    n = len(cuts)
    # A balanced tree over all thresholds, nodes in breadth-first order.
    left: list[int] = []
    right: list[int] = []
    cut, queue = [], [(0, n)]
    node = leaf = 0
    while node < len(queue):
        start, stop = queue[node]
        middle = (start + stop) // 2
        cut.append(middle)
        for side, (a, b) in ((left, (start, middle)), (right, (middle + 1, stop))):
            if a < b:
                side.append(len(queue))
                queue.append((a, b))
            else:
                side.append(~leaf)
                leaf += 1
        node += 1
    fields: dict[str, list[object]] = {
        "num_leaves": [n + 1],
        "num_cat": [0],
        "split_feature": [0] * n,
        "split_gain": [1] * n,
        "threshold": [float(cuts[k]) for k in cut],
        "decision_type": [2] * n,
        "left_child": [*left],
        "right_child": [*right],
        "leaf_value": [k * 0.25 for k in range(n + 1)],
        "leaf_weight": [1] * (n + 1),
        "leaf_count": [1] * (n + 1),
        "internal_value": [0] * n,
        "internal_weight": [0] * n,
        "internal_count": [n] * n,
        "is_linear": [0],
        "shrinkage": [1],
    }
    body = "\n".join(f"{key}={' '.join(map(str, value))}" for key, value in fields.items())
    return f"{header}Tree=0\n{body}\n\n\nend of trees\n"


def test_models_of_thousands_of_columns_score_in_small_blocks(fast):
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(2)
    X = rng.normal(size=(900, 2500))
    settings = {"objective": "regression", "verbose": -1, "num_threads": 1, "feature_fraction": 0.1}
    booster = lightgbm.train(settings, lightgbm.Dataset(X, X[:, :40].sum(axis=1)), 30)
    trees = compile_booster(booster, fast=fast)
    np.testing.assert_array_equal(trees.raw_score(X), reference(booster, X, raw_score=True))
    np.testing.assert_allclose(
        trees.contributions(X[:60]),
        reference(booster, X[:60], pred_contrib=True),
        rtol=0,
        atol=1e-12,
    )

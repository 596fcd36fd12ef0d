from itertools import combinations
from math import factorial

import numpy as np
import pytest

from churnkit.errors import BundleError
from churnkit.trees import compile_booster
from churnkit.trees.shapley import leaf_attributions, quadrature

# Two questions about the same customer: tenure at most 12? then use at most 3?
TEXT = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=tenure use
feature_infos=[0:60] [0:9]

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=12 3
decision_type=2 2
left_child=1 -1
right_child=-2 -3
leaf_value=2 -1 0.5
leaf_count=20 50 30
internal_count=100 50

end of trees
"""


def expected_score(known, tenure, use):
    """Average the tree over what is not known, by the training rows in each branch."""

    def low_tenure():
        if "use" in known:
            return 2.0 if use <= 3 else 0.5
        return (20 * 2.0 + 30 * 0.5) / 50

    if "tenure" in known:
        return low_tenure() if tenure <= 12 else -1.0
    return 0.5 * low_tenure() + 0.5 * -1.0


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("tenure", "use"), [(3, 1), (3, 8), (40, 1), (40, 8)])
def test_contributions_are_the_shapley_values_of_their_definition(fast, tenure, use):
    if fast:
        pytest.importorskip("numba")
    names, wanted = ("tenure", "use"), []
    for name in names:
        others = [other for other in names if other != name]
        total = 0.0
        for size in range(len(others) + 1):
            weight = factorial(size) * factorial(len(names) - size - 1) / factorial(len(names))
            for known in combinations(others, size):
                gain = expected_score({*known, name}, tenure, use)
                total += weight * (gain - expected_score(set(known), tenure, use))
        wanted.append(total)
    wanted.append(expected_score(set(), tenure, use))
    found = compile_booster(TEXT, fast=fast).contributions([[tenure, use]])
    np.testing.assert_allclose(found[0], wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("n_features", range(1, 40))
def test_the_quadrature_is_exact_for_every_weight_of_its_path(n_features):
    points, weights = (np.array(part) for part in quadrature(n_features))
    for k in range(n_features):
        integral = float(np.sum(weights * points**k * (1 - points) ** (n_features - 1 - k)))
        exact = factorial(k) * factorial(n_features - 1 - k) / factorial(n_features)
        assert integral == pytest.approx(exact, rel=1e-12)


def test_a_branch_without_training_rows_does_not_divide_by_zero():
    found = leaf_attributions(
        np.array([3.0]), np.array([[0.0], [0.5]]), np.array([[True], [False]])
    )
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 0], [3.0 * 0.25, -3.0 * 0.25])


def test_a_model_without_counts_is_not_explained():
    trees = compile_booster(TEXT.replace("internal_count=100 50", "internal_count=0 0"))
    assert trees.raw_score([[3, 1]])[0] == 2.0
    with pytest.raises(BundleError, match="training rows"):
        trees.contributions([[3, 1]])


def test_long_paths_are_exact(train, stress):
    booster = train("400 leaves")
    X = stress(booster, n_rows=40)
    trees = compile_booster(booster)
    assert np.diff(trees._layout.attribution.link_offset).max() >= 7
    expected = booster.predict(X, pred_contrib=True)
    np.testing.assert_allclose(trees.contributions(X), expected, rtol=0, atol=1e-12)


def test_chains_of_more_links_than_six_points_serve_are_exact(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    n = 19
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 9, n + 1)
    fields = {
        "num_leaves": [n + 1],
        "num_cat": [0],
        "split_feature": range(n),
        "split_gain": [1] * n,
        "threshold": [0.5] * n,
        "decision_type": [2] * n,
        "left_child": [-1 - k for k in range(n)],
        "right_child": [*range(1, n), ~n],
        "leaf_value": rng.normal(size=n + 1).round(3),
        "leaf_weight": [1] * (n + 1),
        "leaf_count": counts,
        "internal_value": [0] * n,
        "internal_weight": [0] * n,
        "internal_count": counts[::-1].cumsum()[:0:-1],
        "is_linear": [0],
        "shrinkage": [1],
    }
    body = "\n".join(f"{name}={' '.join(map(str, entry))}" for name, entry in fields.items())
    head = TEXT.partition("Tree=0")[0].replace("max_feature_idx=1", f"max_feature_idx={n - 1}")
    head = head.replace("tenure use", " ".join(f"c{k}" for k in range(n)))
    head = head.replace("[0:60] [0:9]", " ".join(["[0:1]"] * n))
    text = f"{head}Tree=0\n{body}\n\n\nend of trees\n"
    X = (rng.random((50, n)) < 0.8).astype(float)
    expected = lightgbm.Booster(model_str=text).predict(X, pred_contrib=True)
    plain = compile_booster(text, fast=False).contributions(X)
    np.testing.assert_allclose(plain, expected, rtol=0, atol=1e-12)
    pytest.importorskip("numba")
    np.testing.assert_array_equal(compile_booster(text, fast=True).contributions(X), plain)

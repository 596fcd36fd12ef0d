import numpy as np
import pytest

from churnkit.errors import BundleError, ChurnkitError
from churnkit.trees import compile_booster


@pytest.fixture(scope="module")
def text(train):
    return train("binary").model_to_string()


def without(text, start):
    return "\n".join(line for line in text.splitlines() if not line.startswith(start))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: "", "end of trees"),
        (lambda text: "hello\n" + text, "first line"),
        (lambda text: text.replace("version=v4", "version=v9"), "version"),
        (lambda text: text[: len(text) // 3], "end of trees"),
        (lambda text: without(text, "left_child"), "left_child"),
        (lambda text: without(text, "leaf_value"), "leaf_value"),
        (lambda text: text.replace("leaf_value=", "leaf_value=1 ", 1), "leaf_value"),
        (lambda text: text.replace("leaf_value=", "leaf_value=x", 1), "not a number"),
        (lambda text: text.replace("split_feature=", "split_feature=1_", 1), "not a number"),
        (lambda text: text.replace("num_leaves=31", "num_leaves=30", 1), "must have 29 numbers"),
        (lambda text: text.replace("Tree=1\n", "Tree=5\n", 1), "tree 1"),
        (lambda text: text.replace("max_feature_idx=7", "max_feature_idx=8"), "feature_names"),
        (lambda text: text.replace("tree_sizes=", "tree_sizes=9 "), "tree_sizes lists"),
        (
            lambda text: text.replace("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
            "not pos",
        ),
        (lambda text: text.replace("is_linear=0", "is_linear=0\nis_linear=0", 1), "twice"),
        (lambda text: text.replace("objective=binary", "objective=mystery"), "mystery"),
        (lambda text: text.replace("sigmoid:1", "sigmoid:-1"), "sigmoid"),
        (lambda text: text.replace("sigmoid:1", "sigmoid:one"), "sigmoid"),
    ],
)
def test_a_malformed_text_is_refused_with_its_reason(text, damage, reason):
    with pytest.raises(BundleError, match=reason):
        compile_booster(damage(text))


def test_linear_trees_are_refused_by_name(rows):
    lightgbm = pytest.importorskip("lightgbm")
    known = np.nan_to_num(rows)
    settings = {"objective": "regression", "linear_tree": True, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(known, known[:, 2]), 2)
    with pytest.raises(ChurnkitError, match="linear trees"):
        compile_booster(booster)


def test_a_text_with_other_line_ends_is_the_same_model(text, rows):
    windows = compile_booster(text.replace("\n", "\r\n"))
    np.testing.assert_array_equal(windows.raw_score(rows), compile_booster(text).raw_score(rows))


def test_names_and_objective_are_the_boosters(text, train):
    trees = compile_booster(text)
    assert list(trees.feature_names) == train("binary").feature_name()
    assert (trees.n_trees, trees.n_features, trees.n_outputs) == (7, 8, 1)
    assert trees.objective == "binary sigmoid:1"
    assert "7 trees" in repr(trees)


def test_a_booster_that_stopped_early_is_its_best_round(rows, train):
    lightgbm = pytest.importorskip("lightgbm")
    booster = lightgbm.Booster(model_str=train("binary").model_to_string())
    booster.best_iteration = 3
    trees = compile_booster(booster)
    assert trees.n_trees == 3
    np.testing.assert_array_equal(
        trees.predict(rows, raw_score=True), booster.predict(rows, raw_score=True)
    )


def test_a_custom_objective_predicts_raw_scores(rows):
    lightgbm = pytest.importorskip("lightgbm")
    known = np.nan_to_num(rows)

    def squared(predicted, data):
        return predicted - data.get_label(), np.ones_like(predicted)

    settings = {"objective": squared, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(known, known[:, 2]), 3)
    np.testing.assert_array_equal(compile_booster(booster).predict(rows), booster.predict(rows))


def test_merged_models_score_as_one(rows, train, stress):
    lightgbm = pytest.importorskip("lightgbm")
    first, second = train("no categories"), train("wide bins")
    settings = {"objective": "regression", "verbose": -1, "num_threads": 1}
    data = lightgbm.Dataset(rows[:700], np.nan_to_num(rows[:700, 2]), free_raw_data=False)
    booster = lightgbm.train(settings, data, 3, init_model=first)
    X = stress(second)
    trees = compile_booster(booster)
    assert trees.n_trees == first.num_trees() + 3
    np.testing.assert_array_equal(trees.raw_score(X), booster.predict(X, raw_score=True))


def test_a_column_read_in_two_ways_scores_but_is_not_explained(rows, train):
    lightgbm = pytest.importorskip("lightgbm")
    texts = [train(shape).model_to_string() for shape in ("no categories", "nothing missing")]
    one, two = (text.partition("\nend of trees")[0] for text in texts)
    added = "\n\nTree=" + two.split("\nTree=", 1)[1]
    for number in reversed(range(7)):
        added = added.replace(f"\nTree={number}\n", f"\nTree={number + 7}\n")
    merged = without(one, "tree_sizes") + added + "\nend of trees\n"
    trees, booster = compile_booster(merged), lightgbm.Booster(model_str=merged)
    np.testing.assert_array_equal(trees.raw_score(rows), booster.predict(rows, raw_score=True))
    with pytest.raises(BundleError, match="a column that some trees use"):
        trees.contributions(rows)

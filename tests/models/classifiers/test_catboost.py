"""CatBoost's trees on our arrays: the same scores, saved without CatBoost."""

import json
import subprocess
import sys

import numpy as np
import pytest

from churnkit.errors import BundleError, MissingExtraError
from churnkit.models import ChurnClassifier, load_scorer
from churnkit.models.classifiers import catboost as module
from churnkit.models.classifiers.catboost import CatBoostTrees
from churnkit.models.selection.presets import profile_candidates
from churnkit.trees.parsing.catboost import compile_catboost

catboost = pytest.importorskip("catboost")


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    X[rng.random(2000) < 0.1, 1] = np.nan
    churned = (X[:, 0] * X[:, 2] + np.nan_to_num(X[:, 1]) > 0).astype(int)
    model = catboost.CatBoostClassifier(
        iterations=60, depth=5, verbose=False, allow_writing_files=False, thread_count=1
    ).fit(X, churned)
    path = tmp_path_factory.mktemp("catboost") / "model.json"
    model.save_model(str(path), format="json")
    return model, json.loads(path.read_text()), X


@pytest.mark.parametrize("fast", [False, None])
def test_scores_are_catboosts_on_borders_and_missing_values_too(document, fast):
    model, written, X = document
    borders = [
        border
        for column in written["features_info"]["float_features"]
        for border in column["borders"]
    ]
    rows = np.vstack([X, np.tile(np.array(borders)[:, None], 4), np.full((1, 4), np.nan)])
    trees = compile_catboost(written, n_features=4, fast=fast)
    expected = model.predict(rows, prediction_type="RawFormulaVal")
    np.testing.assert_allclose(trees.raw_score(rows), expected, rtol=0, atol=1e-12)
    assert trees.raw_score_row(rows[7].tolist()) == trees.raw_score(rows)[7]


def test_contributions_sum_to_the_score(document):
    _, written, X = document
    trees = compile_catboost(written, n_features=4)
    parts = trees.contributions(X[:50])
    np.testing.assert_allclose(parts.sum(axis=1), trees.raw_score(X[:50]), atol=1e-9)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda written: written.pop("oblivious_trees"), "not oblivious"),
        (
            lambda written: written["oblivious_trees"][0]["splits"][0].update(split_type="Ctr"),
            "numbers only",
        ),
        (
            lambda written: written["features_info"]["float_features"][0].update(
                nan_value_treatment="AsTrue"
            ),
            "nan_mode",
        ),
    ],
)
def test_what_cannot_be_scored_exactly_is_refused(document, spoil, says):
    written = json.loads(json.dumps(document[1]))
    spoil(written)
    with pytest.raises(BundleError, match=says):
        compile_catboost(written, n_features=4)


def test_the_estimator_is_deterministic_and_saves_without_catboost(customers, tmp_path):
    X, churned, _ = customers(800)
    model = CatBoostTrees(max_rounds=40, cv=3, categorical_features=(2,))
    first, second = (model.fit(X, churned).scorer_.to_arrays()[1] for _ in range(2))
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    settings, arrays = model.scorer_.to_arrays()
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    np.save(tmp_path / "rows", X[:20])
    program = (
        "import sys, json, pathlib, numpy as np\n"
        "from churnkit.models import load_scorer\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "settings = json.loads((folder / 'settings.json').read_text())\n"
        "arrays = {path.stem: np.load(path) for path in folder.glob('*.npy')}\n"
        "rows = arrays.pop('rows')\n"
        "print(load_scorer('statistics', settings, arrays).raw_score(rows).tolist())\n"
        "assert 'catboost' not in sys.modules and 'sklearn' not in sys.modules\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    np.testing.assert_array_equal(json.loads(told.stdout), model.decision_function(X[:20]))


def test_churn_only_falls_where_it_may_only_fall(customers):
    X, churned, _ = customers(800)
    model = CatBoostTrees(rounds=30, monotone_constraints=(-1, 0, 0, 0)).fit(X, churned)
    rows = np.tile(X[5], (50, 1))
    rows[:, 0] = np.linspace(0, 80, 50)
    assert (np.diff(model.decision_function(rows)) <= 1e-12).all()


def test_it_takes_part_in_the_profiles_that_may_take_time():
    names = {
        profile: [name for name, _ in profile_candidates(profile, rows=5000, seed=0)]
        for profile in ("fast", "balanced", "accurate")
    }
    assert "trees, oblivious" not in names["fast"]
    for profile in ("balanced", "accurate"):
        assert {"trees, oblivious", "trees, large and oblivious"} <= set(names[profile])


def test_without_catboost_it_says_what_to_install(customers, monkeypatch):
    X, churned, _ = customers(200)
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install '?catboost"):
        CatBoostTrees(rounds=5).fit(X, churned)
    for profile in ("balanced", "accurate"):
        names = [name for name, _ in profile_candidates(profile, rows=5000, seed=0)]
        assert "trees, deep" in names
        assert not [name for name in names if "oblivious" in name]


def test_a_contest_that_it_wins_saves_it(customers):
    X, churned, _ = customers(600)
    candidates = [("oblivious", CatBoostTrees(max_rounds=60))]
    model = ChurnClassifier(candidates=candidates, categorical_features=(2,), cv=3).fit(X, churned)
    saved = load_scorer(model.scorer_.kind, *model.scorer_.to_arrays())
    np.testing.assert_array_equal(saved.raw_score(X), model.decision_function(X))

"""Boosted trees: deterministic, stopped in time, the same as LightGBM says itself."""

import numpy as np
import pytest

from churnkit.evaluation import auc
from churnkit.models import LightGBMTrees, ModelDataError, load_scorer
from churnkit.models.folds import make_folds
from churnkit.models.training_rows import TrainingRows


def test_the_scorer_is_the_booster(customers):
    X, churned, _ = customers()
    model = LightGBMTrees(rounds=40, categorical_features=(2,)).fit(X, churned)
    np.testing.assert_array_equal(
        model.scorer_.raw_score(X), model.booster_.predict(X, raw_score=True)
    )
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], model.booster_.predict(X), atol=1e-15)


def test_saved_trees_come_back_the_same(customers):
    X, churned, _ = customers(500)
    scorer = LightGBMTrees(rounds=20, categorical_features=(2,)).fit(X, churned).scorer_
    loaded = load_scorer(scorer.kind, *scorer.to_arrays())
    np.testing.assert_array_equal(loaded.raw_score(X), scorer.raw_score(X))


def test_the_same_seed_gives_the_same_trees_and_another_seed_others(customers):
    X, churned, _ = customers(500)
    texts = [
        LightGBMTrees(rounds=20, seed=seed).fit(X, churned).booster_.model_to_string()
        for seed in (3, 3, 4)
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.filterwarnings("ignore:Overriding the parameters from Reference Dataset")
def test_early_stopping_takes_the_round_of_the_lowest_mean_loss(customers):
    import lightgbm

    X, churned, _ = customers()
    model = LightGBMTrees(max_rounds=120, patience=200, learning_rate=0.1)
    rows = TrainingRows.from_arrays(X, churned.astype(float))
    folds = make_folds(4, rows, groups=None, seed=0)
    raw, settled = model.cross_fit(rows, folds)
    curves = np.zeros((4, 120))
    for at, fold in enumerate(folds):
        booster = lightgbm.train(
            model._params(rows, X),
            lightgbm.Dataset(X, churned, params={"verbosity": -1}).subset(np.sort(fold.train)),
            num_boost_round=120,
        )
        for number in range(120):
            guess = booster.predict(X[fold.test], num_iteration=number + 1)
            outcome = churned[fold.test]
            curves[at, number] = -np.log(np.where(outcome == 1, guess, 1 - guess)).mean()
    assert settled.rounds == 1 + int(np.argmin(curves.mean(axis=0)))
    assert not np.isnan(raw).any()
    assert auc(churned, 1 / (1 + np.exp(-raw))) > 0.7


def test_monotone_constraints_hold(customers):
    X, churned, _ = customers()
    model = LightGBMTrees(rounds=60, monotone_constraints=(-1, 1, 0, 0)).fit(X, churned)
    grid = np.tile([10.0, 60.0, 1.0, 0.0], (50, 1))
    grid[:, 0] = np.linspace(0, 80, 50)
    assert (np.diff(model.decision_function(grid)) <= 0).all()
    grid = np.tile([10.0, 60.0, 1.0, 0.0], (50, 1))
    grid[:, 1] = np.linspace(0, 120, 50)
    assert (np.diff(model.decision_function(grid)) >= 0).all()


@pytest.mark.parametrize("constraints", [(1,), (2, 0, 0, 0), (0, 0, 1, 0)])
def test_constraints_that_do_not_fit_are_refused(customers, constraints):
    X, churned, _ = customers(200)
    with pytest.raises(ModelDataError, match="constraint"):
        LightGBMTrees(rounds=5, monotone_constraints=constraints, categorical_features=(2,)).fit(
            X, churned
        )


def test_sample_weights_move_the_trees(customers):
    X, churned, _ = customers(600)
    weight = np.where(X[:, 0] > 15, 5.0, 1.0)
    plain = LightGBMTrees(rounds=10).fit(X, churned)
    weighted = LightGBMTrees(rounds=10).fit(X, churned, weight)
    assert not np.allclose(plain.predict_proba(X), weighted.predict_proba(X))


def test_constant_and_missing_columns_alone_give_the_churn_rate():
    X = np.column_stack([np.ones(90), np.full(90, np.nan)])
    y = np.arange(90) % 3 == 0
    chance = LightGBMTrees(rounds=5).fit(X, y).predict_proba(X)[:, 1]
    np.testing.assert_allclose(chance, 1 / 3, atol=1e-9)


@pytest.mark.parametrize("bad", [-1.0, 0.5, 1e9])
def test_a_category_that_is_no_code_is_refused(customers, bad):
    X, churned, _ = customers(200)
    X[7, 2] = bad
    with pytest.raises(ModelDataError, match="column 2 is declared categorical"):
        LightGBMTrees(rounds=5, categorical_features=(2,)).fit(X, churned)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_category_outside_the_matrix_is_refused(customers, index):
    X, churned, _ = customers(200)
    with pytest.raises(ModelDataError, match="from 0 to 3"):
        LightGBMTrees(rounds=5, categorical_features=(index,)).fit(X, churned)

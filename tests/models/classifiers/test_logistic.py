"""The logistic regression against scikit-learn's, and on tables that are hard on it."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from churnkit.evaluation import log_loss
from churnkit.models import LogisticModel, ModelDataError
from churnkit.models.classifiers import logistic as module


def test_without_bends_it_is_scikit_learns_on_standardised_numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(5, 3, size=(500, 3))
    y = (X[:, 0] + rng.normal(size=500) > 5).astype(int)
    standard = (X - X.mean(axis=0)) / X.std(axis=0)
    peer = LogisticRegression(C=0.5, tol=1e-10).fit(standard, y)
    ours = LogisticModel(C=0.5, n_knots=0).fit(X, y)
    np.testing.assert_allclose(
        ours.decision_function(X), peer.decision_function(standard), atol=1e-4
    )


def test_categories_are_scikit_learns_one_hot():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 600)
    y = (rng.random(600) < np.array([0.1, 0.3, 0.6, 0.8])[codes]).astype(int)
    peer = LogisticRegression(C=2.0, tol=1e-10).fit(np.eye(4)[codes], y)
    ours = LogisticModel(C=2.0, categorical_features=(0,)).fit(codes[:, None], y)
    np.testing.assert_allclose(
        ours.decision_function(codes[:, None]), peer.decision_function(np.eye(4)[codes]), atol=1e-4
    )


def test_bends_find_what_a_straight_line_cannot(customers):
    X, churned, _ = customers(4000)
    losses = [
        log_loss(
            churned, LogisticModel(C=1.0, n_knots=bends).fit(X, churned).predict_proba(X)[:, 1]
        )
        for bends in (0, 9)
    ]
    assert losses[1] < losses[0] - 0.003
    fitted = LogisticModel(categorical_features=(2,)).fit(X, churned)
    fresh, outcome, truth = customers(20_000, seed=5)
    assert log_loss(outcome, fitted.predict_proba(fresh)[:, 1]) < log_loss(outcome, truth) + 0.01


def test_the_strength_is_chosen_by_held_out_loss():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8))
    noise = LogisticModel().fit(X, rng.integers(0, 2, 400))
    signal = LogisticModel(n_knots=0).fit(X, (X[:, 0] + 0.1 * rng.normal(size=400) > 0).astype(int))
    assert min(module.STRENGTHS) == noise.C_
    assert signal.C_ >= 10


def test_missing_values_have_an_effect_of_their_own():
    rng = np.random.default_rng(0)
    missing = rng.random(800) < 0.4
    X = np.where(missing, np.nan, rng.normal(size=800))[:, None]
    y = (rng.random(800) < np.where(missing, 0.8, 0.2)).astype(int)
    chance = LogisticModel(C=10.0).fit(X, y).predict_proba([[np.nan], [0.0]])[:, 1]
    assert chance[0] > 0.7
    assert chance[1] < 0.3


def test_values_far_outside_training_count_as_its_end(customers):
    X, churned, _ = customers()
    model = LogisticModel(C=1.0, categorical_features=(2,)).fit(X, churned)
    far, end = X[:1].copy(), X[:1].copy()
    far[0, 0], end[0, 0] = 1e30, X[:, 0].max()
    assert model.decision_function(far)[0] == model.decision_function(end)[0]


def test_contributions_are_centred_on_the_training_rows(customers):
    X, churned, _ = customers()
    scorer = LogisticModel(C=1.0, categorical_features=(2,)).fit(X, churned).scorer_
    np.testing.assert_allclose(scorer.contributions(X)[:, :-1].mean(axis=0), 0.0, atol=1e-9)


def test_all_missing_and_constant_columns_are_borne(customers):
    X, churned, _ = customers(400)
    odd = np.column_stack([X, np.full(400, np.nan), np.full(400, 7.0), np.full(400, np.nan)])
    model = LogisticModel(C=1.0, categorical_features=(2, 6)).fit(odd, churned)
    plain = LogisticModel(C=1.0, categorical_features=(2,)).fit(X, churned)
    np.testing.assert_allclose(model.predict_proba(odd), plain.predict_proba(X), atol=1e-3)


def test_a_hundred_thousand_categories_are_borne():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 100_000, 3000).astype(float)
    codes[:1000] = 5
    y = (rng.random(3000) < np.where(codes == 5, 0.9, 0.3)).astype(int)
    chance = (
        LogisticModel(C=1.0, categorical_features=(0,))
        .fit(codes[:, None], y)
        .predict_proba([[5.0], [99_999.0]])[:, 1]
    )
    assert chance[0] == pytest.approx(0.9, abs=0.05)
    assert chance[1] == pytest.approx(0.3, abs=0.05)


def test_blocks_encoded_on_each_pass_give_the_same_model(customers, monkeypatch):
    X, churned, _ = customers()
    kept = LogisticModel(C=1.0).fit(X, churned).decision_function(X)
    monkeypatch.setattr(module, "_MAX_CACHED_CELLS", 0)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 400)
    streamed = LogisticModel(C=1.0).fit(X, churned).decision_function(X)
    np.testing.assert_allclose(streamed, kept, atol=1e-6)


def test_the_same_rows_give_the_same_bytes(customers):
    X, churned, _ = customers(600)
    first, second = (LogisticModel().fit(X, churned).scorer_.to_arrays() for _ in range(2))
    assert first[0] == second[0]
    assert all(first[1][name].tobytes() == second[1][name].tobytes() for name in first[1])


def test_steps_that_do_not_suffice_are_said(customers):
    X, churned, _ = customers(300)
    with pytest.warns(ConvergenceWarning, match="1 steps"):
        LogisticModel(C=10.0, max_iter=1).fit(X, churned)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_a_strength_that_is_none_is_refused(strength):
    with pytest.raises(ModelDataError, match="above 0"):
        LogisticModel(C=strength).fit([[1.0], [2.0]], [0, 1])

"""The random forest of scikit-learn as a candidate."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss

from churnkit.models import ChurnClassifier, LightGBMTrees, RandomForest


@pytest.fixture(scope="module")
def customers():
    generator = np.random.default_rng(3)
    X = generator.normal(size=(1_200, 6))
    X[generator.random(1_200) < 0.1, 4] = np.nan
    chance = 1 / (1 + np.exp(1.0 - X[:, 0] * X[:, 1] - np.abs(X[:, 2])))
    return X, (generator.random(1_200) < chance).astype(int)


def test_its_log_odds_are_linear_in_the_shares_of_scikit_learn(customers):
    X, churned = customers
    model = RandomForest(n_trees=9, scale=(5.0, -0.5), seed=4).fit(X[:800], churned[:800])
    peer = RandomForestClassifier(9, random_state=4).fit(X[:800], churned[:800])
    share = peer.predict_proba(X[800:])[:, 1]
    expected = 1 / (1 + np.exp(0.5 - 5.0 * (share - 0.5)))
    np.testing.assert_allclose(model.predict_proba(X[800:])[:, 1], expected, rtol=0, atol=1e-12)


def test_the_scale_turns_shares_into_probabilities(customers):
    X, churned = customers
    model = RandomForest(n_trees=30, cv=3).fit(X[:800], churned[:800])
    peer = RandomForestClassifier(30, random_state=0).fit(X[:800], churned[:800])
    own, raw = (log_loss(churned[800:], each.predict_proba(X[800:])) for each in (model, peer))
    assert own < raw


def test_it_is_compared_without_a_pilot(customers):
    X, churned = customers
    trees = LightGBMTrees(rounds=40, num_leaves=8, cv=2)
    candidates = [("trees", trees), ("forest", RandomForest(n_trees=20, cv=2))]
    model = ChurnClassifier(candidates=candidates, cv=3).fit(X, churned)
    assert {"trees", "forest"} <= {result.candidate for result in model.candidates_.results}

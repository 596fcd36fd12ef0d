"""Forgetting of the bandit: discounted least squares, changing worlds, saved states."""

from __future__ import annotations

import json

import numpy as np
import pytest

from churnkit.decisions import slate_probabilities
from churnkit.errors import BundleError
from churnkit.models import BanditBatch, LinearBandit, ModelDataError

NAMES = ("a", "b", "c")
NO_FEATURES = np.empty((3, 0))


def batches(rng, count, size):
    for _ in range(count):
        X = rng.normal(size=(size, 2))
        names = rng.choice(NAMES, size)
        yield BanditBatch(X, names.tolist(), np.empty((size, 0)), rng.normal(size=size))


@pytest.mark.parametrize("half_life", [None, 40.0, 7.0])
def test_the_posterior_mean_is_discounted_ridge_regression(half_life):
    rng = np.random.default_rng(0)
    seen = list(batches(rng, 6, 25))
    bandit = LinearBandit.new(customer_features=2, half_life=half_life, adaptive=False)
    for batch in seen:
        bandit = bandit.update(batch)
    # One design: the shared columns, then those of each option; weights by the rewards since.
    rows = np.column_stack([np.ones(150), np.concatenate([batch.customers for batch in seen])])
    option = np.concatenate([batch.options for batch in seen])
    design = np.column_stack([rows, *((option == name)[:, None] * rows for name in NAMES)])
    reward = np.concatenate([batch.reward for batch in seen])
    age = 25 * (5 - np.arange(150) // 25)
    weight = np.ones(150) if half_life is None else 0.5 ** (age / half_life)
    penalty = np.diag([0.1] * 3 + [0.3] * 9)
    gram = design.T @ (weight[:, None] * design) + penalty
    coefficients = np.linalg.solve(gram, design.T @ (weight * reward))
    X = rng.normal(size=(5, 2))
    expected = [
        np.column_stack([np.ones(5), X]) @ (coefficients[:3] + coefficients[3 + 3 * k : 6 + 3 * k])
        for k in range(3)
    ]
    values = bandit.expected(X, NAMES, NO_FEATURES)
    np.testing.assert_allclose(values, np.column_stack(expected), atol=1e-10)
    assert bandit.sums.weight == pytest.approx(weight.sum())
    assert bandit.rows == 150


def regret(half_life, *, rounds=1600, batch=20, seed=0):
    """Return the regret per round in a world whose rewards change sign in the middle."""
    rng = np.random.default_rng(seed)
    bandit = LinearBandit.new(customer_features=2, half_life=half_life, seed=seed)
    slopes, total = rng.normal(size=(3, 2)), 0.0
    for start in range(0, rounds, batch):
        sign = 1.0 if start < rounds // 2 else -1.0
        X = rng.normal(size=(batch, 2))
        value = sign * X @ slopes.T
        probability = slate_probabilities(bandit.sample(X, NAMES, NO_FEATURES), epsilon=0.0)
        chosen = (probability[:, :, 0].cumsum(axis=1) > rng.random((batch, 1))).argmax(axis=1)
        gained = value[np.arange(batch), chosen]
        total += float((value.max(axis=1) - gained).sum())
        reward = gained + 0.3 * rng.normal(size=batch)
        names = [NAMES[arm] for arm in chosen]
        bandit = bandit.update(BanditBatch(X, names, np.empty((batch, 0)), reward))
    return total / rounds


@pytest.mark.parametrize("seed", range(3))
def test_forgetting_recovers_after_the_rewards_change_sign(seed):
    forgetting, remembering = (regret(half_life, seed=seed) for half_life in (100.0, None))
    assert forgetting < remembering / 2


def test_a_forgetting_bandit_survives_saving_and_another_one_keeps_its_format():
    rng = np.random.default_rng(1)
    seen = list(batches(rng, 4, 10))
    for half_life in (None, 25.0):
        bandit = LinearBandit.new(customer_features=2, half_life=half_life)
        for batch in seen[:3]:
            bandit = bandit.update(batch)
        saved, arrays = bandit.to_arrays()
        assert ("half_life" in saved) == (half_life is not None)
        again = LinearBandit.from_arrays(json.loads(json.dumps(saved)), arrays)
        X = rng.normal(size=(4, 2))
        for one, other in ((bandit, again), (bandit.update(seen[3]), again.update(seen[3]))):
            np.testing.assert_array_equal(
                one.sample(X, NAMES, NO_FEATURES), other.sample(X, NAMES, NO_FEATURES)
            )


@pytest.mark.parametrize("half_life", [0.0, -1.0, 0.5, float("nan")])
def test_an_invalid_half_life_is_refused(half_life):
    with pytest.raises(ModelDataError, match="half_life must be at least 1"):
        LinearBandit.new(customer_features=1, half_life=half_life)
    saved, arrays = LinearBandit.new(customer_features=1, half_life=9.0).to_arrays()
    with pytest.raises(BundleError, match="half_life"):
        LinearBandit.from_arrays({**saved, "half_life": half_life}, arrays)

"""Rare rewards: a bandit stays near the logging policy with few data, and improves with more."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.decisions import slate_probabilities
from churnkit.errors import BundleError
from churnkit.models import BanditBatch, LinearBandit

OPTIONS, RATE = 34, 0.0046
NAMES = tuple(f"o{option}" for option in range(OPTIONS))
NO_FEATURES = np.empty((OPTIONS, 0))


def learned(rows, rate, *, shares=None, seed=0, batches=1):
    """Return a bandit that learned from logged clicks, with a customer column without effect."""
    rng = np.random.default_rng(seed)
    bandit = LinearBandit.new(customer_features=4, seed=seed)
    for size in [rows // batches] * batches:
        X = (rng.integers(4, size=(size, 1)) == np.arange(4)).astype(float)
        arm = rng.choice(OPTIONS, p=shares, size=size)
        click = (rng.random(size) < rate[arm]).astype(float)
        names = [NAMES[option] for option in arm]
        bandit = bandit.update(BanditBatch(X, names, np.empty((size, 0)), click))
    return bandit


def policy_of(bandit):
    draws = bandit.sample(np.eye(4), NAMES, NO_FEATURES)
    return slate_probabilities(draws, epsilon=0.0)[:, :, 0].mean(axis=0)


def click_rates(seed):
    spread = np.random.default_rng([seed, 1]).gamma(2.5, size=OPTIONS)
    return RATE * spread / spread.mean()


def skewed_shares(seed):
    shares = np.random.default_rng([seed, 2]).gamma(0.5, size=OPTIONS) + 0.02
    return shares / shares.sum()


@pytest.mark.parametrize("seed", range(3))
def test_with_few_clicks_the_options_are_shown_about_as_often_as_in_the_log(seed):
    rng = np.random.default_rng(seed)
    for shares in (np.full(OPTIONS, 1 / OPTIONS), skewed_shares(seed)):
        bandit = learned(5000, np.full(OPTIONS, RATE), shares=shares, seed=int(rng.integers(1000)))
        policy = policy_of(bandit)
        assert np.abs(policy - shares).sum() / 2 < 0.35
        assert policy.max() < shares.max() + 0.15


@pytest.mark.parametrize("seed", range(3))
def test_a_good_logging_policy_is_not_left_for_options_that_it_rarely_shows(seed):
    rate = click_rates(seed)
    # The log prefers what is clicked; the mean over options would lose more than a third.
    shares = rate**3 / (rate**3).sum()
    value = policy_of(learned(5000, rate, shares=shares, seed=seed)) @ rate
    assert value > 0.9 * (shares @ rate)
    assert rate.mean() < 0.67 * (shares @ rate)


@pytest.mark.parametrize("seed", range(2))
def test_the_policy_improves_with_data_and_comes_close_to_the_best_option(seed):
    rate = click_rates(seed)
    values = [policy_of(learned(rows, rate, seed=seed)) @ rate for rows in (5000, 60_000, 400_000)]
    assert values[0] > 0.95 * rate.mean()
    assert values[1] > rate.mean()
    assert values[2] > 0.85 * rate.max()


def test_expected_rewards_are_shrunk_where_the_data_do_not_tell_options_apart():
    bandit = learned(5000, np.full(OPTIONS, RATE))
    expected = bandit.expected(np.eye(4), NAMES, NO_FEATURES)
    clicks = np.array([part.target[0] / part.shown for part in bandit.sums.options.values()])
    assert (expected.std(axis=1) < clicks.std() / 5).all()
    assert expected.mean() == pytest.approx(RATE, rel=0.5)


def test_a_new_option_is_shown_about_as_often_as_the_others():
    bandit = learned(5000, np.full(OPTIONS, RATE))
    names = (*NAMES, "new")
    draws = bandit.sample(np.eye(4), names, np.empty((OPTIONS + 1, 0)))
    share = slate_probabilities(draws, epsilon=0.0)[:, -1, 0]
    assert (share > 0).all()
    assert (share < 0.12).all()


def test_an_option_that_joined_late_keeps_its_share_since_then():
    rng = np.random.default_rng(0)
    bandit = LinearBandit.new(customer_features=0)
    for names in (["a", "b"], ["a", "b"], ["a", "b"], ["a", "late"]):
        shown = rng.permutation(names * 500).tolist()
        clicks = (rng.random(1000) < RATE).astype(float)
        bandit = bandit.update(BanditBatch(np.empty((1000, 0)), shown, np.empty((1000, 0)), clicks))
    assert bandit.sums.options["late"].exposure == 1000
    assert bandit.sums.options["a"].exposure == 4000
    saved, arrays = bandit.to_arrays()
    assert LinearBandit.from_arrays(saved, arrays).sums.options["late"].exposure == 1000
    del arrays["own_exposure"]
    assert LinearBandit.from_arrays(saved, arrays).sums.options["late"].exposure == 4000


def test_fixed_priors_are_a_setting_that_survives_saving():
    bandit = LinearBandit.new(customer_features=1, adaptive=False)
    saved, arrays = bandit.to_arrays()
    assert not LinearBandit.from_arrays(saved, arrays).adaptive
    with pytest.raises(BundleError, match="'adaptive' must be true or false"):
        LinearBandit.from_arrays({**saved, "adaptive": 1}, arrays)


def test_on_open_bandit_the_interval_never_lies_below_the_logging_policy(data_dir, monkeypatch):
    from churnkit.datasets import load

    monkeypatch.setenv("CHURNKIT_DATA_DIR", str(data_dir))
    tables = load("open_bandit")
    for name in ("random", "bts"):
        log = tables[name]
        columns = [np.asarray(log[f"user_feature_{k}"].to_pylist()) for k in range(4)]
        X = np.concatenate([column[:, None] == np.unique(column) for column in columns], axis=1)
        arm, click = log["item_id"].to_numpy(), log["click"].to_numpy().astype(float)
        half = len(arm) // 2
        first, second = slice(0, half), slice(half, None)
        for learn, held in ((first, second), (second, first)):
            bandit = LinearBandit.new(customer_features=X.shape[1]).update(
                BanditBatch(
                    X[learn].astype(float),
                    [NAMES[item] for item in arm[learn]],
                    np.empty((half, 0)),
                    click[learn],
                )
            )
            draws = bandit.sample(X[held].astype(float), NAMES, NO_FEATURES)
            policy = slate_probabilities(draws, epsilon=0.05)[:, :, 0]
            chance = policy[np.arange(half), arm[held]]
            rows = chance / log["propensity_score"].to_numpy()[held] * click[held]
            error = np.sqrt((rows**2).sum()) / half
            assert rows.mean() + 1.96 * error > click[held].mean()


def test_many_lists_of_options_do_not_fill_the_memory():
    bandit = learned(300, np.full(OPTIONS, 0.2))
    for first in range(OPTIONS):
        for second in range(first):
            bandit.sample(np.eye(4)[:1], (NAMES[first], NAMES[second]), np.empty((2, 0)))
    assert sum(isinstance(key, tuple) for key in bandit._cache) <= 64

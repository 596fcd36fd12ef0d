"""Verdicts and intervals of policies under exact nulls, rare events and missing support."""

import numpy as np
import pytest

from churnkit.evaluation import PolicyLog, may_replace


def rare_churn(rng, n):
    return -(rng.random(n) < 0.01).astype(float)


def lost_money(rng, n):
    return -(rng.random(n) < 0.02).astype(float) * rng.lognormal(3, 1.2, n)


def spend(rng, n):
    return (rng.random(n) < 0.3) * rng.lognormal(3, 1.5, n)


def explored(rng, n, share, reward):
    """A log in which arm 1 is explored and no arm has an effect."""
    arm = rng.random(n) < share
    return PolicyLog.from_columns(arm, np.where(arm, share, 1 - share), reward(rng, n), arms=2)


NULLS = [
    pytest.param(rare_churn, 0.05, 1500, 500, id="churn 1%, explored at 5%, n=1,500"),
    pytest.param(rare_churn, 0.05, 3000, 400, id="churn 1%, explored at 5%, n=3,000"),
    pytest.param(rare_churn, 0.2, 1500, 300, id="churn 1%, explored at 20%, n=1,500"),
    pytest.param(lost_money, 0.05, 2000, 400, id="money lost, n=2,000"),
    pytest.param(spend, 0.05, 600, 500, id="spend, n=600"),
    pytest.param(lambda rng, n: rng.pareto(1.8, n), 0.1, 2000, 400, id="Pareto tails, n=2,000"),
]


@pytest.mark.parametrize(("reward", "share", "n", "runs"), NULLS)
def test_an_arm_without_effect_is_rarely_accepted_or_called_worse(
    rate_within, reward, share, n, runs
):
    verdicts = []

    def accepted(rng):
        verdicts.append(may_replace(explored(rng, n, share, reward), [0.0, 1.0]).verdict)
        return verdicts[-1] == "yes"

    rate_within(accepted, 0.025, runs=runs)
    limit = 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / len(verdicts))
    assert verdicts.count("worse") / len(verdicts) <= limit


@pytest.mark.parametrize("known", ["certain", "features", "unknown"])
def test_an_arm_that_is_barred_where_it_harms_is_not_accepted(simulate, known):
    def accepted(rng):
        n = 3000
        barred = rng.random(n) < 0.5
        arm = (rng.random(n) < 0.2) & ~barred
        propensity = np.where(arm, 0.2, 0.8)
        if known == "certain":
            propensity[barred] = 1.0
        # The arm helps where it is allowed; it would drive the others away.
        reward = rng.random(n) < np.where(barred, 0.7, 0.7 + 0.1 * arm)
        features = barred[:, None] if known == "features" else None
        log = PolicyLog.from_columns(arm, propensity, reward, arms=2, features=features)
        return may_replace(log, [0.0, 1.0], reward_model="mean").yes

    assert simulate(accepted, runs=100)[0] == 0


def test_a_valid_log_is_rarely_blocked(rate_within):
    def blocked(rng):
        n = 2000
        X = rng.normal(size=(n, 4)).round(1)
        share = np.clip(1 / (1 + np.exp(-X[:, 0])), 0.1, 0.9)
        arm = rng.random(n) < share
        log = PolicyLog.from_columns(
            arm, np.where(arm, share, 1 - share), rng.random(n) < 0.5, arms=2, features=X
        )
        return may_replace(log, [0.3, 0.7], reward_model="mean").new.overlap.blocking

    rate_within(blocked, 0.013, runs=400)


def test_doubly_robust_intervals_cover_in_small_logs(simulate):
    expit = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    population = np.random.default_rng(1).normal(size=(400_000, 2))
    truth = expit(-1 + population[:, 0] + np.maximum(population[:, 1], 0)).mean()

    def covered(rng):
        n = 300
        X = rng.normal(size=(n, 2))
        arm = rng.random(n) < 0.4
        reward = rng.random(n) < expit(-1 + X[:, 0] + arm * X[:, 1])
        log = PolicyLog.from_columns(arm, np.where(arm, 0.4, 0.6), reward, arms=2, features=X)
        policy = np.eye(2)[(X[:, 1] > 0).astype(int)]
        value = may_replace(log, policy, reward_model="mean").new["dr"]
        return value.low <= truth <= value.high

    count, runs = simulate(covered, runs=400)
    assert 0.92 <= count / runs <= 0.99


def test_a_policy_that_is_better_is_accepted(simulate):
    def accepted(rng):
        arm = rng.random(4000) < 0.2
        reward = rng.random(4000) < np.where(arm, 0.6, 0.5)
        log = PolicyLog.from_columns(arm, np.where(arm, 0.2, 0.8), reward, arms=2)
        return may_replace(log, [0.0, 1.0]).yes

    count, runs = simulate(accepted, runs=60)
    assert count / runs > 0.9

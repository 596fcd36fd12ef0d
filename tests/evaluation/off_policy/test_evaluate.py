"""Off-policy evaluation, held against sums written out row by row and against known truths."""

import json
from typing import Any

import numpy as np
import pytest

from churnkit.evaluation import (
    EvaluationError,
    PolicyLog,
    cross_fitted_rewards,
    evaluate_policy,
    may_replace,
    overlap,
)
from churnkit.evaluation.off_policy.estimators import ESTIMATORS, estimator_rows
from churnkit.evaluation.off_policy.intervals import empirical_bernstein
from churnkit.evaluation.off_policy.log import check_policy


def bandit(rows=3000, *, arms=3, seed=0, tilt=1.0):
    """A log with known truths: the chance of a reward depends on feature and arm."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 2))
    coefficient = np.random.default_rng(99).normal(size=(2, arms))
    chance = 1 / (1 + np.exp(-(X @ coefficient - 0.5)))
    behavior = np.exp(tilt * rng.normal(size=(1, arms)) + 0.3 * X[:, :1])
    behavior = behavior / behavior.sum(axis=1, keepdims=True)
    action = (behavior.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    at = np.arange(rows)
    reward = (rng.random(rows) < chance[at, action]).astype(float)
    policy = np.exp(2 * chance)
    policy /= policy.sum(axis=1, keepdims=True)
    log = PolicyLog.from_columns(action, behavior[at, action], reward, features=X, arms=arms)
    return log, policy, chance


def by_hand(log, policy, q, switch, shrink):
    """The textbook formulae, one row after the other."""
    n = len(log)
    dm = ips = weights = correction = switched = shrunk = 0.0
    for i in range(n):
        a = log.action[i]
        w = policy[i, a] / log.propensity[i]
        model = sum(policy[i, j] * q[i, j] for j in range(log.arms))
        left = log.reward[i] - q[i, a]
        dm += model
        ips += w * log.reward[i]
        weights += w
        correction += w * left
        switched += w * left if w <= switch else 0.0
        lam = shrink**2
        shrunk += (w if np.isinf(lam) else lam * w / (w * w + lam)) * left
    return {
        "dm": dm / n,
        "ips": ips / n,
        "snips": ips / weights,
        "dr": (dm + correction) / n,
        "sndr": dm / n + correction / weights,
        "switch_dr": (dm + switched) / n,
        "dr_shrinkage": (dm + shrunk) / n,
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_estimators_are_the_textbook_sums(seed):
    log, policy, chance = bandit(400, seed=seed, tilt=2.0)
    q = np.clip(chance + np.random.default_rng(seed).normal(scale=0.2, size=chance.shape), 0, 1)
    result = estimator_rows(log, policy, q)
    slow = by_hand(log, policy, q, result["switch_dr"].setting, result["dr_shrinkage"].setting)
    assert set(result) == set(ESTIMATORS)
    for name, value in slow.items():
        assert result[name].value == pytest.approx(value, abs=1e-12)
        assert result[name].rows.mean() == pytest.approx(value, abs=1e-12)


def test_doubly_robust_is_right_with_a_wrong_model_and_varies_less_with_a_right_one():
    wrong, right = [], []
    for seed in range(60):
        log, policy, chance = bandit(500, seed=seed)
        truth = (policy * chance).sum(axis=1).mean()
        wrong.append(estimator_rows(log, policy, np.full_like(chance, 0.9))["dr"].value - truth)
        right.append(estimator_rows(log, policy, chance)["dr"].value - truth)
    assert abs(np.mean(wrong)) < 3 * np.std(wrong) / np.sqrt(60)
    assert np.std(right) < np.std(wrong)


def test_bootstrap_intervals_hold_the_truth_as_often_as_they_say():
    inside = 0
    for seed in range(100):
        log, policy, chance = bandit(400, seed=seed, tilt=0.5)
        result = evaluate_policy(log, policy, reward_model="mean", seed=seed)
        # The value over all customers, not over these 400 alone.
        inside += result["dr"].low <= 0.521 <= result["dr"].high
    _, policy, chance = bandit(400_000, seed=1234, tilt=0.5)
    assert (policy * chance).sum(axis=1).mean() == pytest.approx(0.521, abs=0.002)
    assert 88 <= inside <= 99


def test_empirical_bernstein_is_valid_where_the_bootstrap_is_not():
    rng = np.random.default_rng(0)
    missed = {"bernstein": 0, "bootstrap": 0}
    for _ in range(200):
        rare = (rng.random(60) < 0.01).astype(float)
        bound = empirical_bernstein(rare, low=0.0, high=1.0)
        missed["bernstein"] += not bound.low <= 0.01 <= bound.high
        missed["bootstrap"] += rare.sum() == 0  # every resample is then zero
    assert missed["bernstein"] <= 10 < missed["bootstrap"]


def test_bernstein_is_maurer_and_pontils_bound():
    rows = np.array([0.0, 0.5, 1.0, 1.0])
    log = np.log(4 / 0.1)
    reach = np.sqrt(2 * rows.var(ddof=1) * log / 4) + 7 * 10 * log / (3 * 3)
    result = empirical_bernstein(rows, low=-4.0, high=6.0, level=0.9)
    assert (result.low, result.high) == (max(-4, 0.625 - reach), min(6, 0.625 + reach))


def test_a_customer_with_many_rows_counts_as_one_for_the_interval():
    rng = np.random.default_rng(0)
    taste = rng.random(100) < 0.5
    who = np.repeat(np.arange(100), 30)
    log = PolicyLog.from_columns(rng.integers(2, size=3000), np.full(3000, 0.5), taste[who])
    each = PolicyLog.from_columns(log.action, log.propensity, log.reward, customer=who)
    naive, honest = (
        evaluate_policy(given, [0.5, 0.5], reward_model="mean")["ips"] for given in (log, each)
    )
    assert honest.high - honest.low > 3 * (naive.high - naive.low)


def test_positions_are_evaluated_separately_and_together():
    rng = np.random.default_rng(0)
    place = rng.integers(3, size=6000)
    action = rng.integers(4, size=6000)
    reward = (rng.random(6000) < 0.1 + 0.2 * (action == place)).astype(float)
    log = PolicyLog.from_columns(action, np.full(6000, 0.25), reward, position=place)
    policy = np.zeros((1, 4, 3))
    policy[0, [0, 1, 2], [0, 1, 2]] = 1.0
    result = evaluate_policy(log, policy, reward_model="mean")
    assert [round(part["dr"].value, 1) for part in result.positions] == [0.3, 0.3, 0.3]
    assert result["dr"].low < 0.3 < result["dr"].high
    assert set(result.to_frame()["position"]) == {"all", 0, 1, 2}
    json.dumps(result.to_dict())
    assert "<table" in result._repr_html_()


@pytest.mark.parametrize("model", ["mean", "linear", "curved", "boosted"])
def test_every_reward_model_learns_the_reward_of_arms(model):
    log, _, chance = bandit(2500)
    result = cross_fitted_rewards(log, model=model)
    spread = np.mean((result.expected - chance) ** 2)
    assert spread < (0.08 if model == "mean" else 0.02)
    assert result.expected.min() >= 0
    assert result.expected.max() <= 1


def test_no_row_is_predicted_by_a_model_that_saw_it():
    rng = np.random.default_rng(0)
    rows = 600
    reward = rng.normal(size=rows)
    log = PolicyLog.from_columns(
        rng.integers(2, size=rows), np.full(rows, 0.5), reward, features=reward[:, None] * 0 + 1
    )
    result = cross_fitted_rewards(log, model="mean")
    own = result.expected[np.arange(rows), log.action]
    assert np.corrcoef(own, reward)[0, 1] < 0.05


def test_money_and_missing_features_are_fine():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 2))
    arm = rng.integers(2, size=900)
    reward = 50 + 20 * arm * X[:, 0] + rng.normal(size=900)
    X[::7, 1] = np.nan
    log = PolicyLog.from_columns(arm, np.full(900, 0.5), reward, features=X)
    policy = np.stack([X[:, 0] < 0, X[:, 0] >= 0], axis=1).astype(float)
    result = evaluate_policy(log, policy)
    truth = 50 + 20 * np.maximum(X[:, 0], 0).mean()
    assert result["dr"].low < truth < result["dr"].high
    assert result["dr"].high - result["dr"].low < 4


def test_same_seed_same_figures():
    log, policy, _ = bandit(600)
    first, second = (may_replace(log, policy, seed=3).to_dict() for _ in range(2))
    assert first == second


def test_thin_overlap_is_reported_and_blocks_a_yes():
    rng = np.random.default_rng(0)
    action = (rng.random(2000) < 0.005).astype(int)
    propensity = np.where(action == 1, 0.005, 0.995)
    log = PolicyLog.from_columns(action, propensity, (action == 1).astype(float), arms=2)
    result = may_replace(log, [0.0, 1.0], reward_model="mean")
    assert result.gain.low > 0
    assert result.verdict == "cannot tell"
    assert any("explore the policy's actions more" in reason for reason in result.reasons)
    assert str(result).startswith("no, there is not enough evidence")


def test_an_arm_that_was_never_shown_is_unsupported():
    log = PolicyLog.from_columns([0, 1] * 300, np.full(600, 0.5), [0.0, 1.0] * 300, arms=3)
    result = may_replace(log, [0.0, 0.5, 0.5], reward_model="mean")
    assert result.new.overlap.unsupported == 0.5
    assert not result.yes


def test_wrong_propensities_show_in_the_mean_weight():
    rng = np.random.default_rng(0)
    action = (rng.random(2000) < 0.8).astype(int)
    log = PolicyLog.from_columns(action, np.full(2000, 0.5), np.ones(2000))
    message = overlap(log, check_policy([0.0, 1.0], log)).warnings
    assert any("propensities do not match" in warning for warning in message)


def test_an_equal_policy_is_rarely_accepted():
    granted = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        log = PolicyLog.from_columns(
            rng.integers(2, size=500), np.full(500, 0.5), rng.random(500) < 0.3
        )
        granted += may_replace(log, [0.9, 0.1], reward_model="mean").yes
    assert granted <= 8


def test_bernstein_is_the_stricter_judge():
    log, policy, _ = bandit(3000)
    loose, strict = (
        may_replace(log, policy, interval=kind, reward_model="mean")
        for kind in ("gamma", "bernstein")
    )
    assert strict.gain.low < loose.gain.low
    assert strict.gain.high > loose.gain.high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensity": [0.5, 0.0, 0.5]}, "1 propensities are not above 0"),
        ({"reward": [0.0, np.nan, 1.0]}, "reward is missing or not finite in 1"),
        ({"action": [0, 1, 5], "arms": 3}, "1 actions are not among the 3 arms"),
        ({"action": [0, 1]}, "propensity has 3 values for 2 rows"),
        ({"action": [0, 0.5, 1]}, "1 values of action are not integers"),
        ({"features": [[1.0]]}, "expected 3 rows"),
        ({"customer": ["a"]}, "customer has shape"),
        ({"reward": ["a", "b", "c"]}, "values that are not numbers"),
    ],
)
def test_logs_that_are_invalid_are_refused(change, message):
    given = {"action": [0, 1, 1], "propensity": [0.5] * 3, "reward": [0.0, 1.0, 0.0], **change}
    with pytest.raises(EvaluationError, match=message):
        PolicyLog.from_columns(**given)


@pytest.mark.parametrize(
    ("policy", "message"),
    [([0.5, 0.6], "rows of the policy are not distributions"), ([1.0], "shape")],
)
def test_policies_that_are_invalid_are_refused(policy, message):
    log = PolicyLog.from_columns([0, 1], [0.5, 0.5], [0.0, 1.0])
    with pytest.raises(EvaluationError, match=message):
        evaluate_policy(log, policy)


def test_too_few_customers_and_unknown_words_are_refused():
    log = PolicyLog.from_columns([0, 1], [0.5, 0.5], [0.0, 1.0])
    with pytest.raises(EvaluationError, match="too few for 5 folds"):
        cross_fitted_rewards(log)
    word: Any = "magic"
    with pytest.raises(EvaluationError, match="no reward model"):
        cross_fitted_rewards(bandit(50)[0], model=word)
    with pytest.raises(EvaluationError, match="no estimator"):
        may_replace(log, [0.5, 0.5], estimator="magic")


@pytest.mark.data
def test_open_bandits_thompson_policy_from_uniform_logs(data_dir, monkeypatch):
    from churnkit.datasets import load

    monkeypatch.setenv("CHURNKIT_DATA_DIR", str(data_dir))
    tables = load("open_bandit")
    uniform, thompson = tables["random"], tables["bts"]
    policy = np.zeros((1, 34, 3))
    shown = (thompson["item_id"].to_numpy(), thompson["position"].to_numpy() - 1)
    np.add.at(policy[0], shown, 1.0)
    policy /= policy.sum(axis=1, keepdims=True)
    log = PolicyLog.from_columns(
        uniform["item_id"].to_numpy(),
        uniform["propensity_score"].to_numpy(),
        uniform["click"].to_numpy(),
        arms=34,
        position=uniform["position"].to_numpy() - 1,
    )
    result = evaluate_policy(log, policy)
    truth = thompson["click"].to_numpy().mean()
    for name in ("ips", "snips", "dr", "sndr"):
        assert result[name].low < truth < result[name].high

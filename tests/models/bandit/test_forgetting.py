import numpy as np
import pytest
from scipy.stats import multivariate_normal

from churnkit.models import BanditBatch, LinearBandit
from churnkit.models.bandit.forgetting import supported_share
from churnkit.models.bandit.posterior import log_evidence
from churnkit.models.bandit.sums import RewardSums

NAMES = ("a", "b", "c")
PRECISIONS = (np.full(3, 0.3), np.full(3, 0.1))


def rows(rng, count):
    customers = np.column_stack([np.ones(count), rng.normal(size=(count, 2))])
    return customers, customers, rng.choice(NAMES, count)


def share(rng, reward_of, *, before=400, after=40, changed=None):
    """Return the share that a batch supports; the variance of the noise is that of the past."""
    past, batch = rows(rng, before), rows(rng, after)
    rewards, new = reward_of(*past), (changed or reward_of)(*batch)
    bandit = LinearBandit.new(customer_features=2, half_life=1e9).update(
        BanditBatch(past[0][:, 1:], past[2].tolist(), np.empty((before, 0)), rewards)
    )
    return supported_share(
        bandit.sums,
        batch,
        new,
        np.diag(bandit.expected(batch[0][:, 1:], batch[2].tolist(), np.empty((after, 0)))),
        precisions=PRECISIONS,
        variance=float((0.5 + before * np.var(rewards)) / (2 + before)),
    )


def test_the_evidence_is_the_density_of_the_rewards_under_the_prior():
    rng = np.random.default_rng(0)
    past, batch = rows(rng, 30), rows(rng, 20)
    reward, new = rng.normal(size=30), rng.normal(size=20)
    before = RewardSums.empty(3).plus(past[0], past[1], past[2], reward)
    after = before.plus(batch[0], batch[1], batch[2], new)
    variance = 0.7

    def density(parts, rewards):
        customers = np.concatenate([part[0] for part in parts])
        names = np.concatenate([part[2] for part in parts])
        alike = names[:, None] == names[None, :]
        products = customers @ customers.T
        covariance = variance * (np.eye(len(names)) + products / 0.1 + alike * products / 0.3)
        return multivariate_normal(cov=covariance).logpdf(np.concatenate(rewards))

    expected = density([past, batch], [reward, new]) - density([past], [reward])
    got = log_evidence(after, PRECISIONS, variance) - log_evidence(before, PRECISIONS, variance)
    got -= 0.5 * new @ new / variance + 10 * np.log(2 * np.pi * variance)
    assert got == pytest.approx(expected, abs=1e-9)


def linear(rng):
    slopes = {name: rng.normal(size=3) for name in NAMES}

    def reward_of(customers, _, names):
        means = [row @ slopes[name] for row, name in zip(customers, names, strict=True)]
        return np.array(means) + rng.normal(size=len(names))

    return reward_of


WORLDS = {
    "linear": linear,
    "one click in two hundred": lambda rng: lambda u, _, names: (rng.random(len(u)) < 0.005) * 1.0,
    "log-normal spend": lambda rng: lambda u, _, names: np.exp(2 * rng.normal(size=len(u))),
}


@pytest.mark.parametrize("world", WORLDS)
def test_a_batch_like_the_past_keeps_the_past(world):
    # Log Bayes factors of 6 are exceeded by chance in at most exp(-6), .2% of the batches.
    shares = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        shares.append(share(rng, WORLDS[world](rng)))
    assert np.mean(np.array(shares) < 1) <= 0.02


def negated(reward_of):
    return lambda *rows: -reward_of(*rows)


def test_a_change_of_sign_discounts_the_past():
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        reward_of = linear(rng)
        shares.append(share(rng, reward_of, changed=negated(reward_of)))
    assert max(shares) <= 1 / 16


@pytest.mark.parametrize("adaptive", [True, False])
def test_only_an_adaptive_bandit_with_a_half_life_forgets_at_once(adaptive):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1))
    rewards = 3 + 0.1 * rng.normal(size=200)
    bandits = [
        LinearBandit.new(customer_features=1, half_life=half_life, adaptive=adaptive)
        for half_life in (1000.0, None)
    ]
    for sign in (1, -1):
        batch = BanditBatch(X, ["a", "b"] * 100, np.empty((200, 0)), sign * rewards)
        bandits = [bandit.update(batch) for bandit in bandits]
    forgetting, remembering = (bandit.sums.weight for bandit in bandits)
    assert remembering == 400
    assert (forgetting < 220) == adaptive

"""Tests for effects that differ: orders learned from the other folds, and the model's own."""

import numpy as np
import pytest

from churnkit.evaluation import rank_average_effect
from churnkit.models import UpliftModel


def cross_fitted(rng, n, *, churn, treated, size=0.0):
    """Draw scores of an experiment, and predictions by ridge regression on the other folds."""
    X = rng.normal(size=(n, 6))
    risk = 1 / (1 + np.exp(-np.log(churn / (1 - churn)) - 0.8 * X[:, 0]))
    arm = rng.random(n) < treated
    stayed = rng.random(n) > risk - size * arm * np.sign(X[:, 1])
    effect = (stayed - (1 - churn)) * np.where(arm, 1 / treated, -1 / (1 - treated))
    fold, priority = rng.permutation(n) % 5, np.zeros(n)
    for k in range(5):
        seen, rest = X[fold != k], effect[fold != k]
        slope = np.linalg.solve(seen.T @ seen + 10 * np.eye(6), seen.T @ (rest - rest.mean()))
        priority[fold == k] = X[fold == k] @ slope
    return effect, priority, fold


@pytest.mark.parametrize(
    ("n", "churn", "treated"), [(600, 0.25, 0.5), (1500, 0.04, 0.5), (1500, 0.04, 0.2)]
)
def test_cross_fitted_orders_find_no_effects_that_differ_at_the_nominal_rate(
    rate_within, n, churn, treated
):
    def found(rng):
        effect, priority, fold = cross_fitted(rng, n, churn=churn, treated=treated)
        return rank_average_effect(effect, priority, fold=fold, resamples=60).found

    rate_within(found, 0.025, runs=250)


def test_cross_fitted_orders_find_effects_that_differ(simulate):
    def found(rng):
        drawn = cross_fitted(rng, 6000, churn=0.25, treated=0.5, size=0.08)
        return rank_average_effect(*drawn[:2], fold=drawn[2], resamples=60).found

    count, runs = simulate(found, runs=60)
    assert count / runs > 0.9


@pytest.mark.parametrize("actions", [1, 3])
def test_a_model_finds_no_effects_that_differ_at_the_nominal_rate(rate_within, actions):
    def found(rng):
        X = rng.normal(size=(600, 4))
        arm = rng.integers(0, actions + 1, 600)
        stayed = rng.random(600) < 1 / (1 + np.exp(-1.5 - 0.8 * X[:, 0]))
        chance = np.full(600, 1 / (actions + 1))
        model = UpliftModel(folds=3).fit(X, stayed * 1.0, treatment=arm, propensity=chance)
        return any(rate.found for rate in model.rates_)

    rate_within(found, 0.025, runs=20)

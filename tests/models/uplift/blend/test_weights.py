"""Weights of the effect blend: posterior means, and experiments with known propensities."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.models import UpliftModel
from churnkit.models.uplift.blend import candidates as candidates_module
from churnkit.models.uplift.blend import weights as blend_weights


def log_normal_density(point, mean, covariance):
    off = np.atleast_2d(point - mean)
    return -0.5 * (
        np.linalg.slogdet(2 * np.pi * covariance)[1]
        + np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariance), off)
    )


@pytest.mark.parametrize(
    ("estimate", "error"),
    [((0.10, 0.30), (0.07, 0.05)), ((-0.05, 0.02), (0.04, 0.06)), ((0.6, 0.5), (0.2, 0.1))],
)
def test_relative_effects_are_posterior_means_of_the_stated_prior(estimate, error):
    correlation = np.array([[1.0, 0.5], [0.5, 1.0]])
    covariance = np.outer(error, error) * correlation
    mean, _ = blend_weights._shrunken_relative(np.array(estimate), covariance)

    # The same by summing over a grid of effects, with the point mass at no effect of any action.
    axis = np.linspace(-1.0, 1.4, 601)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    prior = blend_weights._RELATIVE_SD**2 + blend_weights._BETWEEN_ACTIONS_SD**2 * np.eye(2)
    log_slab = log_normal_density(grid, np.full(2, blend_weights._RELATIVE_MEAN), prior)
    log_likelihood = log_normal_density(np.array(estimate), grid, covariance)
    slab = np.exp(log_slab + log_likelihood) * (axis[1] - axis[0]) ** 2
    spike = np.exp(log_normal_density(np.array(estimate), np.zeros(2), covariance))[0]
    evidence = blend_weights._ODDS_OF_AN_EFFECT * slab.sum() + spike
    expected = blend_weights._ODDS_OF_AN_EFFECT * (slab[:, None] * grid).sum(axis=0) / evidence
    assert mean == pytest.approx(expected, abs=1e-4)


def test_a_hidden_reason_for_the_choice_does_not_bias_effects_when_propensities_are_known():
    """Customers in trouble, which no column shows, get the action more often and leave more often."""
    effects = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n = 20_000
        X = rng.normal(size=(n, 3))
        trouble = rng.random(n) < 0.4
        propensity = np.where(trouble, 0.75, 0.3)
        arm = (rng.random(n) < propensity).astype(int)
        risk = np.where(trouble, 0.35, 0.1)
        stayed = (rng.random(n) >= risk * (1.0 - 0.3 * arm)).astype(float)
        given = np.where(arm == 1, propensity, 1.0 - propensity)
        seen_risk = np.full(n, 0.4 * 0.35 + 0.6 * 0.1)
        model = UpliftModel(folds=2).fit(X, stayed, treatment=arm, propensity=given, risk=seen_risk)
        effects.append(float(model.predict(X[:500], risk=seen_risk[:500]).mean()))
    # True effect: 0.3 of a mean risk of 0.2.
    assert np.mean(effects) == pytest.approx(0.06, abs=0.008)


@pytest.mark.parametrize(("strength", "trees"), [(0.0, (30,)), (0.35, (60, 120))])
def test_the_number_of_trees_follows_the_held_out_loss(strength, trees, monkeypatch):
    chosen: list[int] = []

    def fit(*arguments, **options):
        candidates = real(*arguments, **options)
        chosen.extend(
            booster.best_iteration for name in "tr" for booster in candidates.boosters[name][0]
        )
        return candidates

    real = candidates_module.fit_candidates
    monkeypatch.setattr("churnkit.models.uplift.blend.model.fit_candidates", fit)
    rng = np.random.default_rng(5)
    n = 6_000
    X = rng.normal(size=(n, 4))
    arm = rng.integers(0, 2, n)
    risk = np.full(n, 0.4)
    effect = strength * np.sign(X[:, 0] * 1.0)
    stayed = (rng.random(n) < 0.6 + arm * np.clip(effect, -0.6, 0.4)).astype(float)
    UpliftModel(folds=2).fit(X, stayed, treatment=arm, propensity=np.full(n, 0.5), risk=risk)
    assert set(chosen) <= set(trees)

"""Experiments: small holdouts, heavy tails, daily looks, many covariates, planned power."""

import numpy as np
import pytest

from churnkit.evaluation import detectable_effect, plan_experiment, read_experiment


def spend(rng, n):
    return (rng.random(n) < 0.3) * rng.lognormal(3, 1.5, n)


def heavy_spend(rng, n):
    return (rng.random(n) < 0.1) * rng.lognormal(3, 2.2, n)


def rare_churn(rng, n):
    return -(rng.random(n) < 0.01).astype(float)


def assign(rng, n, share):
    treated = rng.random(n) < share
    treated[:10], treated[10:20] = True, False
    return treated


@pytest.mark.parametrize(
    ("outcome", "n", "share", "runs"),
    [
        (spend, 1000, 0.95, 400),
        (heavy_spend, 1000, 0.95, 400),
        (spend, 600, 0.1, 300),
        (rare_churn, 5000, 0.95, 1000),
    ],
)
def test_no_effect_is_found_at_the_nominal_rate(rate_within, outcome, n, share, runs):
    def found(rng):
        readout = read_experiment(outcome(rng, n), assign(rng, n, share))
        return readout.verdict != "cannot tell"

    rate_within(found, 0.05, runs=runs)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_many_covariates_keep_the_level(simulate, share):
    def covered(rng):
        X = rng.normal(size=(60, 20))
        outcome = X[:, :3].sum(axis=1) + rng.normal(size=60)
        adjusted = read_experiment(outcome, assign(rng, 60, share), covariates=X).adjusted
        assert adjusted is not None
        return adjusted.low <= 0 <= adjusted.high

    count, runs = simulate(covered, runs=400)
    assert count / runs >= 0.95 - 2.6 * np.sqrt(0.95 * 0.05 / runs)


@pytest.mark.parametrize(
    ("outcome", "share", "runs"),
    [
        (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5, 200),
        (lambda rng, n: (rng.random(n) < 0.01).astype(float), 0.95, 200),
        (spend, 0.95, 40),
    ],
)
def test_the_always_valid_interval_holds_over_all_looks(rate_within, outcome, share, runs):
    looks = np.geomspace(200, 4000, 8).astype(int)

    def stopped(rng):
        value, treated = outcome(rng, 4000), assign(rng, 4000, share)
        intervals = (read_experiment(value[:n], treated[:n]).always_valid for n in looks)
        return any(interval.low > 0 or interval.high < 0 for interval in intervals)

    rate_within(stopped, 0.05, runs=runs)


@pytest.mark.parametrize(("baseline", "effect", "share"), [(0.02, 0.02, 0.9), (0.1, 0.03, 0.5)])
def test_a_plan_has_its_power(simulate, baseline, effect, share):
    plan = plan_experiment(effect, baseline=baseline, share=share)
    treated = np.repeat([True, False], [plan.treated, plan.control])

    def detected(rng):
        chance = np.where(treated, baseline + effect, baseline)
        return read_experiment(rng.random(len(treated)) < chance, treated).verdict == "works"

    count, runs = simulate(detected, runs=500)
    assert count / runs == pytest.approx(0.8, abs=2.6 * np.sqrt(0.16 / runs))


@pytest.mark.parametrize(("effect", "baseline", "share"), [(0.05, 0.02, 0.5), (0.03, 0.3, 0.9)])
def test_the_detectable_effect_is_the_inverse_of_the_plan(effect, baseline, share):
    customers = plan_experiment(effect, baseline=baseline, share=share).customers
    assert detectable_effect(customers, baseline=baseline, share=share) == pytest.approx(
        effect, rel=0.01
    )

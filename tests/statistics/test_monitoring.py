"""Drift in columns of few values, and false alarms of stable ones."""

import numpy as np
import pytest

from churnkit.evaluation.drift.profile import ColumnProfile


def refunds(rng, n):
    return (rng.random(n) < 0.07) * rng.lognormal(3, 1, n).round(2)


def months(rng, n):
    return 202401.0 + rng.integers(0, 6, n)


def epoch_seconds(rng, n):
    return 1.7e9 + rng.uniform(0, 3e7, n).round()


def constant(_, n):
    return np.full(n, 5.0)


@pytest.mark.parametrize(
    ("draw", "change"),
    [
        pytest.param(refunds, lambda x: 100 * x, id="refunds in cents"),
        pytest.param(months, lambda x: np.where(x == 202403, 202409, x), id="a month replaced"),
        pytest.param(epoch_seconds, lambda x: x + 90 * 86_400, id="epoch seconds a quarter later"),
        pytest.param(constant, lambda x: x - 2, id="a constant that decreased"),
        pytest.param(constant, lambda x: x + 0.1, id="a constant that increased"),
    ],
)
def test_drift_is_large_in_columns_of_few_values(draw, change):
    rng = np.random.default_rng(0)
    profile = ColumnProfile.fit("x", draw(rng, 4000), categorical=False)
    drift = profile.compare(change(draw(rng, 2000)))
    assert drift.level == "large"
    assert drift.p_value < 1e-4


@pytest.mark.parametrize("value", [1e-4, -0.5, 5.0, 1080.0, 1.7e9, 0.0])
@pytest.mark.parametrize("share", [3e-6, 1e-3, 1.0])
def test_a_column_of_one_value_that_moves_by_more_than_rounding_has_drifted(value, share):
    profile = ColumnProfile.fit("x", np.full(4000, value), categorical=False)
    for sign in (-1.0, 1.0):
        drift = profile.compare(np.full(2000, value + sign * share * (abs(value) or 1.0)))
        assert drift.level == "large"
        assert drift.p_value < 1e-4


@pytest.mark.parametrize("value", [1e-4, 0.1, 5.0, 1080.3, 1.7e9, 0.0])
def test_a_column_of_one_value_has_not_drifted_by_rounding(value):
    profile = ColumnProfile.fit("x", np.full(4000, value), categorical=False)
    rounded = [float(np.float32(value)), value * (1 + 1e-9), value + 1e-9 * abs(value)]
    assert {profile.compare(np.full(2000, each)).level for each in rounded} == {"none"}


def test_infinite_values_count_as_missing():
    rng = np.random.default_rng(0)
    profile = ColumnProfile.fit("x", rng.normal(size=4000), categorical=False)
    values = rng.normal(size=2000)
    values[:300], values[300:600] = np.inf, -np.inf
    drift = profile.compare(values)
    assert (drift.level, drift.missing_now) == ("large", 0.3)


@pytest.mark.parametrize(("seen", "new"), [([0.0], 1.0), ([0.0, 1.0, 3.0], 2.0), ([1.0, 2.0], 0.0)])
def test_a_category_that_training_did_not_have_is_drift(seen, new):
    rng = np.random.default_rng(0)
    profile = ColumnProfile.fit("x", rng.choice(seen, 4000), categorical=True)
    values = np.where(rng.random(2000) < 0.4, new, rng.choice(seen, 2000))
    drift = profile.compare(values)
    assert drift.level == "large"
    assert profile.compare(rng.choice(seen, 2000)).level == "none"


@pytest.mark.parametrize("draw", [refunds, months, epoch_seconds, constant])
def test_stable_columns_are_rarely_significant(rate_within, draw):
    def alarm(rng):
        profile = ColumnProfile.fit("x", draw(rng, 4000), categorical=False)
        return profile.compare(draw(rng, 1000)).p_value < 0.05

    rate_within(alarm, 0.05, runs=300)


def test_a_rare_value_that_became_six_times_as_frequent_is_reported():
    rng = np.random.default_rng(0)
    profile = ColumnProfile.fit(
        "flag", rng.binomial(1, 0.005, 5000).astype(np.float64), categorical=False
    )
    drift = profile.compare(rng.binomial(1, 0.03, 2000).astype(np.float64))
    assert (drift.level, drift.psi < 0.1) == ("some", True)
    assert drift.p_value < 1e-9


def test_rare_values_without_drift_are_not_reported(rate_within):
    def reported(rng):
        share = rng.uniform(0.002, 0.2)
        profile = ColumnProfile.fit("flag", (rng.random(5000) < share) * 1.0, categorical=False)
        return profile.compare((rng.random(2000) < share) * 1.0).level != "none"

    rate_within(reported, 0.005, runs=200)

"""Gamma limits: exact for counts, and right for both signs, weights and clusters."""

import numpy as np
import pytest
from scipy import stats

from churnkit.core.stats.gamma_interval import event_mean_interval


@pytest.mark.parametrize("events", [0, 1, 4, 30])
def test_limits_of_rare_counts_are_garwoods(events):
    rows = 1_000_000
    event = np.zeros(rows)
    event[:events] = 1.0
    zeros = np.zeros(rows)
    interval = event_mean_interval(zeros, zeros + 1, event, unseen=(1.0, 0.0))
    low = stats.chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    high = stats.chi2.ppf(0.975, 2 * events + 2) / 2
    assert (interval.low * rows, interval.high * rows) == pytest.approx((low, high), rel=1e-4)


def test_the_limits_of_negative_events_mirror_those_of_positive_ones():
    rng = np.random.default_rng(0)
    base, event = rng.normal(size=500), rng.pareto(2, 500) * (rng.random(500) < 0.1)
    up = event_mean_interval(base, np.ones(500), event)
    down = event_mean_interval(-base, np.ones(500), -event)
    assert (down.low, down.high) == pytest.approx((-up.high, -up.low))


def test_repeated_rows_of_a_customer_add_no_information():
    rng = np.random.default_rng(0)
    event = (rng.random(300) < 0.2).astype(float)
    once = event_mean_interval(np.zeros(300), np.ones(300), event)
    thrice = event_mean_interval(
        np.zeros(900), np.ones(900), np.repeat(event, 3), cluster=np.repeat(np.arange(300), 3)
    )
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        pytest.param(lambda rng, n: rng.lognormal(0, 1, n), np.exp(0.5), id="log-normal"),
        pytest.param(lambda rng, n: (rng.random(n) < 0.02) * 1.0, 0.02, id="rare"),
        pytest.param(lambda rng, n: rng.normal(size=n), 0.0, id="normal"),
    ],
)
def test_means_are_covered(simulate, draw, truth):
    def covered(rng):
        interval = event_mean_interval(np.zeros(300), np.ones(300), draw(rng, 300))
        return interval.low <= truth <= interval.high

    count, runs = simulate(covered, runs=1500)
    assert 0.925 <= count / runs <= 0.99

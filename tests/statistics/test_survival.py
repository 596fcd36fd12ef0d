"""Kaplan-Meier at exact shares and extreme weights, and calibration with early censoring."""

import numpy as np
import pytest

from churnkit.evaluation import kaplan_meier, survival_calibration


def test_the_median_is_the_middle_time_for_every_number_of_customers():
    for n in range(2, 401):
        times = np.arange(1.0, n + 1)
        assert kaplan_meier(times, np.ones(n)).median == times[(n + 1) // 2 - 1]


@pytest.mark.parametrize("scale", [1e-300, 0.1, 1.0, 1e15, 1e300])
def test_weights_of_any_size_give_the_curve_of_their_ratios(scale):
    curve = kaplan_meier([1, 2, 3], [1, 1, 1], sample_weight=np.array([1.0, 2.0, 3.0]) * scale)
    assert curve.survival == pytest.approx([5 / 6, 1 / 2, 0.0])
    assert curve.survival[-1] == 0.0


def test_small_weights_survive_next_to_large_ones():
    curve = kaplan_meier([1, 2, 3, 4], [1, 1, 1, 0], sample_weight=[1e15, 1.0, 1.0, 1.0])
    assert curve.at_risk.tolist() == [1e15 + 3, 3.0, 2.0]
    assert curve.survival == pytest.approx(np.array([3.0, 2.0, 1.0]) / (1e15 + 3))


def test_late_entry_counts_the_customers_under_observation():
    rng = np.random.default_rng(0)
    entry = rng.uniform(0, 5, 2000).round(1) * (rng.random(2000) < 0.7)
    duration = entry + 0.1 + rng.exponential(4, 2000).round(1)
    weight = rng.random(2000)
    curve = kaplan_meier(duration, rng.random(2000) < 0.6, entry=entry, sample_weight=weight)
    expected = [weight[(entry < t) & (duration >= t)].sum() for t in curve.time]
    assert curve.at_risk == pytest.approx(expected)


def test_one_bin_with_early_censoring_leaves_the_others():
    rng = np.random.default_rng(0)
    risk = np.repeat([0.1, 0.5], 500)
    duration = rng.geometric(risk).astype(float)
    censored = np.where(risk == 0.1, 3.0, 20.0)
    result = survival_calibration(
        np.minimum(duration, censored),
        duration <= censored,
        (1 - risk)[:, None] ** np.array([2, 6]),
        [2, 6],
        bins=2,
    )
    assert result.left_out == 1
    assert result.horizon.tolist() == [2, 2, 6]
    assert result.churn_rate[-1] == pytest.approx(1 - 0.5**6, abs=0.03)

"""Venn-Abers intervals: against refitted isotonic regressions, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from churnkit.errors import BundleError
from churnkit.models import ModelDataError, VennAbers
from churnkit.models.calibration.maps import Calibration


def draw(rng, n):
    """Customers whose model is wrong: true log-odds are half of the scored ones, less one."""
    score = rng.normal(-1.0, 1.5, n)
    churned = rng.random(n) < 1 / (1 + np.exp(1.0 - 0.5 * score))
    return Calibration.identity().apply(score), churned.astype(float)


def cells(probability):
    """Log-odds in whole cells, on which ends are defined."""
    return np.floor(128 * np.log(probability / (1 - probability)))


def refitted(probability, y, weight, new):
    """The definition: isotonic regression with the new customer, once with each label."""
    scores = np.append(cells(probability), cells(new))
    return [
        IsotonicRegression()
        .fit(scores, np.append(y, label), np.append(weight, 1.0))
        .predict(scores[-1:])[0]
        for label in (0.0, 1.0)
    ]


@pytest.mark.parametrize(("n", "weighted"), [(1, False), (7, False), (60, True), (300, False)])
def test_ends_are_those_of_regressions_refitted_for_each_customer(n, weighted):
    rng = np.random.default_rng(n)
    probability, y = draw(rng, n)
    probability[n // 2 :: 3] = probability[0]  # ties
    weight = rng.uniform(0.5, 2.0, n) if weighted else np.ones(n)
    weight /= weight.mean()
    intervals = VennAbers.fit(probability, y, sample_weight=weight)
    new = np.concatenate([draw(rng, 40)[0], probability[:5], [1e-9, 1 - 1e-9]])
    expected = [refitted(probability, y, weight, one) for one in new]
    np.testing.assert_allclose(np.transpose(intervals.ends(new)), expected, rtol=0, atol=1e-12)


def test_the_end_of_the_actual_outcome_is_calibrated_at_every_level():
    """Of 40 labelled customers only: the validity is exact, whatever their number."""
    rng = np.random.default_rng(3)
    chosen, churned = [], []
    for _ in range(600):
        intervals = VennAbers.fit(*draw(rng, 40))
        probability, y = draw(rng, 20)
        lower, upper = intervals.ends(probability)
        chosen.append(np.where(y == 1, upper, lower))
        churned.append(y)
    end, outcome = np.array(chosen), np.array(churned)
    assert abs(end.mean() - outcome.mean()) < 0.015
    for low in np.arange(0.0, 1.0, 0.125):
        within = (end >= low) & (end < low + 0.125)
        excess = np.where(within, outcome - end, 0.0).sum(axis=1)
        # The 20 customers of a draw share its regression: errors are those of whole draws.
        error = excess.std() / np.sqrt(len(excess)) if within.any() else 0.0
        assert abs(excess.mean()) <= 3.5 * error + 1e-12


def test_the_ends_bracket_the_true_probability_more_closely_with_more_customers():
    rng = np.random.default_rng(5)
    widths = []
    new = np.array([0.1, 0.3, 0.5])
    truth = 1 / (1 + np.exp(1.0 - 0.5 * np.log(new / (1 - new))))
    for n in (200, 20_000):
        lower, upper = VennAbers.fit(*draw(rng, n)).ends(new)
        widths.append(upper - lower)
    assert (widths[1] < 0.2 * widths[0]).all()
    np.testing.assert_allclose((lower + upper) / 2, truth, atol=0.03)


def test_one_probability_has_the_interval_of_many():
    rng = np.random.default_rng(1)
    intervals = VennAbers.fit(*draw(rng, 500))
    probability = np.concatenate([rng.random(200), intervals.thresholds, [0.0, 1.0]])
    low, high = intervals.interval(probability)
    assert [intervals.interval_one(p) for p in probability.tolist()] == list(
        zip(low.tolist(), high.tolist(), strict=True)
    )
    assert ((low <= probability) & (probability <= high)).all()


def test_an_unknown_probability_has_no_interval():
    intervals = VennAbers.fit([0.2, 0.8], [0, 1])
    assert np.isnan(intervals.interval([np.nan, 0.5])).tolist() == [[True, False], [True, False]]


def test_saved_intervals_are_small_and_equal():
    probability, y = draw(np.random.default_rng(2), 50_000)
    intervals = VennAbers.fit(probability, y)
    arrays = intervals.to_arrays()
    assert sum(array.nbytes for array in arrays.values()) < 20_000
    again = VennAbers.from_arrays(arrays)
    np.testing.assert_array_equal(again.ends(probability), intervals.ends(probability))
    assert not np.isin(intervals.thresholds, probability).any()


@pytest.mark.parametrize(
    "change",
    [
        {"lower": np.array([0.1, 0.2])},
        {"thresholds": np.array([0.5, 0.4])},
        {"lower": np.array([0.3, 0.2, 0.4])},
        {"upper": np.array([0.2, 0.3, 1.5])},
        {"upper": np.array([0.0, 0.3, 0.9])},
        {"upper": np.array([0.2, np.nan, 0.9])},
        {"other": np.array([0.5])},
    ],
)
def test_saved_intervals_that_do_not_fit_are_refused(change):
    arrays = {
        "thresholds": np.array([0.4, 0.5]),
        "lower": np.array([0.1, 0.2, 0.4]),
        "upper": np.array([0.2, 0.3, 0.9]),
    }
    VennAbers.from_arrays(arrays)
    with pytest.raises(BundleError, match="the intervals"):
        VennAbers.from_arrays(arrays | change)


def test_intervals_without_customers_are_refused():
    with pytest.raises(ModelDataError, match="at least one customer"):
        VennAbers.fit([], [])

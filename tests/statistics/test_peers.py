"""Intervals and curves compared with peer libraries (extra ``test-peers``)."""

import warnings

import numpy as np
import pytest

from churnkit.evaluation import cumulative_incidence, kaplan_meier
from churnkit.evaluation.experiments.ab_test import agresti_caffo_limits

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    lifelines = pytest.importorskip("lifelines")

pytestmark = pytest.mark.filterwarnings("ignore")


def test_agresti_caffo_limits_agree_with_statsmodels():
    expected = proportion.confint_proportions_2indep(12, 90, 3, 40, method="agresti-caffo")
    assert agresti_caffo_limits(12, 90, 3, 40, 0.95) == pytest.approx(expected)


def test_weighted_curves_with_late_entry_agree_with_lifelines():
    rng = np.random.default_rng(0)
    entry = rng.integers(0, 4, 300).astype(float)
    duration = entry + rng.integers(1, 9, 300)
    event, weight = rng.random(300) < 0.6, rng.integers(1, 4, 300)
    fitted = lifelines.KaplanMeierFitter().fit(duration, event, entry=entry, weights=weight)
    curve = kaplan_meier(duration, event, entry=entry, sample_weight=weight)
    expected = fitted.survival_function_at_times(curve.time).to_numpy()
    assert curve.survival == pytest.approx(expected)


def test_cumulative_incidence_with_late_entry_and_weights_agrees_with_lifelines():
    rng = np.random.default_rng(1)
    first, second = rng.exponential(5.0, 300), rng.exponential(8.0, 300)
    end = rng.uniform(1.0, 12.0, 300)
    duration = np.minimum(np.minimum(first, second), end)
    number = np.where(duration == end, 0, np.where(first < second, 1, 2))
    entry = np.where(rng.random(300) < 0.6, 0.0, np.minimum(rng.uniform(0, 2, 300), 0.9 * duration))
    weight = rng.integers(1, 4, 300)
    fitted = lifelines.AalenJohansenFitter(calculate_variance=True).fit(
        duration, number, 1, entry=entry, weights=weight
    )
    curves = cumulative_incidence(
        duration,
        np.array([None, "a", "b"], dtype=object)[number],
        entry=entry,
        sample_weight=weight,
    )
    expected = fitted.cumulative_density_.iloc[:, 0].reindex(curves.time).to_numpy()
    assert curves.incidence[0] == pytest.approx(expected, abs=1e-12)
    assert curves.variance[0, -1] == pytest.approx(float(np.ravel(fitted.variance_)[-1]))

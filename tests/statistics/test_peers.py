"""Intervals and curves compared with peer libraries (extra ``test-peers``)."""

import warnings

import numpy as np
import pytest

from churnkit.evaluation import kaplan_meier
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

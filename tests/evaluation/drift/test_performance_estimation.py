"""Realized churn compared with the predictions."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.evaluation.drift.performance_estimation import compare_realized


def test_rows_of_one_customer_add_no_certainty():
    rng = np.random.default_rng(0)
    risk = rng.uniform(0.05, 0.6, 400)
    left = (rng.random(400) < risk).astype(float)
    several = np.repeat(np.arange(400), 4)
    once = compare_realized(left, risk)
    rows = compare_realized(left[several], risk[several], customers=several)
    assert rows.ratio.value == pytest.approx(once.ratio.value)
    assert rows.auc.value == pytest.approx(once.auc.value)
    alone = compare_realized(left[several], risk[several])
    for ours, expected, times, tolerance in (
        (rows.ratio, once.ratio, 1, 0.01),
        (rows.auc, once.auc, 1, 0.1),  # DeLong's variance in place of Hanley and McNeil's
        (rows.estimate.auc, alone.estimate.auc, 2, 0.01),  # four copies of each label
    ):
        width = times * (expected.high - expected.low)
        assert ours.high - ours.low == pytest.approx(width, rel=tolerance)


def test_customers_with_a_row_each_change_nothing():
    left, risk = [0, 1, 0, 0, 1], [0.2, 0.4, 0.2, 0.2, 0.5]
    assert compare_realized(left, risk, customers=list("abcde")) == compare_realized(left, risk)

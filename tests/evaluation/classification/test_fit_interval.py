"""Intervals of a model that was refitted on all rows."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.evaluation import METRICS, compare, evaluate
from churnkit.evaluation.classification.fit_interval import compare_refits, evaluate_refit

RNG = np.random.default_rng(0)
RISK = RNG.uniform(0.05, 0.95, 400)
LEFT = (RNG.random(400) < RISK).astype(int)
LEFT[np.flatnonzero(LEFT)[100:]] = 0  # a hundred churners, so that the factor is sqrt(1.5)


def test_the_width_grows_by_the_variance_of_fifty_churners():
    before = evaluate(LEFT, RISK, baseline=np.full(400, 0.5), seed=0)
    after = evaluate_refit(before)
    assert before.baseline is not None
    assert after.baseline is not None
    for name in ("auc", "log_loss", "brier"):
        for ours, other in (
            (after.metrics[name], before.metrics[name]),
            (after.baseline[name], before.baseline[name]),
        ):
            assert ours.value == other.value
            assert ours.high - ours.low == pytest.approx(1.5**0.5 * (other.high - other.low))


def test_limits_stay_within_the_range_of_a_metric():
    after = evaluate_refit(evaluate([0, 1] * 10, [0.1, 0.9] * 9 + [0.9, 0.1], seed=0))
    for name, interval in after.metrics.items():
        assert 0.0 <= interval.low <= interval.value <= interval.high
        assert not METRICS[name].is_share or interval.high <= 1.0


def test_a_gain_that_is_barely_beyond_chance_no_longer_is():
    crossed = compare(LEFT, RISK, np.clip(RISK + 0.02, 0, 1), seed=0)
    wide = compare_refits(crossed, rarer=100)
    assert wide.gain.high - wide.gain.low == pytest.approx(
        1.5**0.5 * (crossed.gain.high - crossed.gain.low)
    )


def test_those_who_stayed_count_if_they_are_fewer():
    churned, stayed = (
        evaluate_refit(evaluate(left, risk, seed=0)).metrics["brier"]
        for left, risk in ((LEFT, RISK), (1 - LEFT, 1 - RISK))
    )
    assert (stayed.low, stayed.high) == pytest.approx((churned.low, churned.high))
    # Not by the rows of the outcome, where customers have several.
    twice = np.repeat(np.arange(400), 2)
    rows = evaluate(1 - LEFT[twice], 1 - RISK[twice], customers=twice, seed=0)
    wide = evaluate_refit(rows, rarer=100).metrics["brier"]
    assert (wide.low, wide.high) == pytest.approx((churned.low, churned.high))

"""Intervals of past actions' effects, where no action has an effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from churnkit.insights.metrics.treatment_effects import measure_effects
from churnkit.insights.sql_session import open_session

ARMS = 400


def measure(actions, churned, propensity=None):
    """Measure the effects of decisions."""
    decisions = pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(len(actions))],
            "action": actions,
            "decided_at": pd.Timestamp("2025-01-01", tz="UTC"),
            "churned": churned,
        }
    )
    if propensity is not None:
        decisions["propensity"] = propensity
    with open_session({"treatments": decisions}, as_of="2026-01-01") as session:
        return measure_effects(session)


@pytest.mark.parametrize(
    ("size", "control", "churn"), [(50, 20_000, 0.01), (150, 20_000, 0.02), (300, 20_000, 0.2)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_small_arms_without_effect_are_rarely_called_effective(size, control, churn, weighted):
    # By normal intervals 36% of arms of 50 at 1% churn "reduced" it: those where nobody had left.
    rng = np.random.default_rng(0)
    actions = np.repeat(["none", *(f"a{arm}" for arm in range(ARMS))], [control, *[size] * ARMS])
    churned = rng.random(len(actions)) < churn
    propensity = rng.uniform(0.2, 0.6, len(actions)) if weighted else None
    verdicts = [effect.verdict for effect in measure(actions, churned, propensity)]
    assert len(verdicts) == ARMS
    limit = ARMS * 0.025 + 3 * np.sqrt(ARMS * 0.025)
    assert verdicts.count("reduces churn") <= limit
    assert verdicts.count("increases churn") <= limit


@pytest.mark.parametrize("left", [0, 10, 30, 70, 200])
def test_the_verdict_on_an_unweighted_arm_is_that_of_the_exact_test(left):
    # 30 of 200 customers left without an action.
    churned = np.repeat([True, False, True, False], [30, 170, left, 200 - left])
    (effect,) = measure(np.repeat(["none", "call"], 200), churned)
    assert effect.low <= effect.value <= effect.high
    different = fisher_exact([[30, 170], [left, 200 - left]]).pvalue < 0.05
    assert (effect.verdict != "no significant effect") == different

"""Doubly robust values, their paired intervals, and the test for effects that differ."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.evaluation import (
    EvaluationError,
    doubly_robust_scores,
    paired_value,
    rank_average_effect,
    toc_curve,
)


def experiment(seed, n=2000, slope=0.0):
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    chance = 0.2 + 0.6 * x
    treatment = (rng.random(n) < chance).astype(int)
    y = x + treatment * (0.1 + slope * (x - 0.5)) + rng.normal(0, 0.5, n)
    given = np.where(treatment == 1, chance, 1 - chance)
    return x, treatment, given, y


def test_scores_are_right_on_average_for_any_forecast():
    result = []
    for seed in range(200):
        _, treatment, given, y = experiment(seed)
        scores = doubly_robust_scores(y, treatment, given, np.full((len(y), 2), 0.7))
        result.append(paired_value(scores, 1))
    assert np.mean([f.value for f in result]) == pytest.approx(0.1, abs=0.008)
    covered = np.mean([f.low <= 0.1 <= f.high for f in result])
    assert 0.9 <= covered <= 0.99


def test_a_customers_rows_count_as_one_draw():
    scores = np.column_stack(
        [np.zeros(400), np.repeat(np.random.default_rng(0).normal(size=100), 4)]
    )
    alone = paired_value(scores, 1)
    together = paired_value(scores, 1, groups=np.repeat(np.arange(100), 4))
    assert together.high - together.value == pytest.approx(2 * (alone.high - alone.value))


def test_policies_that_agree_differ_by_nothing():
    scores = np.random.default_rng(1).normal(size=(50, 3))
    same = paired_value(scores, np.arange(50) % 3, np.arange(50) % 3)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_the_rate_finds_effects_that_differ_and_none_where_they_do_not():
    x, treatment, given, y = experiment(3, n=8000, slope=1.0)
    effect = np.diff(
        doubly_robust_scores(y, treatment, given, np.column_stack([x, x + 0.1]))
    ).ravel()
    for target in ("autoc", "qini"):
        assert rank_average_effect(effect, x, target=target).found
        assert not rank_average_effect(effect, -x, target=target).found
    level = []
    for seed in range(60):
        x, treatment, given, y = experiment(seed, n=1000)
        scores = doubly_robust_scores(y, treatment, given, np.column_stack([x, x + 0.1]))
        level.append(rank_average_effect(np.diff(scores).ravel(), x, resamples=60).found)
    assert np.mean(level) <= 0.1


@pytest.mark.parametrize("target", ["autoc", "qini"])
def test_the_rate_is_the_weighted_mean_of_the_curve_also_with_ties(target):
    rng = np.random.default_rng(2)
    effect, priority = rng.normal(size=90), rng.integers(0, 12, 90)
    share = np.arange(1, 91) / 90 if target == "qini" else np.ones(90)
    expected = (toc_curve(effect, priority) * share).mean()
    rate = rank_average_effect(effect, priority, target=target, resamples=5)
    assert rate.estimate.value == pytest.approx(expected)


def test_cross_fitted_priorities_are_ranked_within_folds_by_a_wider_interval():
    rng = np.random.default_rng(4)
    effect, priority, fold = rng.normal(size=300), rng.normal(size=300), np.arange(300) % 3
    within = rank_average_effect(effect, priority + 100 * fold, fold=fold).estimate
    parts = [rank_average_effect(effect[fold == k], priority[fold == k]).estimate for k in range(3)]
    assert within.value == pytest.approx(np.mean([part.value for part in parts]))
    alone = np.sqrt(sum((part.high - part.low) ** 2 for part in parts)) / 3
    assert within.high - within.low == pytest.approx(np.sqrt(2) * alone, rel=0.1)


def test_customers_of_equal_priority_share_the_mean_of_their_effects():
    assert toc_curve([4.0, 0.0, -1.0], [1, 1, 0]).tolist() == [1.0, 1.0, 0.0]
    assert rank_average_effect([4.0, 0.0, -1.0], [1, 1, 1], resamples=5).estimate.value == 0.0


def test_invalid_input_is_refused():
    with pytest.raises(EvaluationError, match="1 propensities"):
        doubly_robust_scores([1.0], [0], [0.0], [[0.0, 0.0]])
    with pytest.raises(EvaluationError, match="no column"):
        doubly_robust_scores([1.0], [2], [0.5], [[0.0, 0.0]])
    with pytest.raises(EvaluationError, match="must be"):
        doubly_robust_scores([1.0, 1.0], [0], [0.5], [[0.0, 0.0]])
    with pytest.raises(EvaluationError, match="autoc"):
        rank_average_effect([1.0], [1.0], target="auc")  # type: ignore[arg-type]

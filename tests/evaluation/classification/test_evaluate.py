"""The evaluation as a whole: intervals that hold, a baseline beside, the same bytes again."""

import time

import numpy as np
import pytest

from churnkit.evaluation import METRICS, EvaluationError, auc, evaluate, log_loss


def customers(size, seed):
    rng = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-rng.normal(-1.0, 1.5, size)))
    return (rng.random(size) < probability).astype(int), probability


def test_every_metric_comes_with_an_interval_around_it():
    result = evaluate(*customers(2000, 0), seed=0)
    assert list(result.metrics) == list(METRICS)
    for name, figure in result.metrics.items():
        assert figure.low <= figure.value <= figure.high, name
        assert figure.low < figure.high, name


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    drawn = customers(500, 1)
    assert evaluate(*drawn, seed=4).to_dict() == evaluate(*drawn, seed=4).to_dict()
    assert evaluate(*drawn, seed=4).to_dict() != evaluate(*drawn, seed=5).to_dict()


def test_the_baseline_is_measured_on_the_same_resamples():
    outcome, probability = customers(800, 2)
    result = evaluate(outcome, probability, baseline=np.full(800, outcome.mean()), seed=0)
    assert result.baseline is not None
    assert result.baseline["auc"].value == 0.5
    assert result.metrics["log_loss"].value < result.baseline["log_loss"].value


def test_the_log_loss_interval_is_the_textbook_one_for_a_mean():
    outcome, probability = customers(4000, 3)
    figure = evaluate(outcome, probability, seed=0, resamples=1000).metrics["log_loss"]
    losses = -np.log(np.where(outcome == 1, probability, 1 - probability))
    half = 1.96 * losses.std() / np.sqrt(4000)
    assert figure.value - figure.low == pytest.approx(half, rel=0.12)
    assert figure.high - figure.value == pytest.approx(half, rel=0.12)


def test_the_auc_interval_covers_the_truth_about_as_often_as_it_says():
    truth = auc(*customers(400_000, 99))
    hits = 0
    for seed in range(60):
        figure = evaluate(*customers(300, seed), seed=seed, resamples=100).metrics["auc"]
        hits += figure.low <= truth <= figure.high
    # 95% of 60 is 57; fewer than 50 or all but none missed would be another interval.
    assert hits >= 50


def test_sample_weights_change_the_metrics():
    outcome, probability = customers(300, 5)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 300)
    result = evaluate(outcome, probability, sample_weight=weight, resamples=10)
    assert result.metrics["log_loss"].value == log_loss(outcome, probability, sample_weight=weight)


def test_results_print_as_a_dict_and_a_frame_and_html():
    outcome, probability = customers(100, 6)
    result = evaluate(outcome, probability, baseline=probability, resamples=5)
    assert result.to_dict()["metrics"]["auc"].keys() == {"value", "low", "high"}
    frame = result.to_frame()
    assert list(frame.index) == list(METRICS)
    assert "baseline_low" in frame
    assert "Average precision" in result._repr_html_()
    assert "(" in str(result.metrics["auc"])


def test_too_few_resamples_are_refused():
    with pytest.raises(EvaluationError, match="at least 2, got 1"):
        evaluate([0, 1], [0.2, 0.8], resamples=1)


def test_a_hundred_thousand_customers_take_seconds():
    drawn = customers(100_000, 7)
    started = time.process_time()
    evaluate(*drawn, seed=0)
    assert time.process_time() - started < 10


def test_rows_of_one_customer_count_once_in_the_intervals():
    rng = np.random.default_rng(2)
    outcome = (rng.random(90) < 0.4).astype(int)
    risk = np.clip(0.4 + 0.2 * (outcome - 0.4) + rng.normal(0, 0.2, 90), 0.01, 0.99)
    several = np.repeat(np.arange(90), 4)
    once = evaluate(outcome, risk, seed=0)
    rows = evaluate(outcome[several], risk[several], customers=several, seed=0)
    for name, interval in once.metrics.items():
        if name != "calibration_error":  # whose noise depends on the number of rows
            limits = rows.metrics[name]
            assert (limits.low, limits.high) == pytest.approx((interval.low, interval.high))

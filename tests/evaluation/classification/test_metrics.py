"""Each metric against scikit-learn, and against what ties and weights must mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from churnkit.evaluation import (
    METRICS,
    EvaluationError,
    auc,
    average_precision,
    brier,
    calibration_error,
    log_loss,
    top_decile_lift,
    top_decile_share,
)

PEERS = [
    (auc, reference.roc_auc_score),
    (average_precision, reference.average_precision_score),
    (log_loss, reference.log_loss),
    (brier, reference.brier_score_loss),
]
FUNCTIONS = [auc, average_precision, brier, calibration_error, log_loss, top_decile_share]


@st.composite
def predictions(draw):
    """Outcomes of both classes, coarse probabilities full of ties, and positive weights."""
    size = draw(st.integers(2, 60))
    seed = draw(st.integers(0, 2**32 - 1))
    steps = draw(st.sampled_from([1, 3, 10, 1_000_000]))
    rng = np.random.default_rng(seed)
    outcome = rng.integers(0, 2, size)
    outcome[0], outcome[1] = 0, 1
    probability = rng.integers(0, steps + 1, size) / steps
    return outcome, probability, rng.uniform(0.1, 3.0, size)


@pytest.mark.parametrize(("ours", "theirs"), PEERS)
@given(drawn=predictions())
def test_a_metric_equals_scikit_learns_with_ties_and_weights(ours, theirs, drawn):
    outcome, probability, weight = drawn
    assert ours(outcome, probability) == pytest.approx(theirs(outcome, probability), abs=1e-9)
    assert ours(outcome, probability, sample_weight=weight) == pytest.approx(
        theirs(outcome, probability, sample_weight=weight), abs=1e-9
    )


@pytest.mark.parametrize("metric", FUNCTIONS)
@given(drawn=predictions(), seed=st.integers(0, 1000))
def test_the_order_of_the_rows_changes_nothing(metric, drawn, seed):
    outcome, probability, weight = drawn
    shuffled = np.random.default_rng(seed).permutation(len(outcome))
    assert metric(
        outcome[shuffled], probability[shuffled], sample_weight=weight[shuffled]
    ) == pytest.approx(metric(outcome, probability, sample_weight=weight), abs=1e-9)


@pytest.mark.parametrize("metric", FUNCTIONS)
@given(drawn=predictions(), seed=st.integers(0, 1000))
def test_a_weight_of_two_is_the_row_twice_and_of_zero_not_at_all(metric, drawn, seed):
    outcome, probability, _ = drawn
    counts = np.random.default_rng(seed).integers(0, 3, len(outcome))
    counts[:2] = 1
    repeated = np.repeat(np.arange(len(outcome)), counts)
    assert metric(outcome, probability, sample_weight=counts) == pytest.approx(
        metric(outcome[repeated], probability[repeated]), abs=1e-9
    )


def test_the_calibration_error_is_the_mean_distance_over_ten_equal_bins():
    rng = np.random.default_rng(3)
    probability = rng.permutation(np.linspace(0.01, 0.99, 500))
    outcome = (rng.random(500) < probability**1.5).astype(int)
    order = np.argsort(probability)
    tenths = np.split(order, 10)
    expected = np.mean([abs(outcome[part].mean() - probability[part].mean()) for part in tenths])
    assert calibration_error(outcome, probability) == pytest.approx(expected)


def test_equal_probabilities_share_one_bin_of_the_calibration_error():
    outcome = np.array([0, 1] * 50)
    assert calibration_error(outcome, np.full(100, 0.5)) == 0.0
    assert calibration_error(outcome, np.full(100, 0.7)) == pytest.approx(0.2)


def test_the_top_decile_takes_its_share_of_a_tie_and_no_luck():
    # Nine customers above, then a tie of 20 with 10 churners, of which one more place is free.
    probability = np.concatenate([np.linspace(0.9, 0.99, 9), np.full(20, 0.5), np.full(71, 0.1)])
    outcome = np.concatenate([np.ones(9), np.tile([1, 0], 10), np.zeros(71)]).astype(int)
    assert top_decile_share(outcome, probability) == pytest.approx((9 + 0.5) / 19)
    assert top_decile_lift(outcome, probability) == pytest.approx((9 + 0.5) / 19 / 0.1)


def test_the_top_decile_of_few_customers_is_a_fraction_of_one():
    assert top_decile_share([1, 0, 0], [0.9, 0.2, 0.1]) == pytest.approx(0.3)


def test_certainties_that_fail_cost_much_but_not_infinitely():
    assert np.isfinite(log_loss([0, 1], [1.0, 0.0]))


@pytest.mark.parametrize("metric", list(METRICS))
def test_every_metric_of_the_table_orders_good_above_bad(metric):
    rng = np.random.default_rng(0)
    good = rng.random(400)
    outcome = (rng.random(400) < good).astype(int)
    from churnkit.evaluation import evaluate

    figures = evaluate(outcome, good, baseline=1 - good, resamples=2).to_dict()
    better = figures["metrics"][metric]["value"] - figures["baseline"][metric]["value"]
    assert (better > 0) == METRICS[metric].higher_is_better


@pytest.mark.parametrize(
    ("outcome", "probability", "message"),
    [
        ([0, 1], [0.5], "1 values for 2 rows"),
        ([0, 0], [0.5, 0.5], "0 of 2 rows churned"),
        ([1, 1], [0.5, 0.5], "2 of 2 rows churned"),
        ([0, 2], [0.5, 0.5], "1 values that are neither 0 nor 1"),
        ([0, 1], [0.5, 1.5], "1 probabilities are missing or outside"),
        ([0, 1], [0.5, float("nan")], "1 probabilities are missing or outside"),
        ([], [], "no rows"),
        ([[0, 1]], [0.5, 0.5], "2 dimensions"),
        (["yes", "no"], [0.5, 0.5], "not numbers"),
    ],
)
def test_invalid_outcomes_and_probabilities_are_refused(outcome, probability, message):
    with pytest.raises(EvaluationError, match=message):
        auc(outcome, probability)


@pytest.mark.parametrize("weight", [[1.0], [1.0, -1.0], [1.0, float("inf")]])
def test_weights_that_do_not_fit_are_refused(weight):
    with pytest.raises(EvaluationError, match="weight"):
        brier([0, 1], [0.2, 0.8], sample_weight=weight)

"""The verdict: better, worse, or nobody can tell."""

import numpy as np
import pytest

from churnkit.evaluation import METRICS, EvaluationError, compare


def customers(size, seed):
    rng = np.random.default_rng(seed)
    raw = rng.normal(-1.0, 1.5, size)
    outcome = (rng.random(size) < 1 / (1 + np.exp(-raw))).astype(int)
    return outcome, raw


def chance(raw):
    return 1 / (1 + np.exp(-raw))


@pytest.mark.parametrize("metric", list(METRICS))
def test_the_truth_beats_its_opposite_on_every_metric(metric):
    outcome, raw = customers(1500, 0)
    result = compare(outcome, chance(raw), chance(-raw), metric=metric, seed=0, resamples=60)
    assert result.verdict == "better"
    turned = compare(outcome, chance(-raw), chance(raw), metric=metric, seed=0, resamples=60)
    assert turned.verdict == "worse"
    assert turned.gain.value == -result.gain.value


def test_predictions_against_themselves_make_no_difference():
    outcome, raw = customers(300, 1)
    result = compare(outcome, chance(raw), chance(raw), seed=0, resamples=20)
    assert result.gain.to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert str(result).startswith("no detectable difference")


def test_pairing_detects_a_small_gain_that_separate_intervals_miss():
    outcome, raw = customers(4000, 2)
    result = compare(outcome, chance(raw), chance(raw + 0.25), seed=0)
    assert result.verdict == "better"
    assert result.gain.high - result.gain.low < 0.02


def test_equal_skill_is_called_different_about_one_time_in_twenty():
    false_alarms = 0
    for seed in range(60):
        outcome, raw = customers(400, seed)
        noise = np.random.default_rng(1000 + seed).normal(0, 0.7, (2, 400))
        result = compare(
            outcome, chance(raw + noise[0]), chance(raw + noise[1]), seed=seed, resamples=120
        )
        false_alarms += result.verdict != "no difference"
    assert false_alarms <= 9


def test_the_same_seed_gives_the_same_comparison():
    outcome, raw = customers(200, 3)
    once = compare(outcome, chance(raw), chance(raw / 2), seed=1, resamples=30)
    assert once == compare(outcome, chance(raw), chance(raw / 2), seed=1, resamples=30)


def test_an_unknown_metric_is_refused_with_the_list_of_known_ones():
    with pytest.raises(EvaluationError, match="auc, average_precision"):
        compare([0, 1], [0.2, 0.8], [0.5, 0.5], metric="accuracy")


def test_a_comparison_prints_as_a_dict_and_a_frame_and_html():
    result = compare([0, 1] * 20, [0.2, 0.8] * 20, [0.5, 0.5] * 20, resamples=10)
    assert result.to_dict()["verdict"] == "better"
    assert result.to_frame().loc[0, "gain"] == result.gain.value
    assert "better" in result._repr_html_()


@pytest.mark.parametrize("metric", list(METRICS))
def test_repeated_rows_of_a_customer_add_no_certainty(metric):
    outcome, raw = customers(120, 4)
    rate = np.full(120, outcome.mean())
    several = np.repeat(np.arange(120), 3)
    columns = (outcome, chance(raw), rate)
    once = compare(*columns, metric=metric, seed=0, resamples=60)
    rows = compare(
        *(column[several] for column in columns),
        metric=metric,
        customers=several,
        seed=0,
        resamples=60,
    )
    for name in ("value", "low", "high"):
        assert getattr(rows.gain, name) == pytest.approx(getattr(once.gain, name))


def test_customers_are_one_per_row():
    with pytest.raises(EvaluationError, match="customers has 3 values for 4 rows"):
        compare([0, 1, 0, 1], [0.1] * 4, [0.2] * 4, customers=["a", "b", "c"])

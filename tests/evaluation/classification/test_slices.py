"""Groups of customers held against each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from churnkit.evaluation import EvaluationError, Interval, auc, slice_metrics


def sure(result: Interval | None) -> Interval:
    assert result is not None
    return result


def world(rows=4000, *, seed=0, tilt=0.0):
    """CalibrationResult probabilities, but for the members of group b, whose churn is off by `tilt`."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 6, rows)
    group = rng.choice(["a", "b", "c"], rows)
    left = rng.random(rows) < np.clip(chance + tilt * (group == "b"), 0, 1)
    return left.astype(int), chance, group


def test_each_measure_is_that_of_the_groups_own_rows():
    left, chance, group = world()
    result = {each.level: each for each in slice_metrics(left, chance, {"g": group}).slices}
    rows = group == "a"
    own = result["a"].measures
    assert sure(own["auc"]).value == pytest.approx(auc(left[rows], chance[rows]))
    assert sure(own["overprediction"]).value == pytest.approx(
        chance[rows].mean() - left[rows].mean()
    )
    flagged = chance > np.quantile(chance, 0.8)
    assert sure(own["flagged"]).value == pytest.approx(flagged[rows].mean(), abs=1e-3)
    assert sure(own["found"]).value == pytest.approx(flagged[rows & (left == 1)].mean(), abs=3e-3)
    assert result["a"].churners == left[rows].sum()


def test_a_gap_is_the_groups_measure_minus_that_of_all_others():
    left, chance, group = world()
    (first, *_) = slice_metrics(left, chance, {"g": group}).slices
    others = group != "a"
    expected = sure(first.measures["auc"]).value - auc(left[others], chance[others])
    assert sure(first.gaps["auc"]).value == pytest.approx(expected)


def test_intervals_of_the_auc_hold_the_resampled_ones():
    left, chance, group = world()
    result = sure(slice_metrics(left, chance, {"g": group}).slices[0].measures["auc"])
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(group == "a")
    drawn = [auc(left[r], chance[r]) for r in (rng.choice(rows, len(rows)) for _ in range(300))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert result.low == pytest.approx(low, abs=0.006)
    assert result.high == pytest.approx(high, abs=0.006)


def test_equal_groups_are_reported_as_different_at_the_nominal_rate():
    said = 0
    for seed in range(60):
        left, chance, group = world(1500, seed=seed)
        said += bool(slice_metrics(left, chance, {"g": group}).differences)
    assert said <= 8


def test_a_group_that_leaves_more_than_predicted_is_named_first():
    left, chance, group = world(tilt=0.15)
    result = slice_metrics(left, chance, {"Plan": group, "Coin": group == "a"})
    assert result.differences[0].startswith("Plan = b: predicted minus actual churn lower by 0.1")
    assert "differences between groups" in result.verdict


def test_more_comparisons_widen_the_gaps_and_not_the_measures():
    left, chance, group = world()
    one = slice_metrics(left, chance, {"g": group})
    noise = {f"n{i}": np.random.default_rng(i).choice(list("xyz"), len(left)) for i in range(9)}
    many = slice_metrics(left, chance, {"g": group, **noise})
    assert one.comparisons == 12
    assert many.comparisons == 120
    ours, theirs = one.slices[0], many.slices[0]
    assert ours.measures == theirs.measures
    width = [sure(each.gaps["auc"]).high - sure(each.gaps["auc"]).low for each in (ours, theirs)]
    assert width[1] > 1.1 * width[0]


def test_small_groups_are_counted_and_not_reported():
    left, chance, group = world()
    group = group.astype(object)
    group[:20] = "few"
    group[20:200] = None
    result = slice_metrics(left, chance, {"g": group})
    assert {each.level for each in result.slices} == {"a", "b", "c", "not known"}
    assert result.left_out == 1


def test_of_two_groups_one_gap_stands_for_both():
    left, chance, group = world()
    result = slice_metrics(left, chance, {"is a": group == "a"})
    assert [bool(each.gaps) for each in result.slices] == [False, True]
    assert result.comparisons == 4


def test_a_group_without_churners_has_shares_and_no_order():
    left, chance, group = world()
    left[group == "a"] = 0
    first = slice_metrics(left, chance, {"g": group}).slices[0]
    assert first.measures["auc"] is None
    assert first.measures["found"] is None
    assert first.measures["flagged"] is not None


def test_a_perfect_order_still_has_an_interval():
    left = np.repeat([0, 1], 60)
    result = slice_metrics(left, left * 0.9 + 0.05, {"g": ["a"] * 120}).slices[0]
    auc_found = sure(result.measures["auc"])
    assert auc_found.value == 1.0
    assert auc_found.low < 0.97


def test_results_are_json_and_a_frame():
    left, chance, group = world()
    result = slice_metrics(left, chance, {"g": group})
    json.dumps(result.to_dict(), allow_nan=False)
    assert len(result.to_frame()) == 12
    assert "<table" in result._repr_html_()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"groups": {"g": ["a"]}}, "column 'g'"), ({"flag_share": 1.0}, "flag_share")],
)
def test_invalid_settings_are_refused(changes, message):
    left, chance, group = world(200)
    with pytest.raises(EvaluationError, match=message):
        slice_metrics(left, chance, **{"groups": {"g": group}, **changes})


def test_rows_of_one_customer_add_no_certainty():
    left, chance, group = world(600)
    several = np.repeat(np.arange(600), 3)
    once = slice_metrics(left, chance, {"g": group}).slices
    rows = slice_metrics(
        left[several], chance[several], {"g": group[several]}, customers=several
    ).slices
    for one, other in zip(once, rows, strict=True):
        assert (one.customers, one.churners) == (other.customers, other.churners)
        for name in one.measures:
            for ours, expected in (
                (sure(other.measures[name]), sure(one.measures[name])),
                (sure(other.gaps[name]), sure(one.gaps[name])),
            ):
                assert ours.value == pytest.approx(expected.value, abs=1e-3)
                width = expected.high - expected.low
                assert ours.high - ours.low == pytest.approx(width, rel=0.02)


def test_levels_of_few_customers_with_many_rows_are_left_out():
    left, chance, _ = world(400)
    several = np.repeat(np.arange(80), 5)
    group = np.where(several < 30, "few", "many")
    result = slice_metrics(left, chance, {"g": group}, customers=several)
    assert [part.level for part in result.slices] == ["many"]
    assert result.left_out == 1
    with pytest.raises(EvaluationError, match="customers has 3 values for 400 rows"):
        slice_metrics(left, chance, {"g": group}, customers=["a", "b", "c"])

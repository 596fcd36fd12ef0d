"""Groups of customers held against each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from churnkit.evaluation import EvaluationError, Interval, auc, slice_metrics


def sure(found: Interval | None) -> Interval:
    assert found is not None
    return found


def world(rows=4000, *, seed=0, tilt=0.0):
    """CalibrationResult probabilities, but for the members of group b, whose churn is off by `tilt`."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 6, rows)
    group = rng.choice(["a", "b", "c"], rows)
    left = rng.random(rows) < np.clip(chance + tilt * (group == "b"), 0, 1)
    return left.astype(int), chance, group


def test_each_measure_is_that_of_the_groups_own_rows():
    left, chance, group = world()
    found = {each.level: each for each in slice_metrics(left, chance, {"g": group}).slices}
    rows = group == "a"
    own = found["a"].measures
    assert sure(own["auc"]).value == pytest.approx(auc(left[rows], chance[rows]))
    assert sure(own["overprediction"]).value == pytest.approx(
        chance[rows].mean() - left[rows].mean()
    )
    flagged = chance > np.quantile(chance, 0.8)
    assert sure(own["flagged"]).value == pytest.approx(flagged[rows].mean(), abs=1e-3)
    assert sure(own["found"]).value == pytest.approx(flagged[rows & (left == 1)].mean(), abs=3e-3)
    assert found["a"].churners == left[rows].sum()


def test_a_gap_is_the_groups_figure_less_that_of_all_others():
    left, chance, group = world()
    (first, *_) = slice_metrics(left, chance, {"g": group}).slices
    others = group != "a"
    expected = sure(first.measures["auc"]).value - auc(left[others], chance[others])
    assert sure(first.gaps["auc"]).value == pytest.approx(expected)


def test_intervals_of_the_auc_hold_the_resampled_ones():
    left, chance, group = world()
    found = sure(slice_metrics(left, chance, {"g": group}).slices[0].measures["auc"])
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(group == "a")
    drawn = [auc(left[r], chance[r]) for r in (rng.choice(rows, len(rows)) for _ in range(300))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_fair_groups_are_said_to_differ_hardly_more_often_than_promised():
    said = 0
    for seed in range(60):
        left, chance, group = world(1500, seed=seed)
        said += bool(slice_metrics(left, chance, {"g": group}).found)
    assert said <= 8


def test_a_group_that_leaves_more_than_predicted_is_named_first():
    left, chance, group = world(tilt=0.15)
    found = slice_metrics(left, chance, {"Plan": group, "Coin": group == "a"})
    assert found.found[0].startswith("Plan = b: predicted less actual churn lower by 0.1")
    assert "differences between groups" in found.verdict


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


def test_small_groups_are_counted_and_not_told():
    left, chance, group = world()
    group = group.astype(object)
    group[:20] = "few"
    group[20:200] = None
    found = slice_metrics(left, chance, {"g": group})
    assert {each.level for each in found.slices} == {"a", "b", "c", "not known"}
    assert found.left_out == 1


def test_of_two_groups_one_gap_stands_for_both():
    left, chance, group = world()
    found = slice_metrics(left, chance, {"is a": group == "a"})
    assert [bool(each.gaps) for each in found.slices] == [False, True]
    assert found.comparisons == 4


def test_a_group_without_churners_has_shares_and_no_order():
    left, chance, group = world()
    left[group == "a"] = 0
    first = slice_metrics(left, chance, {"g": group}).slices[0]
    assert first.measures["auc"] is None
    assert first.measures["found"] is None
    assert first.measures["flagged"] is not None


def test_a_perfect_order_still_has_an_interval():
    left = np.repeat([0, 1], 60)
    found = slice_metrics(left, left * 0.9 + 0.05, {"g": ["a"] * 120}).slices[0]
    auc_found = sure(found.measures["auc"])
    assert auc_found.value == 1.0
    assert auc_found.low < 0.97


def test_results_are_json_and_a_frame():
    left, chance, group = world()
    found = slice_metrics(left, chance, {"g": group})
    json.dumps(found.to_dict(), allow_nan=False)
    assert len(found.to_frame()) == 12
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"groups": {"g": ["a"]}}, "column 'g'"), ({"flag_share": 1.0}, "flag_share")],
)
def test_what_does_not_fit_is_refused(changes, says):
    left, chance, group = world(200)
    with pytest.raises(EvaluationError, match=says):
        slice_metrics(left, chance, **{"groups": {"g": group}, **changes})

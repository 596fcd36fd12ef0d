"""Person-periods against the loop that defines them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.models import ModelDataError
from churnkit.models.survival.person_period import FollowUp, expand_periods, period_units


@st.composite
def follow_ups(draw):
    """Times on a grid of quarters and off it, entries before them, some who left."""
    size = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    width = draw(st.sampled_from([0.1, 1.0, 2.5]))
    duration = np.where(rng.random(size) < 0.5, rng.integers(1, 30, size) / 4, rng.random(size) * 8)
    duration = np.maximum(duration, 0.05)
    entry = np.where(rng.random(size) < 0.4, duration * rng.random(size) * 0.9, 0.0)
    left = rng.random(size) < 0.5
    return duration, left, entry, rng.uniform(0.5, 2, size), width


def by_hand(duration, left, entry, weight, width):
    for row, (end, gone, begin, heavy) in enumerate(
        zip(duration / width, left, entry / width, weight, strict=True)
    ):
        last = math.ceil(round(end, 9)) - 1
        for period in range(math.floor(begin), last + 1):
            leaves = bool(gone and period == last)
            seen = 1.0 if leaves else min(end, period + 1) - max(begin, period)
            if seen > 1e-9:
                yield row, period, float(leaves), heavy * seen


@given(drawn=follow_ups())
def test_the_rows_are_those_of_the_loop(drawn):
    duration, left, entry, weight, width = drawn
    follow_up = FollowUp.from_times(duration, left, width=width, entry=entry, weight=weight)
    rows = expand_periods(follow_up, max_rows=10_000, seed=0)
    table = np.column_stack([rows.row, rows.period, rows.churned, rows.weight])
    assert table == pytest.approx(np.array(list(by_hand(*drawn))), rel=1e-5)


@given(drawn=follow_ups())
def test_totals_are_the_sums_of_the_rows(drawn):
    duration, left, entry, weight, width = drawn
    follow_up = FollowUp.from_times(duration, left, width=width, entry=entry, weight=weight)
    rows = expand_periods(follow_up, max_rows=10_000, seed=0)
    gone, at_risk = follow_up.totals()
    periods = len(gone)
    assert gone == pytest.approx(np.bincount(rows.period, rows.churned * rows.weight, periods))
    assert at_risk == pytest.approx(
        np.bincount(rows.period, rows.weight, periods), rel=1e-5, abs=1e-6
    )


def test_who_leaves_at_three_months_leaves_in_the_third_month():
    rows = expand_periods(
        FollowUp.from_times(np.array([3.0]), np.array([True]), width=1.0), max_rows=9, seed=0
    )
    assert rows.period[rows.churned == 1].tolist() == [2]


def test_the_last_bits_of_a_division_make_no_period():
    assert period_units(np.array([0.3, 1.1, 1.7]), 0.1).tolist() == [3.0, 11.0, 17.0]


def test_a_sample_keeps_all_who_left_and_stands_for_the_others():
    rng = np.random.default_rng(0)
    duration, left = rng.integers(10, 40, 3000).astype(float), rng.random(3000) < 0.2
    follow_up = FollowUp.from_times(duration, left, width=1.0)
    rows = expand_periods(follow_up, max_rows=10_000, seed=1)
    gone, at_risk = follow_up.totals()
    assert len(rows.row) == pytest.approx(10_000, rel=0.05)
    assert rows.churned.sum() == left.sum()
    assert rows.weight[rows.churned == 1].tolist() == [1.0] * int(left.sum())
    drawn = np.bincount(rows.period, rows.weight, len(gone))
    assert drawn[:10] == pytest.approx(at_risk[:10], rel=0.2)
    assert drawn.sum() == pytest.approx(at_risk.sum(), rel=0.03)


def test_where_leavers_alone_are_too_many_they_are_sampled_too():
    follow_up = FollowUp.from_times(np.full(3000, 2.0), np.ones(3000, bool), width=1.0)
    rows = expand_periods(follow_up, max_rows=1000, seed=1)
    assert len(rows.row) == pytest.approx(1000, rel=0.15)
    assert (rows.churned * rows.weight).sum() == pytest.approx(3000, rel=0.15)


def test_many_customers_are_cut_in_chunks_and_none_is_lost():
    rng = np.random.default_rng(0)
    duration = rng.integers(1, 60, 60_000).astype(float)
    follow_up = FollowUp.from_times(duration, rng.random(60_000) < 0.5, width=1.0)
    rows = expand_periods(follow_up, max_rows=10**8, seed=0)
    assert np.array_equal(np.bincount(rows.row), duration.astype(int))


def test_more_periods_than_anybody_needs_are_refused():
    with pytest.raises(ModelDataError, match="increase width"):
        FollowUp.from_times(np.array([20_000.0]), np.array([True]), width=1.0)

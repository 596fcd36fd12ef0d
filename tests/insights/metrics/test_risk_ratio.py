"""The highest of several risk ratios, where no group differs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from churnkit.insights.metrics.risk_ratio import risk_ratio
from churnkit.report.sections.customers import describe_highest

GROUPS, CUSTOMERS, RATE, RUNS = 12, 300, 0.15, 600


def ratios(left, comparisons):
    """Compare each group with all other customers."""
    others, total = (GROUPS - 1) * CUSTOMERS, int(left.sum())
    return [
        risk_ratio(
            "g",
            CUSTOMERS,
            int(gone),
            others,
            total - int(gone),
            formula="",
            comparisons=comparisons,
        )
        for gone in left
    ]


def share_of_false_findings(comparisons):
    """Return the share of tables in which an interval leaves out the true ratio, 1."""
    tables = np.random.default_rng(0).binomial(CUSTOMERS, RATE, (RUNS, GROUPS))
    return np.mean(
        [any(not r.low <= 1.0 <= r.high for r in ratios(left, comparisons)) for left in tables]
    )


def test_the_intervals_of_twelve_equal_groups_hold_together():
    # 5 %, and three standard errors of the runs.
    assert share_of_false_findings(GROUPS) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)
    # Intervals that hold alone leave it out in a third of the tables and more.
    assert share_of_false_findings(1) > 0.3


def test_a_group_that_churns_twice_as_often_is_named():
    left = np.full(GROUPS, int(RATE * CUSTOMERS))
    left[3] *= 2
    text = describe_highest(str.upper, ratios(left, GROUPS))
    assert text.startswith("G churned at 2.0")


@pytest.mark.parametrize(
    "small", [(19, 19, 500, 50), (60, 4, 5_000, 5), (500, 50, 19, 0), (300, 300, 500, 4)]
)
def test_no_small_group_is_named(small):
    ratio = risk_ratio("small", *small, formula="")
    large = risk_ratio("large", 400, 80, 400, 40, formula="")
    assert ratio.value > large.value  # type: ignore[operator]
    assert describe_highest(str, [ratio]).startswith("No group of 20 customers")
    # The highest of the others is named: 80 / 40.
    assert describe_highest(str, [ratio, large]).startswith("large churned at 2.00")


def test_the_group_that_stays_most_is_named_if_none_churns_more():
    stays, leaves = (
        risk_ratio(n, 400, left, 400, 80, formula="") for n, left in (("a", 20), ("b", 160))
    )
    same = risk_ratio("c", 400, 80, 400, 80, formula="")
    assert describe_highest(str, [same, stays]).startswith("a churned at 0.25")
    assert describe_highest(str, [same, stays, leaves]).startswith("b churned at 2.00")
    assert describe_highest(str, [same]).startswith("No group")


@pytest.mark.parametrize("counts", [(20, 10, 500, 50), (500, 50, 20, 5), (20, 5, 20, 5)])
def test_groups_of_twenty_customers_and_five_churned_ones_are_large_enough(counts):
    assert risk_ratio("g", *counts, formula="").is_large_enough


def test_the_error_in_tiny_groups_is_the_documented_one():
    # Exact sums over the outcomes of 5 and 5 customers at a rate of 0.5: 32 by 32 of equal weight.
    wrong = sum(
        math.comb(5, a) * math.comb(5, b)  # type: ignore[misc]
        for a in range(6)
        for b in range(6)
        if a + b and risk_ratio("g", 5, a, 5, b, formula="").low > 1.0  # type: ignore[operator]
    )
    assert wrong / 1024 == pytest.approx(0.055, abs=5e-4)


@pytest.mark.parametrize(
    ("groups", "smallest", "largest", "rate"),
    [(30, 5, 60, 0.1), (12, 5, 30, 0.3), (20, 40, 400, 0.05), (1, 60, 60, 0.1)],
)
def test_equal_groups_of_few_customers_are_rarely_called_different(groups, smallest, largest, rate):
    # By the normal interval one of the groups was above 1 in 6 to 16% of the tables.
    rng = np.random.default_rng(1)
    runs = 600
    low = high = 0
    for _ in range(runs):
        size = rng.integers(smallest, largest + 1, groups)
        left = rng.binomial(size, rate)
        others, others_left = size.sum() - size, left.sum() - left
        if groups == 1:
            others, others_left = np.array([300]), rng.binomial(300, rate, 1)
        counts = np.column_stack([size, left, others, others_left]).tolist()
        found = [risk_ratio("g", *row, formula="", comparisons=groups) for row in counts]
        low += any(r.low is not None and r.low > 1.0 for r in found)
        high += any(r.high is not None and r.high < 1.0 for r in found)
    # 2.5% to each side, and three standard errors of the runs.
    assert max(low, high) / runs <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / runs)


@pytest.mark.parametrize("comparisons", [1, 12])
@pytest.mark.parametrize(
    "counts", [(50, 0, 50, 5), (50, 5, 50, 0), (5, 5, 50, 5), (5, 5, 5, 5), (3, 0, 3, 3)]
)
def test_the_interval_is_finite_and_holds_the_ratio_where_none_or_all_churned(counts, comparisons):
    ratio = risk_ratio("g", *counts, formula="", comparisons=comparisons)
    assert ratio.value is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert 0.0 < ratio.low <= ratio.value <= ratio.high < 1e4


def test_large_groups_have_the_interval_of_the_normal_log_ratio():
    a, n, b, m = 20_000, 100_000, 15_000, 100_000
    ratio = risk_ratio("g", n, a, m, b, formula="")
    half = 1.959964 * np.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    expected = (a / b * np.exp(-half), a / b * np.exp(half))
    assert (ratio.low, ratio.high) == pytest.approx(expected, rel=2e-4)

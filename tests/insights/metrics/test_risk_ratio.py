"""The highest of several risk ratios, where no group differs."""

from __future__ import annotations

import numpy as np

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


def highest(left, comparisons):
    found = ratios(left, comparisons)
    return found[int(np.argmax([ratio.value for ratio in found]))]


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
    assert "churned at 2.0" in describe_highest("G", highest(left, GROUPS)).replace("2.00", "2.0")

"""Number of independent rows that customers with several rows are worth."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.evaluation.classification.repeated_rows import effective_size


def test_copies_of_a_row_are_worth_one():
    values = np.random.default_rng(0).random(80)
    several = np.repeat(np.arange(80), [1, 3] * 40)
    once = effective_size(values, np.arange(80))
    assert once == pytest.approx(79)
    weight = 1.0 / np.bincount(several)[several]
    assert effective_size(values[several], several, weight) == pytest.approx(once)


def test_equal_values_count_the_customers():
    several = np.repeat(np.arange(30), 4)
    assert effective_size(np.zeros(120), several) == pytest.approx(30)


def test_the_standard_error_is_that_of_means_drawn_anew():
    """Customers with a rate of their own, and five rows each; compared with 4,000 tables."""
    rng = np.random.default_rng(1)
    several = np.repeat(np.arange(60), 5)

    def draw() -> np.ndarray:
        return (rng.random(300) < rng.beta(0.6, 1.4, 60)[several]).astype(float)

    errors = [np.sqrt(v.var() / effective_size(v, several)) for v in (draw() for _ in range(200))]
    actual = np.std([draw().mean() for _ in range(4000)])
    assert np.mean(errors) == pytest.approx(actual, rel=0.06)
    assert np.sqrt(0.21 / 300) < 0.75 * actual  # of rows taken as independent

"""Simulated error rates: how many runs, and what a rate may be."""

import os

import numpy as np
import pytest

# A nightly run takes ten times as many runs as the shortened one of CI.
SCALE = float(os.environ.get("CHURNKIT_STATISTICS_SCALE", "1"))


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/statistics" in item.path.as_posix():
            item.add_marker(pytest.mark.statistics)
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def simulate():
    """Count how often a condition holds over independent runs, each with its own generator."""

    def count(condition, *, runs, seed=0):
        runs = max(20, int(runs * SCALE))
        generators = np.random.SeedSequence(seed).spawn(runs)
        return sum(bool(condition(np.random.default_rng(each))) for each in generators), runs

    return count


@pytest.fixture
def rate_within(simulate):
    """Assert that a rate is not above its nominal value, beyond the noise of the runs."""

    def check(condition, nominal, *, runs, seed=0):
        count, total = simulate(condition, runs=runs, seed=seed)
        limit = nominal + 2.6 * np.sqrt(nominal * (1 - nominal) / total)
        assert count / total <= limit, f"{count} of {total} runs, nominal rate {nominal:.1%}"

    return check

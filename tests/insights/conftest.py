"""A simulated business, and its tables for pandas to look at in its own way."""

from __future__ import annotations

import pytest

from churnkit.datasets import simulate


@pytest.fixture(scope="session")
def business():
    return simulate(customers=3_000, months=24, seed=11)

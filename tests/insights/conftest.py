"""A simulated company, shared by the tests."""

from __future__ import annotations

import pytest

from churnkit.datasets import simulate


@pytest.fixture(scope="session")
def company():
    return simulate(customers=3_000, months=24, seed=11)

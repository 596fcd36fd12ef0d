from __future__ import annotations

import pytest

from churnkit.datasets import Simulation, simulate


@pytest.fixture(scope="session")
def business() -> Simulation:
    """A business large enough for statistics; made once."""
    return simulate(20_000, seed=11)

"""A report of a simulated company and a model, shared by the tests."""

from __future__ import annotations

import pytest

from churnkit.datasets import simulate


@pytest.fixture(scope="session")
def simulated():
    return simulate(customers=2_000, months=18, seed=4)


@pytest.fixture(scope="session")
def report(simulated, shop_model, customers_of_shop):
    from churnkit.report import build_report

    return build_report(
        {name: table for name, table in simulated.tables.items() if name != "customers"},
        model=shop_model,
        customers=customers_of_shop(400, seed=3),
        threads=1,
    )

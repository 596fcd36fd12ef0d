"""A file of decisions is refused before anything is decided, not after."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest

from churnkit.batch import DecisionPeriod, plan
from churnkit.batch.jobs.customer_table import read_customers, write_customers
from churnkit.bundle import RetentionModel
from churnkit.decisions import Action, Catalogue, Effect
from churnkit.errors import ChurnkitError
from churnkit.journal import Journal

CALL = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3))


@pytest.fixture
def file(rows_of_shop, to_csv, tmp_path):
    rows = [row | {"shoe_size": 42} for row in rows_of_shop(30, seed=5)]
    return to_csv(tmp_path / "customers.csv", rows)


def test_only_what_decisions_need_is_read_and_all_of_it_is_written(file, shop_model, tmp_path):
    contract = shop_model.contract
    customers = read_customers(file, contract, output=None)
    assert customers.num_rows == 30
    assert "shoe_size" not in customers.column_names
    write_customers(customers, tmp_path / "out" / "plan.parquet", contract)
    assert pq.read_table(tmp_path / "out" / "plan.parquet").equals(customers)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("plan.xlsx", r"results go to a \.parquet, \.csv, "),
        ("folder.csv", "is a folder"),
        ("customers.csv", "is the input file"),
    ],
)
def test_nothing_is_decided_for_a_file_that_cannot_be(output, said, file, shop_model, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    model = RetentionModel(
        replace(shop_model.contents, catalogue=Catalogue((CALL,))), shop_model.manifest
    )
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        period = DecisionPeriod(date(2026, 11, 5), journal=journal)
        with pytest.raises(ChurnkitError, match=said):
            plan(file, model, output=tmp_path / output, period=period)
        assert journal.decisions().num_rows == 0

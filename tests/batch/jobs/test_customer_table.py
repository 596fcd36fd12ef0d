"""A file of decisions is refused before anything is decided, not after."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import DecisionPeriod, plan
from churnkit.batch.jobs.customer_table import customer_batches, read_customers, write_customers
from churnkit.bundle import RetentionModel
from churnkit.contracts import Column, Contract
from churnkit.core.io.table_sources import open_source
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


def test_batches_of_customers_are_read_in_flat_memory(tmp_path):
    """Three times the rows take the same memory of Arrow."""
    contract = Contract(
        "flat",
        (
            Column("id", "string", ("entity",)),
            Column("spend", "number", ("feature",)),
            Column("left", "boolean", ("label",)),
        ),
    )
    numbers = np.arange(50_000.0)
    block = pa.table(
        {
            "id": pa.array(np.arange(50_000)).cast(pa.string()),
            "spend": numbers,
            "left": numbers % 2 == 0,
            "note": numbers,
        }
    )
    peaks = []
    for blocks in (4, 12):
        file = tmp_path / f"{blocks}.parquet"
        with pq.ParquetWriter(file, block.schema) as writer:
            for _ in range(blocks):
                writer.write_table(block)
        source = open_source(file)
        pool, before = (
            pa.proxy_memory_pool(pa.default_memory_pool()),
            pa.default_memory_pool(),
        )
        pa.set_memory_pool(pool)
        try:
            batches = customer_batches(source, contract, labeled=True)
            assert sum(part.num_rows for part in batches) == blocks * 50_000
        finally:
            pa.set_memory_pool(before)
        peaks.append(pool.max_memory())
    assert peaks[1] < 1.2 * peaks[0]

"""A file of decisions is refused before anything is decided, not after."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.batch import DecisionPeriod, plan
from churnkit.batch.jobs.customer_table import customer_batches, read_customers, write_customers
from churnkit.bundle import RetentionModel
from churnkit.contracts import Column, Contract
from churnkit.core.io import table_file
from churnkit.core.io.table_sources import open_source
from churnkit.decisions import Action, Catalogue, Effect
from churnkit.errors import ChurnkitError, DataError
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


@pytest.fixture
def acting(shop_model):
    return RetentionModel(
        replace(shop_model.contents, catalogue=Catalogue((CALL,))), shop_model.manifest
    )


def spoiled(rows):
    """Break rules in rows of several batches, some of them two in one row."""
    for row in (3, 40, 41, 299):
        rows[row]["plan"] = "gold"
    rows[41]["tenure_months"] = -1
    rows[8]["customer_id"] = ""
    return rows


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("at_once", [7, 64])
def test_a_plan_of_small_batches_has_the_bytes_of_one_batch(
    suffix, at_once, acting, rows_of_shop, to_csv, tmp_path, monkeypatch
):
    table = pcsv.read_csv(to_csv(tmp_path / "all.csv", spoiled(rows_of_shop(300, seed=5))))
    file = tmp_path / f"customers.{suffix}"
    pq.write_table(table, file) if suffix == "parquet" else pcsv.write_csv(table, file)
    outputs = []
    for batch_rows in (table_file.BATCH_ROWS, at_once):
        monkeypatch.setattr(table_file, "BATCH_ROWS", batch_rows)
        output = tmp_path / f"plan-{batch_rows}.csv"
        _, report = plan(file, acting, output=output, budget=120.0, tree=True)
        outputs.append((output.read_bytes(), report))
    assert outputs[0] == outputs[1]
    assert outputs[0][1].invalid == 5
    # A table in memory is scored at once.
    whole = acting.recommend(table, budget=120.0)
    planned = pcsv.read_csv(tmp_path / f"plan-{at_once}.csv")
    for name in ("churn_probability", "expected_gain", "cost"):
        np.testing.assert_array_equal(planned[name].to_numpy(), whole[name].to_numpy())
    assert planned["problem"].to_pylist() == [each or "" for each in whole["problem"].to_pylist()]


def test_a_customer_with_rows_in_two_batches_is_refused(
    acting, rows_of_shop, to_csv, tmp_path, monkeypatch
):
    monkeypatch.setattr(table_file, "BATCH_ROWS", 7)
    rows = rows_of_shop(30, seed=5)
    rows[29]["customer_id"] = rows[2]["customer_id"]
    with pytest.raises(DataError, match=r"'customer_id' breaks unique in 1 row \(row 29\)"):
        plan(to_csv(tmp_path / "customers.csv", rows), acting)


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

"""Outputs that would overwrite raw tables, or be read with them next time, are refused."""

from __future__ import annotations

import pytest

from churnkit.batch.io.outputs import refuse_raw_table
from churnkit.errors import ChurnkitError


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    (folder / "orders").mkdir(parents=True)
    for name in ("customers.csv", "sales_1.csv", "orders/part-1.parquet"):
        (folder / name).write_text("id\n1\n")
    (tmp_path / "link.csv").symlink_to(folder / "customers.csv")
    return folder


@pytest.mark.parametrize("name", ["raw/customers.csv", "raw/new/../customers.csv", "link.csv"])
def test_a_raw_table_is_not_overwritten(raw, name):
    with pytest.raises(ChurnkitError, match="is a raw table and would be overwritten"):
        refuse_raw_table([raw / "customers.csv"], f"{raw.parent}/{name}")


@pytest.mark.parametrize("name", ["raw/orders/new.parquet", "raw/sales_2.csv", "raw/orders/new/"])
def test_files_that_would_be_raw_tables_are_refused(raw, name):
    locations = [raw / "customers.csv", raw / "orders", raw / "sales_[0-9]*.csv"]
    with pytest.raises(ChurnkitError, match="is among the raw tables"):
        refuse_raw_table(locations, f"{raw.parent}/{name}")


@pytest.mark.parametrize("name", ["scores.csv", "raw/scores.csv", "out/", "raw/sales.csv", "-"])
def test_other_outputs_are_accepted(raw, name):
    locations = [raw / "customers.csv", raw / "orders", raw / "sales_[0-9]*.csv", "s3://lake/raw"]
    refuse_raw_table(locations, name if name == "-" else f"{raw.parent}/{name}")

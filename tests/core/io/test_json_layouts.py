"""Tables that one JSON object holds: as columns, as arrays of values, and as rows by id."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from churnkit.core.io.table_sources import read_table
from churnkit.errors import ChurnkitError

TABLE = pd.DataFrame(
    {
        "customer_id": [f"K{n:03d}" for n in range(30)],
        "visits": range(30),
        "churn": ["Yes", "No"] * 15,
    }
)
ROWS = TABLE.to_dict("records")


def read(folder, text):
    (folder / "t.json").write_text(text)
    return read_table(folder / "t.json").to_pylist()


@pytest.mark.parametrize("orient", ["columns", "index", "records", "split", "table"])
def test_every_layout_that_pandas_writes_holds_the_same_rows(tmp_path, orient):
    rows = read(tmp_path, TABLE.to_json(orient=orient))
    assert [{name: row[name] for name in TABLE} for row in rows] == ROWS


def test_arrays_by_column_are_a_table(tmp_path):
    assert read(tmp_path, json.dumps(TABLE.to_dict("list"))) == ROWS


def test_ids_of_rows_are_the_column_key(tmp_path):
    by_id = {row["customer_id"]: {"visits": row["visits"], "churn": row["churn"]} for row in ROWS}
    rows = read(tmp_path, json.dumps(by_id))
    assert [row["key"] for row in rows] == list(TABLE["customer_id"])
    assert [row["visits"] for row in rows] == list(TABLE["visits"])


def test_an_object_with_parts_of_its_own_is_one_customer(tmp_path):
    customer = {
        "id": "K1",
        "address": {"city": "Bern", "zip": "3000"},
        "plan": {"name": "a", "fee": 2},
    }
    assert len(read(tmp_path, json.dumps(customer))) == 1
    two = {"address": {"city": "Bern", "zip": "3000"}, "plan": {"city": "a", "zip": "2"}}
    assert len(read(tmp_path, json.dumps(two))) == 1


def test_an_object_of_thousands_of_other_keys_is_refused(tmp_path):
    text = json.dumps({f"day {n}": n for n in range(10_001)})
    with pytest.raises(
        ChurnkitError, match=r"objects with 10,001 keys, more than the 10,000 columns"
    ):
        read(tmp_path, text)

"""Tables that one JSON object holds: as columns, as arrays of values, and as rows by id."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from churnkit.core.io.formats import json_records
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


KEYED = TABLE.drop(columns="customer_id").assign(plan="a")
IDS = {
    "texts": list(TABLE["customer_id"]),
    "numbers": [f"{5000 + 7 * n}" for n in range(30)],
    "numbers in another order": [f"{(7 * n) % 30}" for n in range(30)],
    "names": [chr(97 + n // 26) + chr(97 + n % 26) for n in range(30)],
}


@pytest.mark.parametrize(
    ("orient", "ids", "count"),
    [
        *((orient, ids, 30) for orient in ("columns", "index", "split") for ids in IDS.values()),
        *((orient, IDS["numbers"], 3) for orient in ("columns", "index", "split")),
        ("split", IDS["texts"], 3),
    ],
)
def test_ids_of_an_index_are_the_column_key(tmp_path, orient, ids, count):
    table = KEYED.head(count).set_index(pd.Index(ids[:count]))
    rows = read(tmp_path, table.to_json(orient=orient))
    assert rows == [
        {"key": key, **row} for key, row in zip(ids, table.to_dict("records"), strict=False)
    ]


def test_a_column_key_of_the_rows_is_kept_beside_the_ids(tmp_path):
    table = KEYED.assign(key="x").set_index(pd.Index(IDS["texts"]))
    rows = read(tmp_path, table.to_json(orient="index"))
    assert [(row["key"], row["key_"]) for row in rows] == [("x", key) for key in IDS["texts"]]


@pytest.mark.parametrize("orient", ["columns", "index"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("count", [1, 5, 12])
def test_few_customers_of_many_columns_are_rows(tmp_path, orient, first, count):
    table = pd.DataFrame({f"col{n}": range(n, n + count) for n in range(12)})
    table.index += first
    rows = read(tmp_path, table.to_json(orient=orient))
    assert rows == table.to_dict("records")


def test_a_wide_table_by_id_is_not_transposed(tmp_path):
    wide = {f"c{n}" if n % 2 else f"count {n}": n if n % 2 else f"t{n}" for n in range(40)}
    by_id = {f"K{n}": wide for n in range(12)}
    assert read(tmp_path, json.dumps(by_id)) == [{"key": key, **wide} for key in by_id]


def test_a_column_without_some_rows_has_missing_values(tmp_path):
    columns = {"plan": {"0": "a", "1": "b", "2": "a"}, "visits": {"0": 4, "2": 6}}
    assert read(tmp_path, json.dumps(columns)) == [
        {"plan": "a", "visits": 4}, {"plan": "b", "visits": None}, {"plan": "a", "visits": 6},
    ]  # fmt: skip


def test_an_empty_array_beside_the_rows_is_no_column(tmp_path):
    assert read(tmp_path, json.dumps({"errors": [], "data": ROWS[:12]})) == ROWS[:12]
    assert read(tmp_path, json.dumps({"data": ROWS[:12], "errors": []})) == ROWS[:12]


@pytest.mark.parametrize(
    "table",
    [
        {f"{n}": {f"{m}": n * m for m in range(5)} for n in range(12)},
        {f"{n}": {f"{m}": n * m for m in range(2019, 2024)} for n in range(5000, 5012)},
        {f"part {c}": {f"{d} name": "x" for d in "abcdef"} for c in "abcdefghijkl"},
    ],
)
def test_a_table_that_may_be_transposed_is_refused(tmp_path, table):
    with pytest.raises(
        ChurnkitError, match=r"t\.json cannot be told apart: write an array of objects"
    ):
        read(tmp_path, json.dumps(table))


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


def test_an_object_beyond_the_limit_is_named_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, "_MAX_OBJECT_CHARACTERS", 1 << 20)
    monkeypatch.setattr(json_records, "_CHUNK_CHARACTERS", 1 << 19)
    columns = {"id": {f"{n}": "x" * 200 for n in range(10_000)}, "visits": {"0": 1}}
    with pytest.raises(ChurnkitError, match=r"an object exceeds 1 MB; write an array of objects"):
        read(tmp_path, json.dumps(columns))

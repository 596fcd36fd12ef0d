"""Files with one row per customer are joined by their id; the right values are those of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.cli.customer_input import CustomerInput
from churnkit.contracts import Contract
from churnkit.core.io.customer_files import read_ids
from churnkit.core.io.table_sources import (
    describe_join,
    list_files,
    open_rows,
    open_source,
    read_table,
)
from churnkit.errors import ChurnkitError
from churnkit.pipeline import load_recipe
from churnkit.pipeline.scaffold.keys.customer_files import choose_join_key, find_join_keys
from churnkit.pipeline.scaffold.project import create_project
from churnkit.pipeline.training.data.dataset import read_training_table

ROWS = 60


def write(folder, **tables):
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def customers(rows=ROWS, key="customer_id"):
    ids = [f"{number:04d}" for number in range(rows)]
    return pd.DataFrame({key: ids, "plan": ["a", "b"] * (rows // 2), "status": "open"})


def usage(rows=ROWS, key="Customer ID"):
    ids = [f"{number:04d}" for number in reversed(range(rows))]
    return pd.DataFrame({key: ids, "visits": range(rows), "status": "used"})


def test_files_are_joined_row_by_row(tmp_path):
    folder = write(tmp_path / "raw", customers=customers(), usage=usage(ROWS - 4))
    table = read_table(folder, entity="customer_id").to_pandas()
    expected = customers().merge(
        usage(ROWS - 4), how="left", left_on="customer_id", right_on="Customer ID",
        suffixes=("_c", "_u"),
    )  # fmt: skip
    assert list(table.columns) == [
        "customer_id", "plan", "customers_status", "visits", "usage_status",
    ]  # fmt: skip
    assert table["customer_id"].tolist() == expected["customer_id"].tolist()
    assert table["plan"].tolist() == expected["plan"].tolist()
    visits = pd.to_numeric(table["visits"]).to_numpy()
    assert np.array_equal(visits, expected["visits"].to_numpy(), equal_nan=True)
    assert table["usage_status"].isna().sum() == 4
    assert set(table["customers_status"]) == {"open"}


def test_customers_of_any_file_have_a_row(tmp_path):
    folder = write(tmp_path / "raw", customers=customers(), usage=usage(ROWS).iloc[:-3])
    more = pd.DataFrame({"customer_id": ["x1", "x2"], "plan": "c", "status": "open"})
    pd.concat([customers().iloc[:-2], more]).to_csv(folder / "customers.csv", index=False)
    ids = read_table(folder, entity="customer_id")["customer_id"].to_pylist()
    assert sorted(ids) == sorted({*(f"{number:04d}" for number in range(ROWS)), "x1", "x2"})


@pytest.mark.parametrize("kind", ["several rows", "other ids", "blank ids", "numbered"])
def test_other_files_are_no_parts_of_one_table(tmp_path, kind):
    second = usage()
    name = "usage"
    if kind == "several rows":
        second = pd.concat([second, second.iloc[:1]])
    elif kind == "other ids":
        second["Customer ID"] = "9" + second["Customer ID"]
    elif kind == "blank ids":
        second.loc[3, "Customer ID"] = ""
    else:
        name = "customers_2"
    first = "customers_1" if kind == "numbered" else "customers"
    folder = write(tmp_path / "raw", **{first: customers(), name: second})
    files = [open_rows(open_source(file)) for file in list_files(folder)]
    assert not find_join_keys(files, None)
    with pytest.raises(ChurnkitError):
        open_rows(open_source(folder))


def test_init_reads_joined_files_as_every_command_does(tmp_path):
    random = np.random.default_rng(0)
    left = random.random(600) < 0.3
    first = customers(600).drop(columns="status").assign(churned=left.astype(int))
    second = usage(600).assign(visits=random.poisson(np.where(left[::-1], 3, 6)))
    zips = pd.DataFrame({"zip": range(100), "people": range(100)})
    folder = write(tmp_path / "raw", customers=first, usage=second, zips=zips)
    draft = create_project(tmp_path / "project", [folder])
    reading = dict(draft.reading)
    assert reading["joined"] == (
        "customers.csv is joined with usage.csv by 'customer_id'; left out, as they lack "
        "'customer_id': zips.csv"
    )
    assert not draft.questions
    roles = {column.name: column.role for column in draft.columns}
    assert roles["visits"] == roles["plan"] == "feature"
    assert roles["churned"] == "label"
    recipe = (tmp_path / "project" / "training" / f"{draft.recipe}.py").read_text("utf-8")
    assert 'data="../raw"' in recipe
    named = create_project(
        tmp_path / "named", [folder / f"{n}.csv" for n in ("zips", "customers", "usage")]
    )
    assert dict(named.reading)["joined"] == reading["joined"]


def find_key(folder, entity=None):
    files = [open_rows(open_source(file)) for file in list_files(folder)]
    keys = find_join_keys(files, entity)
    return choose_join_key(keys) if keys else None


@pytest.mark.parametrize("entity", [None, "id", "customer_id"])
@pytest.mark.parametrize("has_index", [True, False])
def test_files_of_different_customers_are_concatenated(tmp_path, entity, has_index):
    north = pd.DataFrame({"customer_id": range(1000, 1500), "age": 40, "plan": "a", "churned": 0})
    south = north.iloc[:480].assign(customer_id=range(5000, 5480), newsletter="yes")
    folder = write(tmp_path / "raw")
    for name, table in (("north", north), ("south", south)):
        table.to_csv(folder / f"{name}.csv", index=has_index, index_label="id")
    assert find_key(folder) is None
    ids = read_table(folder, entity=entity)["customer_id"].to_pylist()
    assert ids == [str(each) for each in [*range(1000, 1500), *range(5000, 5480)]]


@pytest.mark.parametrize("start", [0, 1])
def test_a_column_that_counts_rows_joins_no_files(tmp_path, start):
    numbers = range(start, start + ROWS)
    first = pd.DataFrame({"id": numbers, "plan": "a"})
    folder = write(tmp_path / "raw", a=first, b=pd.DataFrame({"id": numbers, "visits": 1}))
    assert find_key(folder) is None
    assert find_key(folder, "id") == "id"
    named = [frame.rename(columns={"id": "customer_id"}) for frame in (first, first)]
    named[1] = named[1].rename(columns={"plan": "tariff"})
    assert find_key(write(tmp_path / "named", a=named[0], b=named[1])) == "customer_id"


def test_the_customers_id_is_chosen_by_name_and_by_entity(tmp_path):
    first = customers().assign(id=range(1, ROWS + 1))
    folder = write(tmp_path / "raw", customers=first, usage=usage().assign(id=range(1, ROWS + 1)))
    assert find_key(folder) == "customer_id"
    assert find_key(folder, "id") == "id"
    by_id = read_table(folder, entity="id").to_pandas()
    assert by_id["visits"].astype(int).tolist() == list(range(ROWS))
    by_customer = read_table(folder, entity="customer_id").to_pandas()
    assert by_customer["visits"].astype(int).tolist() == list(reversed(range(ROWS)))


def test_two_ids_that_join_different_rows_are_a_question(tmp_path):
    first = customers().assign(account_id=[f"A{number}" for number in range(ROWS)])
    second = usage().assign(account_id=[f"A{number}" for number in range(ROWS)])
    folder = write(tmp_path / "raw", customers=first, usage=second)
    with pytest.raises(ChurnkitError, match=r"which is the customer's id.*--entity"):
        create_project(tmp_path / "project", [folder])
    assert find_key(folder, "account_id") == "account_id"
    write(folder, usage=second.assign(account_id=second["account_id"].iloc[::-1].to_numpy()))
    assert find_key(folder) == "customer_id"


def test_few_repeated_and_foreign_customers_are_joined_and_counted(tmp_path):
    second = usage(20).assign(visits=range(20))
    second = pd.concat([second, second.iloc[[3]].assign(visits=99)])
    second.loc[second["visits"] == 5, "Customer ID"] = "x"
    second.loc[second["visits"] == 7, "Customer ID"] = ""
    folder = write(tmp_path / "raw", customers=customers(15 + 1).iloc[:15], usage=second)
    table = read_table(folder, entity="customer_id").to_pandas()
    first = customers(16).iloc[:15]
    named = second[second["Customer ID"] != ""]
    expected = first.merge(named, how="outer", left_on="customer_id", right_on="Customer ID")
    expected_ids = expected["customer_id"].fillna(expected["Customer ID"])
    pairs = sorted(zip(expected_ids, expected["visits"].fillna(-1).astype(int), strict=True))
    got = table.dropna(subset="customer_id")
    visits = pd.to_numeric(got["visits"]).fillna(-1).astype(int)
    assert sorted(zip(got["customer_id"], visits, strict=True)) == pairs
    assert pd.to_numeric(table["visits"][table["customer_id"].isna()]).tolist() == [7]
    text = describe_join(folder, "customer_id")
    lacking = {name: len(set(expected_ids) - set(ids)) for name, ids in
               {"customers": first["customer_id"], "usage": named["Customer ID"]}.items()}  # fmt: skip
    assert f"customers not in customers.csv, blank in its columns: {lacking['customers']}" in text
    assert f"customers not in usage.csv, blank in its columns: {lacking['usage']}" in text
    assert "customers with several rows in usage.csv: 1" in text
    assert "rows of usage.csv without 'customer_id': 1" in text


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ([1.0, None, float("nan"), 3.0], ["1", "", "", "3"]),
        ([0.25, 0.5, None], ["0.25", "0.5", ""]),
        ([float("inf"), 1.5], ["inf", "1.5"]),
    ],
)
def test_only_whole_numbers_lose_their_fraction(tmp_path, numbers, texts):
    pq.write_table(pa.table({"id": pa.array(numbers, pa.float64())}), tmp_path / "a.parquet")
    assert read_ids(open_rows(open_source(tmp_path / "a.parquet")), "id") == texts


def test_a_trained_model_scores_few_customers_of_a_joined_folder(tmp_path):
    random = np.random.default_rng(0)
    left = random.random(600) < 0.3
    first = customers(600).drop(columns="status").assign(churned=left.astype(int))
    second = usage(600).assign(visits=random.poisson(np.where(left[::-1], 3, 6)))
    folder = write(tmp_path / "raw", customers=first, usage=second)
    draft = create_project(tmp_path / "project", [folder])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{draft.recipe}.py")
    table = read_training_table(recipe, tmp_path / "project")
    assert table.num_rows == 600
    few = write(tmp_path / "few", customers=first.iloc[:16], usage=second.iloc[-15:])
    source = CustomerInput(str(few), None, None, None)
    opened = source.open()
    contract = Contract.from_schema(recipe.schema)
    rows = read_table(few, entity=contract.entity.name)
    assert source.sheet(opened, contract, "predict").columns == tuple(table.column_names)
    assert rows.num_rows == 16
    assert rows["visits"].null_count == 1

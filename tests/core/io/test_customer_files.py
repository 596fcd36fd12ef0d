"""Files with one row per customer are joined by their id; the right values are those of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnkit.core.io.table_sources import open_rows, open_source, read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.project import create_project

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
    table = read_table(folder).to_pandas()
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
    ids = read_table(folder)["customer_id"].to_pylist()
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
        "customers.csv is joined with usage.csv by 'customer_id', which each has once for a "
        "customer; left out, as they lack 'customer_id': zips.csv"
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

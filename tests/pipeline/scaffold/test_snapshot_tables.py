"""Exports of the same customers at several dates: a row is a customer at a date."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from churnkit.batch.io.raw_snapshots import read_sources
from churnkit.cli.customer_input import CustomerInput
from churnkit.contracts import Contract
from churnkit.core.io.table_sources import open_rows, open_source, read_table
from churnkit.errors import ChurnkitError
from churnkit.pipeline import load_recipe
from churnkit.pipeline.scaffold.project import create_project
from churnkit.pipeline.training.data.dataset import read_training_table
from churnkit.timeline import build

ROWS = 400
MONTHS = pd.period_range("2024-02", periods=6, freq="M")


def exports(kind, seed=0, months=MONTHS):
    """Tables of each month, and the customers who are gone at the end of it."""
    random = np.random.default_rng(seed)
    left = np.zeros(ROWS, bool)
    visits = random.gamma(4.0, 3.0, ROWS)
    tables = []
    for _ in months:
        visits = np.maximum(visits + random.normal(0.0, 1.5, ROWS), 0.1)
        table = pd.DataFrame(
            {
                "customer_id": [f"K{number:04d}" for number in range(ROWS)],
                "signup": "2023-05-01",
                "plan": np.where(np.arange(ROWS) % 3, "basic", "pro"),
                "visits": np.round(visits).astype(int),
            }
        )
        if kind == "flag":
            table["churned"] = left.astype(int)
        elif kind == "status":
            table["status"] = np.where(left, "cancelled", "active")
        tables.append(table[~left] if kind == "missing" else table)
        left = left | (random.random(ROWS) < 0.05 + 0.25 * (visits < 8))
    return tables


def write(folder, tables, form, months=MONTHS):
    folder.mkdir()
    for table, month in zip(tables, months, strict=True):
        table.to_csv(folder / f"customers_{form(month)}.csv", index=False)


def gone(table, kind):
    """Customers of a table who have churned."""
    if kind == "missing":
        return set()
    return set(table["customer_id"][table.iloc[:, -1].isin([1, "cancelled"])])


def outcomes(tables, kind):
    """Outcome of each customer and month at the next one, month by month."""
    found: dict[tuple[pd.Period, str], bool] = {}
    for number, (now, later) in enumerate(pairwise(tables)):
        active = set(now["customer_id"]) - gone(now, kind)
        present = set(later["customer_id"]) - gone(later, kind)
        found |= {(MONTHS[number], customer): customer not in present for customer in active}
    return found


@pytest.mark.parametrize("kind", ["missing", "flag", "status"])
@pytest.mark.parametrize(
    "form",
    [
        lambda month: f"{month.year}_{month.month:02d}",
        lambda month: f"{month.end_time:%Y%m%d}",
        lambda month: f"{month.end_time:%b-%y}",
    ],
)
def test_the_outcome_of_a_row_is_that_of_the_next_export(tmp_path, kind, form):
    tables = exports(kind)
    write(tmp_path / "raw", tables, form)
    draft = create_project(tmp_path / "project", [tmp_path / "raw"])
    assert_outcomes(tmp_path, draft, tables, kind)


def assert_outcomes(tmp_path, draft, tables, kind):
    """Compare all rows of a draft with the outcomes and states of the tables."""
    assert not draft.questions
    assert any("6 dates, 2024-02-29 to 2024-07-31" in note for note in draft.notes)
    assert not any("refused" in note for note in draft.notes)
    recipe = load_recipe(tmp_path / "project" / "training" / f"{draft.recipe}.py")
    rows = read_training_table(recipe, tmp_path / "project").to_pandas()
    # A row is known at the end of its month, and the date of the snapshot is the day after.
    months = (rows["as_of"].dt.tz_localize(None) - pd.Timedelta(days=1)).dt.to_period("M")
    read = dict(zip(zip(months, rows["customer_id"], strict=True), rows["churned"], strict=True))
    assert read == outcomes(tables, kind)
    visits = {
        (month, customer): value
        for month, table in zip(MONTHS, tables, strict=True)
        for customer, value in zip(table["customer_id"], table["visits"], strict=True)
    }
    features = zip(months, rows["customer_id"], rows["customers_visits"], strict=True)
    assert all(visits[month, customer] == value for month, customer, value in features)


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("form", ["%b %Y", "%Y-%m", "%B"])
def test_sheets_of_months_are_exports(tmp_path, form, others):
    pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    tables = exports("flag")
    with pd.ExcelWriter(tmp_path / "customers.xlsx") as writer:
        for table, month in zip(tables, MONTHS, strict=True):
            table.to_excel(writer, sheet_name=month.strftime(form), index=False)
        if others:
            pd.DataFrame({"plan": ["a", "b"] * 40, "price": 5}).to_excel(
                writer, sheet_name="Prices", index=False
            )
    if form == "%B":
        # Without a year there are no dates.
        assert "file_date" not in read_table(f"{tmp_path / 'customers.xlsx'}#J*").column_names
        return
    draft = create_project(tmp_path / "project", [tmp_path / "customers.xlsx"])
    assert_outcomes(tmp_path, draft, tables, "flag")


@pytest.mark.parametrize(
    "place", ["folder", "file", "named", "pattern", "folder of parquet", "workbook"]
)
def test_the_next_export_alone_is_scored(tmp_path, place, capsys):
    tables = exports("flag", months=range(7))
    form = "{0.year}-{0.month:02d}".format
    write(tmp_path / "raw", tables[:6], form)
    draft = create_project(tmp_path / "project", [tmp_path / "raw"])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{draft.recipe}.py")
    write(tmp_path / "in", tables[6:], form, [MONTHS[-1] + 1])
    folder, file = tmp_path / "in", tmp_path / "in" / "customers_2024-08.csv"
    if place == "folder of parquet":
        tables[6].to_parquet(file.with_suffix(".parquet"))
        file.unlink()
    elif place == "workbook":
        pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
        file = tmp_path / "customers.xlsx"
        tables[6].to_excel(file, sheet_name="Aug 2024", index=False)
    customers = {
        "file": file, "workbook": file, "named": None, "pattern": folder / "customers_*.csv"
    }.get(place, folder)  # fmt: skip
    named = [f"customers={file}"] if place == "named" else None
    source = CustomerInput(None if customers is None else str(customers), None, named, "2024-09-01")
    assert recipe.timeline is not None
    data = read_sources(recipe.timeline, source.name_table(source.open(), recipe.timeline))
    printed = "table 'customers' is read from customers_2024-08." in capsys.readouterr().err
    assert printed == (place in {"folder", "folder of parquet"})
    rows = build(recipe.timeline.at("2024-09-01"), data).to_pandas()
    expected = tables[6][tables[6]["churned"] == 0].set_index("customer_id")["visits"]
    read = rows.set_index("customer_id")["customers_visits"]
    assert read.astype(int).to_dict() == expected.to_dict()


def test_an_export_without_a_date_in_its_name_is_refused(tmp_path):
    write(tmp_path / "raw", exports("flag"), str)
    draft = create_project(tmp_path / "project", [tmp_path / "raw"])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{draft.recipe}.py")
    exports("flag")[0].to_csv(tmp_path / "customers.csv", index=False)
    assert recipe.timeline is not None
    with pytest.raises(
        ChurnkitError, match=r"customers.csv has none: rename it .* customers_2024-08"
    ):
        read_sources(recipe.timeline, {"customers": tmp_path / "customers.csv"})
    # Without --as-of, the date is named.
    later = CustomerInput("in/customers_2024-08.csv", None, None, None)
    with pytest.raises(ChurnkitError, match="add --as-of 2024-09-01, the day after the date"):
        later.check_columns(Contract.from_schema(recipe.schema), recipe.timeline, ["customer_id"])


@pytest.mark.parametrize("kind", ["flag", "status"])
def test_customers_who_are_missing_without_a_mark_are_counted(tmp_path, kind):
    tables = exports(kind)
    stayed = sorted(set(tables[-1]["customer_id"]) - gone(tables[-1], kind))[:7]
    tables[-1] = tables[-1][~tables[-1]["customer_id"].isin(stayed)]
    write(tmp_path / "raw", tables, str)
    draft = create_project(tmp_path / "project", [tmp_path / "raw"])
    (note,) = (note for note in draft.notes if "are missing in a later file" in note)
    assert note.startswith(f"review: 7 of {ROWS} customers")


def test_two_exports_are_enough(tmp_path):
    tables = exports("missing")[:2]
    write(tmp_path / "raw", tables, str, MONTHS[:2])
    draft = create_project(tmp_path / "project", [tmp_path / "raw"])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{draft.recipe}.py")
    rows = read_training_table(recipe, tmp_path / "project").to_pandas()
    left = set(tables[0]["customer_id"]) - set(tables[1]["customer_id"])
    assert set(rows["customer_id"][rows["churned"]]) == left
    assert len(rows) == ROWS


def test_files_of_different_customers_are_one_table(tmp_path):
    table = exports("flag")[-1]
    (tmp_path / "raw").mkdir()
    for number, month in enumerate(MONTHS):
        table[number::6].to_csv(tmp_path / "raw" / f"customers_{month}.csv", index=False)
    draft = create_project(tmp_path / "project", [tmp_path / "raw"])
    roles = {column.name: column.role for column in draft.columns}
    assert (roles["customer_id"], roles["churned"]) == ("entity", "label")
    assert roles["file_date"] == "ignore"
    assert ("rows", "one row per customer") in draft.reading


def test_a_single_file_of_a_pattern_has_the_date_of_its_name(tmp_path):
    write(tmp_path / "in", exports("flag")[:1], lambda month: month.strftime("%Y_%m"), MONTHS[:1])
    table = read_table(tmp_path / "in" / "customers_[0-9]*.csv")
    assert set(table["file_date"].to_pylist()) == {"2024-02-29"}
    named = read_table(tmp_path / "in" / "customers_2024_02*.csv")
    assert "file_date" not in named.column_names


def test_files_of_a_pattern_have_the_date_of_their_names(tmp_path):
    for name in ("crm_2024-02-01.csv", "crm_2024-01-01.csv"):
        (tmp_path / name).write_text("id\n1\n", encoding="utf-8")
    table = read_table(tmp_path / "crm_[0-9]*.csv")
    assert table.to_pydict() == {"id": ["1", "1"], "file_date": ["2024-01-01", "2024-02-01"]}
    assert open_rows(open_source(tmp_path)).columns == ("id",)

"""Files as spreadsheets and strangers write them are read right, or asked about."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.pipeline import load_recipe
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import MIXED_DAYS, draft_column
from churnkit.pipeline.scaffold.project import create_project
from churnkit.pipeline.training.data.dataset import prepare, read_training_table

ROWS = 400
RANDOM = np.random.default_rng(0)
LEFT = RANDOM.random(ROWS) < 0.3
VISITS = RANDOM.poisson(np.where(LEFT, 4, 6))
FEES = np.round(RANDOM.gamma(6.0, 11.0, ROWS) + 5.0, 2)
IDS = [f"{number:05d}" for number in range(17, 17 + ROWS)]


def drafted(folder, lines):
    (folder / "customers.csv").write_text("\n".join(lines), encoding="utf-8")
    return create_project(folder / "project", [folder / "customers.csv"])


def prepared(folder, draft):
    assert not draft.questions
    recipe = load_recipe(folder / "project" / "training" / f"{draft.recipe}.py")
    return prepare(recipe, read_training_table(recipe, folder / "project"))


def feature(data, name):
    return data.full.X[:, list(data.contract.feature_names).index(name)]


def test_a_row_of_sums_without_an_id_is_left_out(tmp_path):
    lines = ["customer_id,visits,fee,churned"]
    lines += [f"{i},{v},{f},{int(x)}" for i, v, f, x in zip(IDS, VISITS, FEES, LEFT, strict=True)]
    lines += [f",{VISITS.sum()},{FEES.sum():.2f},{LEFT.sum()}"]
    draft = drafted(tmp_path, lines)
    data = prepared(tmp_path, draft)
    assert data.left_out == ("left out: 1 rows without a customer",)
    assert data.full.y.tolist() == LEFT.tolist()
    assert feature(data, "visits").tolist() == VISITS.tolist()


def test_errors_of_spreadsheets_are_missing_in_numbers_and_categories(tmp_path):
    regions = np.array(["north", "south", "#N/A"])[np.arange(ROWS) % 3]
    fees = [f"{fee}" if row % 4 else "#DIV/0!" for row, fee in enumerate(FEES)]
    lines = ["customer_id,visits,fee,region,churned"]
    columns = zip(IDS, VISITS, fees, regions, LEFT, strict=True)
    lines += [f"{i},{v},{f},{r},{int(x)}" for i, v, f, r, x in columns]
    draft = drafted(tmp_path, lines)
    settings = {column.name: column.settings for column in draft.columns}
    assert settings["region"]["isin"] == ["north", "south"]
    data = prepared(tmp_path, draft)
    right = np.where(np.arange(ROWS) % 4, FEES, np.nan)
    assert np.array_equal(feature(data, "fee"), right, equal_nan=True)
    assert np.isnan(feature(data, "region")).sum() == (regions == "#N/A").sum()


def test_ids_that_a_spreadsheet_rounded_are_an_open_question(tmp_path):
    ids = [f"{4.9e11 + 1e6 * number:.5E}" for number in range(ROWS)]
    lines = ["customer_id,visits,churned"]
    lines += [f"{i},{v},{int(x)}" for i, v, x in zip(ids, VISITS, LEFT, strict=True)]
    (question,) = drafted(tmp_path, lines).questions
    assert "may have lost digits: export the column as text" in question


def test_a_label_is_asked_for_where_another_column_is_named_churned(tmp_path):
    lines = ["customer_id,visits,churned"]
    lines += [f"{i},{v},{row}" for row, (i, v) in enumerate(zip(IDS, VISITS, strict=True))]
    (question,) = drafted(tmp_path, lines).questions
    assert "column 'churned_label'" in question
    assert "no column has the name of a churn label" in question


@pytest.mark.parametrize(
    ("name", "texts", "is_mixed"),
    [
        ("signup_date", [*(str(44_000 + number) for number in range(60)), "31.12.2023"], True),
        ("fee", [str(44_000 + number) for number in range(60)], False),
        ("days_since_date", [str(number) for number in range(60)], False),
    ],
)
def test_dates_beside_days_of_a_spreadsheet_are_refused(name, texts, is_mixed):
    draft = draft_column(profile_column(name, pa.chunked_array([texts * 3])))
    assert (draft.review == MIXED_DAYS) == is_mixed
    assert draft.role == ("ignore" if is_mixed else "feature")


def test_one_gap_above_names_is_a_merged_cell(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    rows: list[list[object]] = [
        ["Customer", "Usage", None, "Outcome"],
        ["id", "visits", "fee", "churned"],
    ]
    columns = zip(IDS, VISITS, FEES, LEFT, strict=True)
    rows += [[i, int(v), float(f), int(x)] for i, v, f, x in columns]
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    workbook.save(tmp_path / "customers.xlsx")
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    (tmp_path / "customers.csv").write_text("\n".join(lines), encoding="utf-8")
    for file in ("customers.xlsx", "customers.csv"):
        draft = create_project(tmp_path / file.replace(".", "_"), [tmp_path / file])
        roles = {column.name: column.role for column in draft.columns}
        assert roles == {
            "id": "entity",
            "visits": "feature",
            "fee": "feature",
            "churned": "label",
        }


def test_a_column_without_a_name_is_no_merged_cell(tmp_path):
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(ROWS)]
    lines = ["customer_id,visits,,churned"]
    lines += [f"{i},{v},{d},{int(x)}" for i, v, d, x in zip(IDS, VISITS, days, LEFT, strict=True)]
    draft = drafted(tmp_path, lines)
    assert {column.name for column in draft.columns} == {"customer_id", "visits", "churned"}


@pytest.mark.parametrize(
    ("texts", "review"),
    [
        (["12%", "0.35", "8%", "0.5"], "mixes percentages (12%) and fractions (0.12)"),
        (["12%", "35", "8%", "0"], ""),
        (["12.5%", "35%", "8%", "0"], ""),
    ],
)
def test_percentages_and_fractions_in_one_column_are_not_read_as_one(texts, review):
    draft = draft_column(profile_column("share", pa.chunked_array([texts * 20])))
    assert draft.review.startswith(review)
    assert draft.role == ("ignore" if review else "feature")


@pytest.mark.parametrize(
    ("name", "texts", "written"),
    [
        ("month", [f"{month}-{year}" for month in ("Jan", "Apr", "Oct") for year in (23, 24)], "MM/YYYY"),
        ("snapshot_date", [str(45_292 + 31 * number) for number in range(12)], "Excel serial"),
    ],
)  # fmt: skip
def test_months_and_days_of_a_spreadsheet_are_the_dates_of_a_panel(tmp_path, name, texts, written):
    lines = [f"customer_id,{name},visits,churned"]
    lines += [
        f"K{customer:03d},{text},{(customer * 7 + place) % 11},{int((customer + place) % 4 == 0)}"
        for customer in range(80)
        for place, text in enumerate(texts)
    ]
    draft = drafted(tmp_path, lines)
    (as_of,) = (column for column in draft.columns if column.role == "as_of")
    assert (as_of.name, as_of.settings["written"]) == (name, written)
    assert not draft.questions


@pytest.mark.parametrize(
    "texts", [["Q1 2024", "Q2 2024"], ["2024-Q1", "2024-Q2"], ["2024-W01"] * 2]
)
def test_quarters_and_weeks_are_refused_as_dates(texts):
    draft = draft_column(profile_column("period", pa.chunked_array([[*texts, "Q3 2024"] * 20])))
    assert draft.review == "holds quarters or weeks: write their first days, as YYYY-MM-DD"


@pytest.mark.parametrize("has_name", [True, False])
def test_a_transposed_table_is_refused_with_the_remedy(tmp_path, has_name):
    table = pd.DataFrame(
        {"customer_id": IDS, "visits": VISITS, "fee": FEES, "churned": np.asarray(LEFT).astype(int)}
    )
    turned = table.set_index("customer_id").T if has_name else table.T
    turned.to_csv(tmp_path / "customers.csv")
    with pytest.raises(
        ChurnkitError, match=r"a row for each field, such as 'churned', .* transpose"
    ):
        create_project(tmp_path / "project", [tmp_path / "customers.csv"])


def test_names_of_months_with_years_are_dates():
    months = ["Jan-24", "Feb-24", "Mär 24", "Dec 2023", "juil. 2023"]
    assert draft_column(profile_column("left", pa.chunked_array([months * 20]))).role == "ignore"
    plans = ["Maxi 24", "Basic 12", "Marathon 36"]
    assert draft_column(profile_column("plan", pa.chunked_array([plans * 20]))).role == "feature"

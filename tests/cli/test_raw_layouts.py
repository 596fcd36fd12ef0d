"""Raw tables in further layouts: counts of the drafted features are compared with the rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnkit.core.io.raw_tables import raw_table
from churnkit.pipeline import load_recipe
from churnkit.pipeline.scaffold import create_project
from churnkit.timeline import build

START = pd.Timestamp("2022-01-03")
CUSTOMERS = 120
DAYS = 500


@pytest.fixture(scope="module")
def purchases():
    """Purchases of customers of different frequency, some of whom leave."""
    random = np.random.default_rng(5)
    begin = random.integers(0, 100, CUSTOMERS)
    rate = random.choice([0.03, 0.1, 0.2], CUSTOMERS)
    end = begin + 40 + random.exponential(4_000 * rate).astype(int)
    rows = [
        (number, day)
        for number in range(CUSTOMERS)
        for day in range(begin[number], min(end[number], DAYS))
        if random.random() < rate[number]
    ]
    customer, day = map(np.array, zip(*rows, strict=True))
    amount = np.round(random.gamma(2.0, 15.0, len(customer)), 2)
    return pd.DataFrame(
        {"customer": customer, "at": START + pd.to_timedelta(day, unit="D"), "amount": amount}
    )


def aligned(folder, rows, header=()):
    lines = [
        f" {row.customer + 1:05d} {row.at:%Y%m%d}  1 {row.amount:7.2f}" for row in rows.itertuples()
    ]
    path = folder / "CDNOW_master.txt"
    path.write_text("\n".join([*header, *lines]) + "\n")
    return path, "column 1", [f"{n + 1:05d}" for n in rows.customer], None


def aligned_with_header(folder, rows):
    header = [" customer_id     date number_of_cds  dollar_value"]
    path, _, ids, table = aligned(folder, rows, header)
    return path, "customer_id", ids, table


def workbook_of_two_sheets(folder, rows):
    pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    path = folder / "online_retail.xlsx"
    table = pd.DataFrame(
        {
            "Invoice": [f"{'C' if n % 20 == 0 else ''}{489434 + n}" for n in range(len(rows))],
            "Quantity": 2, "InvoiceDate": rows["at"], "Price": rows["amount"], "Customer ID": 12346.0 + rows["customer"],
        }
    )  # fmt: skip
    with pd.ExcelWriter(path) as writer:
        table[: len(table) // 2].to_excel(writer, index=False, sheet_name="Year 2022")
        table[len(table) // 2 :].to_excel(writer, index=False, sheet_name="Year 2023")
    return path, "Customer ID", [str(12346 + n) for n in rows.customer], None


def named_months(folder, rows):
    ids = [f"CS{n + 1112}" for n in rows.customer]
    table = {
        "customer_id": ids,
        "trans_date": rows["at"].dt.strftime("%d-%b-%y"),
        "tran_amount": rows.amount,
    }
    pd.DataFrame(table).to_csv(folder / "Retail_Data_Transactions.csv", index=False)
    answers = {"customer_id": sorted(set(ids)), "response": np.arange(len(set(ids))) % 2}
    pd.DataFrame(answers).to_csv(folder / "Retail_Data_Response.csv", index=False)
    return folder, "customer_id", ids, "Retail_Data_Transactions"


def short_dates(folder, rows):
    years = rows["at"] - pd.DateOffset(years=28)
    table = {
        "trans_id": np.arange(len(rows)), "account_id": rows.customer + 1, "date": years.dt.strftime("%y%m%d"),
        "type": "PRIJEM", "amount": rows.amount,
    }  # fmt: skip
    pd.DataFrame(table).to_csv(folder / "trans.csv", index=False, sep=";")
    accounts = {"account_id": np.arange(CUSTOMERS) + 1, "district_id": np.arange(CUSTOMERS) % 7}
    pd.DataFrame(accounts).to_csv(folder / "account.csv", index=False, sep=";")
    return folder, "account_id", [str(n + 1) for n in rows.customer], "trans"


def german_names(folder, rows):
    ids = [f"{n:06d}" for n in rows.customer]
    amounts = [f"{1000 + x:,.2f}".translate(str.maketrans(",.", ".,")) for x in rows.amount]
    table = {"Kundennr": ids, "Datum": rows["at"].dt.strftime("%d.%m.%Y"), "Betrag": amounts}
    pd.DataFrame(table).to_csv(folder / "Käufe.csv", index=False, sep=";", encoding="cp1252")
    people = {"Kundennr": sorted(set(ids)), "Straße": "x"}
    pd.DataFrame(people).to_csv(folder / "Kunden.csv", index=False, sep=";", encoding="cp1252")
    return folder, "Kundennr", ids, "Käufe"


LAYOUTS = (
    aligned,
    aligned_with_header,
    workbook_of_two_sheets,
    named_months,
    short_dates,
    german_names,
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_rows_of_a_layout_are_counted_right(layout, purchases, tmp_path):
    (tmp_path / "data").mkdir()
    path, customer, ids, _ = layout(tmp_path / "data", purchases)
    project = tmp_path / "project"
    drafted = create_project(project, [path])
    assert drafted.questions == ()
    recipe = load_recipe(project / "training" / f"{drafted.recipe}.py")
    timeline: Any = recipe.timeline
    assert timeline.entity == customer
    assert type(timeline.label).__name__ == "InactivityChurn"
    as_of = timeline.snapshots.timestamps[-1].replace(tzinfo=None)
    back = 28 if layout is short_dates else 0
    at = purchases["at"] - pd.DateOffset(years=back)
    table = next(t for t in timeline.tables if t.name == timeline.label.table)
    days = max(
        f.window_days or 0 for f in timeline.features.values() if type(f).__name__ == "Count"
    )
    inside = (at < as_of) & (at >= as_of - dt.timedelta(days=days))
    expected = pd.Series(ids)[inside.to_numpy()].value_counts()
    data = {name: raw_table(Path(location)) for name, location in files(recipe).items()}
    rows = build(timeline.at(as_of.isoformat()), data).to_pylist()
    assert len(rows) > 20
    for row in rows:
        key = str(row[customer])
        assert row[f"{table.name}_{days}d"] == expected.get(key, 0), key
    assert not [name for name in timeline.features if "invoice" in name]


def files(recipe):
    """Locations of a recipe's raw tables."""
    module = recipe.data.__globals__
    return {name: module["HERE"] / path for name, path in module["FILES"].items()}


def test_months_are_known_at_their_end(tmp_path):
    months = pd.period_range("2023-01", "2024-06", freq="M")
    usage = [
        {"sub_id": f"{n:05d}", "month": int(month.strftime("%Y%m")), "calls": (n * 7 + i) % 11}
        for i, month in enumerate(months)
        for n in range(60)
    ]
    pd.DataFrame(usage).to_csv(tmp_path / "usage_monthly.csv", index=False)
    subscribers = {"sub_id": [f"{n:05d}" for n in range(60)], "churned": ["Y", "N", "N"] * 20}
    pd.DataFrame(subscribers).to_csv(tmp_path / "subscribers.csv", index=False)
    drafted = create_project(tmp_path / "project", [tmp_path])
    recipe = load_recipe(tmp_path / "project" / "training" / f"{drafted.recipe}.py")
    timeline: Any = recipe.timeline
    table = next(t for t in timeline.tables if t.source == "usage_monthly")
    assert table.formats == {"month": "YYYYMM"}
    data = {name: raw_table(path) for name, path in files(recipe).items()}
    # The row of May counts as of its last day, the day before June 1.
    ages = {}
    for day in ("2024-05-31", "2024-06-01"):
        rows = build(timeline.at(day), data).to_pylist()
        ages[day] = {row["days_since_usage_monthly"] for row in rows}
    assert ages == {"2024-05-31": {30}, "2024-06-01": {0}}


def test_tables_without_dates_are_drafted_with_a_question(purchases, tmp_path):
    orders = {
        "order_id": np.arange(len(purchases)), "user_id": purchases.customer, "order_number": 1,
        "days_since_prior_order": 7.0,
    }  # fmt: skip
    pd.DataFrame(orders).to_csv(tmp_path / "orders.csv", index=False)
    products = {"order_id": np.arange(len(purchases)), "product_id": 5}
    pd.DataFrame(products).to_csv(tmp_path / "order_products.csv", index=False)
    drafted = create_project(tmp_path / "project", [tmp_path])
    assert "no table has both a customer and a date" in drafted.questions[0]
    assert "'order_number' counts, and is no date" in drafted.questions[0]
    # The question is answered by a column of dates.
    orders["date"] = purchases["at"]
    pd.DataFrame(orders).to_csv(tmp_path / "orders.csv", index=False)
    assert create_project(tmp_path / "dated", [tmp_path / "orders.csv"]).questions == ()


def test_tables_without_a_customer_are_drafted_with_a_question(purchases, tmp_path):
    sales = {
        "date": purchases["at"],
        "amount": purchases.amount,
        "store": ["a", "b"] * (len(purchases) // 2),
    }
    pd.DataFrame({k: v[: len(purchases) // 2 * 2] for k, v in sales.items()}).to_csv(
        tmp_path / "sales.csv", index=False
    )
    pd.DataFrame({"store": ["a", "b"], "city": ["x", "y"]}).to_csv(
        tmp_path / "stores.csv", index=False
    )
    drafted = create_project(tmp_path / "project", [tmp_path])
    assert "name it with --entity COLUMN" in drafted.questions[0]


def test_tables_of_too_few_days_are_drafted_with_a_question(purchases, tmp_path):
    recent = purchases[purchases["at"] < START + pd.Timedelta(days=9)]
    recent.rename(columns={"customer": "customer_id"}).to_csv(tmp_path / "orders.csv", index=False)
    drafted = create_project(tmp_path / "project", [tmp_path])
    assert "days, too few for training" in drafted.questions[0]
    assert any("line " in note for note in drafted.notes)

"""Columns of dates that are drafted as features: days before the date of the row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnkit.contracts import Contract
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.core.io.table_sources import read_table
from churnkit.pipeline import load_recipe
from churnkit.pipeline.scaffold.project import create_project

ROWS = 600
EXPORT = np.datetime64("2025-06-30")


@pytest.fixture
def customers():
    random = np.random.default_rng(7)
    ids = {"customer_id": [f"C{number:04d}" for number in range(ROWS)]}
    dates = {
        "signup": EXPORT - random.integers(1, 1_500, ROWS),
        "last_order": EXPORT - random.integers(0, 90, ROWS),
        "contract_end": EXPORT + random.integers(-20, 300, ROWS),
    }
    plan = {"plan": random.choice(["basic", "pro"], ROWS)}
    churned = {"churned": (random.random(ROWS) < 0.3).astype(int)}
    return pd.DataFrame({**ids, **dates, **plan, **churned})


def drafted(folder, table, **settings):
    table.to_csv(folder / "customers.csv", index=False, **settings)
    return create_project(folder / "project", [folder / "customers.csv"])


def columns(draft):
    return {column.name: column for column in draft.columns}


def encoded(folder, file):
    recipe = load_recipe(folder / "project/training/customers.py")
    table = read_table(folder / file)
    contract = learn_levels(Contract.from_schema(recipe.schema), as_arrow(table))
    features = TableEncoder(contract).encode(table).features
    return {name: features[:, i] for i, name in enumerate(contract.feature_names)}


def test_dates_of_an_export_are_counted_up_to_its_latest_date_in_the_past(tmp_path, customers):
    written = customers.copy()
    for name in ("signup", "last_order", "contract_end"):
        written[name] = pd.to_datetime(customers[name]).dt.strftime("%d.%m.%Y")
    written.loc[:40, "last_order"] = "n/a"
    written.loc[:40, "contract_end"] = "31.12.9999"
    draft = columns(drafted(tmp_path, written, sep=";"))
    assert [draft[name].role for name in ("signup", "last_order", "contract_end")] == [
        "feature"
    ] * 3
    assert draft["last_order"].settings["missing"] == ["n/a"]
    assert draft["as_of"].settings["default"] == "2025-06-30"
    assert "latest date of 'last_order'" in draft["as_of"].review
    features = encoded(tmp_path, "customers.csv")
    for name in ("signup", "last_order", "contract_end"):
        days = (pd.Timestamp(EXPORT) - customers[name]).dt.days.to_numpy(dtype=float)
        if name != "signup":
            days[:41] = np.nan
        assert np.array_equal(features[name], days, equal_nan=True)


def test_a_date_that_shows_the_outcome_still_dates_the_table(tmp_path, customers):
    left = customers["churned"] == 1
    gone = pd.to_datetime(customers["signup"]) + pd.Timedelta(days=1)
    table = customers[["customer_id", "signup", "plan"]].assign(
        signup=customers["signup"] - pd.Timedelta(days=300),
        last_login=np.where(left, gone.astype(str), "2025-06-28"),
        churned=customers["churned"],
    )
    draft = columns(drafted(tmp_path, table))
    assert draft["last_login"].review.startswith("CK10")
    assert draft["as_of"].settings["default"] == max(table["last_login"])


def test_a_column_named_as_the_date_of_the_row_is_that(tmp_path, customers):
    months = np.where(np.arange(ROWS) % 2, "2025-06-30", "2025-07-31")
    draft = columns(drafted(tmp_path, customers.assign(snapshot_date=months)))
    assert draft["snapshot_date"].role == "as_of"
    assert draft["snapshot_date"].settings["default"] == "2025-07-31"
    days = encoded(tmp_path, "customers.csv")["last_order"]
    expected = (pd.to_datetime(pd.Series(months)) - customers["last_order"]).dt.days
    assert days.tolist() == expected.tolist()


def test_a_column_named_as_of_is_not_taken(tmp_path, customers):
    draft = columns(drafted(tmp_path, customers.rename(columns={"plan": "as_of"})))
    assert encoded(tmp_path, "customers.csv").keys() >= {"as_of", "last_order"}
    assert draft["as_of"].role == "feature"
    assert draft["as_of_date"].role == "as_of"


@pytest.mark.parametrize("name", ["feature", "label", "entity"])
def test_a_column_may_have_the_name_of_a_role(tmp_path, customers, name):
    draft = drafted(tmp_path, customers.rename(columns={"plan": name}))
    assert name in encoded(tmp_path, "customers.csv")
    assert not draft.questions


def test_dates_of_a_panel_are_counted_up_to_its_rows(tmp_path, customers):
    months = ["2025-04-30", "2025-05-31", "2025-06-30"]
    panel = pd.concat([customers.assign(month=month) for month in months])
    panel["visits"] = np.random.default_rng(1).poisson(9, len(panel))
    panel["last_order"] = np.datetime64("2025-04-21") - np.tile(np.arange(ROWS) % 50, 3)
    draft = columns(drafted(tmp_path, panel))
    assert draft["month"].role == "as_of"
    assert "default" not in draft["month"].settings
    assert draft["last_order"].role == draft["contract_end"].role == "feature"
    # Customers who signed up after the date of a row cannot have been known then.
    assert draft["signup"].review.startswith("has dates after the as-of date in")
    features = encoded(tmp_path, "customers.csv")
    since = pd.to_datetime(panel["month"]) - panel["last_order"]
    assert features["last_order"].tolist() == since.dt.days.tolist()


def test_days_and_months_in_any_order_stay_a_question(tmp_path, customers):
    day = np.datetime64("2025-01-01") + 31 * (np.arange(ROWS) % 9)
    texts = pd.to_datetime(pd.Series(day)).dt.strftime("%d/%m/%Y").str.replace("/2025", "/2024")
    low = texts.where(texts.str[:2].astype(int) <= 12, "02/03/2024")
    draft = columns(drafted(tmp_path, customers.assign(visit=low)))
    assert draft["visit"].role == "ignore"


def test_rows_that_differ_in_dates_alone_are_still_left_out(tmp_path, customers):
    again = customers.iloc[:5].assign(last_order=EXPORT - np.arange(5))
    draft = drafted(tmp_path, pd.concat([customers, again]))
    assert not draft.questions
    assert columns(draft)["last_order"].role == "ignore"


def test_the_date_of_a_table_without_past_dates_is_its_last_before_today(tmp_path, customers):
    table = customers.drop(columns=["signup", "last_order"])
    draft = columns(drafted(tmp_path, table))
    today = min(customers["contract_end"].max(), pd.Timestamp.now())
    latest = customers["contract_end"][customers["contract_end"] <= today].max()
    assert draft["as_of"].settings["default"] == f"{latest:%Y-%m-%d}"

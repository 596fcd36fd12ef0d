"""``churnkit report`` with a model, with tables alone, and without data."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from churnkit.datasets import simulate

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
pytest.importorskip("jinja2", reason="the extra 'report' is not installed")

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw tables in a project's folder ``tables``."""
    folder = tmp_path_factory.mktemp("raw") / "tables"
    folder.mkdir()
    business = simulate(customers=400, months=14, seed=9)
    for name, table in business.tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def test_in_a_project_it_takes_its_model_its_customers_and_its_tables(churnkit, shop_copy, raw):
    shutil.copytree(raw, shop_copy.root / "tables")
    code, out, err = churnkit("report", folder=shop_copy.root)
    assert code == 0, err
    assert "Summary" in out
    assert "next: open report.html" in err
    page = (shop_copy.root / "report.html").read_text()
    assert "Retention report" in page
    assert "idcanary" not in page


def test_a_file_of_customers_is_scored_alone_and_printed_as_data(churnkit, shop_copy, customers):
    code, out, err = churnkit(
        "report", customers, "-o", "page.html", "--json", "--csv", "numbers", folder=shop_copy.root
    )
    assert code == 0, err
    sections = {section["name"]: section for section in json.loads(out)["sections"]}
    assert sections["model"]["lead"].startswith("AUC ")
    assert {block["kind"] for block in sections["cohorts"]["blocks"]} == {"missing"}
    assert (shop_copy.root / "numbers" / "actions.csv").is_file()


def test_it_is_logged_to_mlflow_with_log(churnkit, shop_copy, customers):
    code, _, err = churnkit("report", customers, "--log", folder=shop_copy.root)
    assert code == 0, err
    assert "logged to MLflow as run" in err
    pages = list((shop_copy.root / ".churnkit").rglob("report.html"))
    assert len(pages) == 1


def test_a_new_project_has_a_report_of_its_training_data(churnkit, shop_copy):
    (shop_copy.root / "customers.csv").rename(shop_copy.root / "training.csv")
    recipe = shop_copy.root / "training" / "shop.py"
    recipe.write_text(recipe.read_text().replace('"customers.csv"', '"training.csv"'))
    code, out, err = churnkit("report", "--json", folder=shop_copy.root)
    assert code == 0, err
    assert "uses the training data (training.csv)" in err
    sections = {section["name"]: section for section in json.loads(out)["sections"]}
    for name in ("headline", "model", "drivers", "segments", "actions", "health"):
        assert {block["kind"] for block in sections[name]["blocks"]} != {"missing"}
    page = (shop_copy.root / "report.html").read_text()
    assert "which the model has learned from" in page
    assert "churnkit report --table subscriptions=FILE" in page


def test_customers_who_have_left_by_a_flat_tables_label_are_not_scored(churnkit, shop_copy):
    file = shop_copy.root / "customers.csv"
    with file.open(newline="") as stream:
        left = sum(row["churned"] == "True" for row in csv.DictReader(stream))
    assert left > 50
    code, out, err = churnkit("report", "customers.csv", "--json", folder=shop_copy.root)
    assert code == 0, err
    sections = {section["name"]: section for section in json.loads(out)["sections"]}
    assert f" of {500 - left} customers are expected to churn" in sections["headline"]["lead"]
    remark = f"{left} of 500 customers have left by the column churned and are left out"
    assert remark in err
    assert any(
        remark in line for b in sections["headline"]["blocks"] for line in b.get("lines", ())
    )
    tables = {block.get("name"): block for s in sections.values() for block in s["blocks"]}
    for name in ("value_risk", "health"):
        assert_counts(tables[name], 500 - left)


def assert_counts(table, customers):
    """Check that the parts of a table are all customers."""
    at = [column["title"] for column in table["columns"]].index("Customers")
    assert sum(row[at] for row in table["rows"]) == customers


def test_a_report_without_a_customer_who_remains_is_refused(
    churnkit, shop_copy, rows_of_shop, to_csv
):
    to_csv(shop_copy.root / "left.csv", [row | {"churned": True} for row in rows_of_shop(60)])
    code, _, err = churnkit("report", "left.csv", folder=shop_copy.root)
    assert code == 1
    assert "all 60 customers have left by column 'churned'" in err


def test_a_german_report_of_the_training_data_is_german_on_the_page_and_in_the_terminal(
    churnkit, shop_copy
):
    pytest.importorskip("babel", reason="the extra 'report' is not installed")
    (shop_copy.root / "customers.csv").rename(shop_copy.root / "training.csv")
    recipe = shop_copy.root / "training" / "shop.py"
    recipe.write_text(recipe.read_text().replace('"customers.csv"', '"training.csv"'))
    code, out, err = churnkit("report", "--locale", "de", folder=shop_copy.root)
    assert code == 0, err
    assert re.search(r"Abschnitt\W+Ergebnis", out)
    assert "see the page" not in out
    assert "Der Bericht nutzt die Trainingsdaten (training.csv)" in err
    assert "Abschnitte ohne Daten: Umsatz" in err
    page = (shop_copy.root / "report.html").read_text()
    assert "aus denen das Modell gelernt hat" in page
    assert "von 500 Kunden sind laut Spalte churned abgewandert" in page
    assert "subscriptions=DATEI: Kunde, Beginn, Ende, Monatsumsatz" in page
    for english in ("=FILE", "customer,", "This report", "churned,"):
        assert english not in page


def test_tables_alone_make_a_report_where_there_is_no_model(churnkit, tmp_path, raw):
    code, out, err = churnkit(
        "report", "--table", f"subscriptions={raw / 'subscriptions.parquet'}", folder=tmp_path
    )
    assert code == 0, err
    assert "Revenue" in out
    assert "no model in this project" in err


def test_without_data_it_is_refused_with_advice(churnkit, tmp_path):
    code, _, err = churnkit("report", folder=tmp_path)
    assert code == 1
    assert "no data to report on" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table", "sales=x.csv"), "unknown table 'sales'"),
        (("--table", "orders"), "--table takes NAME=PATH"),
        (("--column", "mrr=fee"), "--column takes TABLE.PART=COLUMN"),
        (("--target", "churn=low"), "--target takes NAME=NUMBER"),
    ],
)
def test_invalid_options_are_refused(churnkit, tmp_path, arguments, message):
    code, _, err = churnkit("report", *arguments, folder=tmp_path)
    assert code == 1
    assert message in err


@pytest.mark.data
def test_telco_has_a_report_from_its_one_flat_file(churnkit, tmp_path, data_dir, migrated_store):
    for name in ("schemas/telco.py", "training/telco.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    recipe = tmp_path / "training" / "telco.py"
    text = recipe.read_text().replace(
        "recipe = Recipe(", 'from churnkit.models import ChurnClassifier\n\nrecipe = Recipe(model=ChurnClassifier(profile="fast"), '
    )  # fmt: skip
    recipe.write_text(text)
    (tmp_path / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, tmp_path / ".churnkit" / "mlflow.db")
    code, _, err = churnkit("train", "telco", folder=tmp_path)
    assert code == 0, err
    file = next((data_dir / "telco").glob("*.csv"))
    code, out, err = churnkit("report", file, "--model", "telco", "--json", folder=tmp_path)
    assert code == 0, err
    sections = {section["name"]: section for section in json.loads(out)["sections"]}
    filled = {
        name
        for name, section in sections.items()
        if any(block["kind"] != "missing" for block in section["blocks"])
    }
    assert {"headline", "model", "drivers", "segments", "actions", "health"} <= filled
    # 1,869 of the 7,043 customers of this data set have left (IBM).
    assert " of 5,174 customers are expected to churn" in sections["headline"]["lead"]
    assert "1,869 of 7,043 customers have left by the column Churn" in err

"""Commands on a workbook of several sheets read the sheet whose columns the model needs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pandas as pd
import pytest

from churnkit.cli.main import DONE, REFUSED

pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")


@pytest.fixture(scope="module")
def shop(trained_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    return trained_shop[0].root


@pytest.fixture
def workbook(tmp_path, rows_of_shop):
    """Write sheets by name; a number is that of customers, a name that of another table."""

    def write(**sheets):
        path = tmp_path / "crm.xlsx"
        with pd.ExcelWriter(path) as writer:
            for name, seed in sheets.items():
                rows = (
                    pd.DataFrame(rows_of_shop(120, seed=seed)) if seed else pd.DataFrame({"a": [1]})
                )
                rows.to_excel(writer, index=False, sheet_name=name)
        return path

    return write


@pytest.mark.parametrize(
    "command",
    [
        ["score", "-o", "scores.csv"],
        ["explain"],
        ["plan", "--budget", "30"],
        ["validate"],
        ["evaluate"],
        ["monitor"],
    ],
    ids=lambda command: command[0],
)
def test_the_only_sheet_with_the_columns_is_read_and_named(churnkit, shop, workbook, command):
    path = workbook(Notes=0, Customers=21, Orders=0)
    _, out, err = churnkit(command[0], path, *command[1:], folder=shop)
    assert "sheet 'Customers' of crm.xlsx is read" in err
    assert "#SHEET" not in out + err


def test_a_report_reads_the_sheet_of_customers(churnkit, shop, workbook, tmp_path):
    path = workbook(Notes=0, Customers=21)
    code, _, err = churnkit("report", path, "-o", tmp_path / "report.html", folder=shop)
    assert (code, "sheet 'Customers' of crm.xlsx is read" in err) == (DONE, True)


def test_the_only_table_of_a_database_with_the_columns_is_read(
    churnkit, shop, rows_of_shop, tmp_path
):
    path = tmp_path / "crm.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        pd.DataFrame({"a": [1]}).to_sql("notes", connection, index=False)
        customers = pd.DataFrame(rows_of_shop(120, seed=21))
        customers.to_sql("customers", connection, index=False)
        code, _, err = churnkit("score", path, "-o", tmp_path / "scores.csv", folder=shop)
        assert (code, "table 'customers' of crm.sqlite is read" in err) == (DONE, True)
        customers.to_sql("earlier", connection, index=False)
        code, _, err = churnkit("score", path, folder=shop)
    assert code == REFUSED
    assert "has 3 tables (customers, earlier, notes): name one as" in err


def test_two_sheets_with_the_columns_are_asked_for(churnkit, shop, workbook):
    path = workbook(East=21, West=22, Notes=0)
    code, _, err = churnkit("score", path, folder=shop)
    assert code == REFUSED
    assert "3 sheets, and 2 of them have the columns that are needed (East, West)" in err
    assert churnkit("score", f"{path}#West", folder=shop)[0] == DONE


def test_no_sheet_with_the_columns_is_told_with_all_sheets(churnkit, shop, workbook):
    code, _, err = churnkit("score", workbook(Notes=0, Orders=0), folder=shop)
    assert code == REFUSED
    assert "none of them has the columns that are needed (Notes, Orders)" in err


def test_the_sheet_of_the_training_table_is_preferred(workbook):
    from churnkit.core.io.formats.excel_tables import find_sheet

    path = workbook(East=21, West=22)
    assert find_sheet(path, lambda _: True, known="West") == "West"


def test_a_bundle_records_the_sheet(tmp_path, workbook, make_shop):
    from dataclasses import replace

    from churnkit.pipeline.recipe import load_recipe
    from churnkit.pipeline.training.train import _lineage

    project = make_shop(tmp_path / "shop")
    recipe = load_recipe(next((project.root / "training").glob("*.py")))

    class Data:
        digest = "sha256:0"

    data = Data()
    data.contract = data  # type: ignore[attr-defined]
    assert "sheet" not in _lineage(recipe, data)  # type: ignore[arg-type]
    named = replace(recipe, data=f"{workbook(East=21)}#East")
    assert _lineage(named, data)["sheet"] == "East"  # type: ignore[arg-type]

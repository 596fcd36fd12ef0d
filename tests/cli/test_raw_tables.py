"""Scores and plans from raw tables, with the timeline of the bundle."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.cli.customer_input import CustomerInput
from churnkit.cli.main import ALARM, DONE, REFUSED
from churnkit.datasets import simulate
from churnkit.errors import ChurnkitError
from churnkit.timeline import ActiveWithin, Count, InactivityChurn, Snapshots, Table, Timeline

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

ROOT = Path(__file__).parents[2]
TODAY = "2026-01-01"
RECIPE = """
from dataclasses import replace
from churnkit.datasets import simulate
from churnkit.models import ChurnClassifier
from training import subscriptions

recipe = replace(
    subscriptions.recipe,
    data=lambda: simulate(customers=2_500, seed=5).tables,
    model=ChurnClassifier("fast"),
)
"""


@pytest.fixture(scope="module")
def tables():
    return dict(simulate(customers=2_500, seed=5).tables)


@pytest.fixture(scope="module")
def project(migrated_store, tmp_path_factory, tables):
    """A project whose model was trained on a timeline, with the raw tables beside it."""
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow
    from churnkit.core.project import Project
    from churnkit.pipeline import load_recipe, train

    root = tmp_path_factory.mktemp("raw")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    (root / "training").mkdir()
    shutil.copyfile(ROOT / "training" / "subscriptions.py", root / "training" / "subscriptions.py")
    (root / "training" / "small.py").write_text(RECIPE)
    (root / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, root / ".churnkit" / "mlflow.db")
    trained = train(load_recipe(root / "training" / "small.py"))
    # So few customers need not show that the model is better than a rule.
    with quiet_mlflow():
        Registry(Project(root)).promote("small", trained.version)
    (root / "raw").mkdir()
    for name, table in tables.items():
        pq.write_table(table, root / "raw" / f"{name}.parquet")
    # No table that the timeline reads.
    (root / "raw" / "legend.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


@pytest.fixture(scope="module")
def expected(project, tables):
    from churnkit.bundle import load
    from churnkit.core.project import Project

    model = load("models:/small@champion", project=Project(project))
    scored = model.predict(model.snapshot(tables, as_of=TODAY)).to_pylist()
    return {row["customer_id"]: row["churn_probability"] for row in scored}


def scores(out):
    return {
        row["customer_id"]: float(row["churn_probability"])
        for row in csv.DictReader(out.splitlines())
    }


def test_a_folder_of_raw_tables_is_scored(churnkit, project, expected):
    code, out, err = churnkit("score", "raw", "--as-of", TODAY, folder=project)
    assert code == DONE, err
    assert scores(out) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("command", ["score", "plan"])
@pytest.mark.parametrize("output", ["raw/events.parquet", "raw/new/../events.parquet", "raw/s.csv"])
def test_raw_tables_are_not_overwritten(churnkit, project, command, output):
    before = {path.name: path.read_bytes() for path in (project / "raw").iterdir()}
    code, _, err = churnkit(command, "raw", "--as-of", TODAY, "-o", output, folder=project)
    assert code == REFUSED
    assert f"{output} is " in err
    assert "use another output" in err
    assert {path.name: path.read_bytes() for path in (project / "raw").iterdir()} == before


def test_named_tables_are_scored_however_they_are_written(
    churnkit, project, expected, tables, tmp_path
):
    named = []
    for name in ("events", "subscriptions", "tickets", "surveys"):
        # Semicolons and Latin-1, as a spreadsheet in Europe writes them.
        delimiter = ";" if name in {"tickets", "surveys"} else ","
        file = tmp_path / f"{name}.csv"
        options = pcsv.WriteOptions(delimiter=delimiter)
        pcsv.write_csv(tables[name], file, options)
        if delimiter == ";":
            file.write_bytes(file.read_text(encoding="utf-8").encode("latin-1"))
        named += ["--table", f"{name}={file}"]
    code, out, err = churnkit("score", *named, "--as-of", TODAY, folder=project)
    assert code == DONE, err
    assert scores(out) == pytest.approx(expected, abs=1e-12)


def test_a_database_file_has_the_raw_tables_of_a_folder(
    churnkit, project, tables, tmp_path, expected
):
    file = tmp_path / "crm.duckdb"
    with duckdb.connect(str(file)) as con:
        for name, table in tables.items():
            con.register("rows", table)
            con.table("rows").create(f"raw_{name}" if name == "events" else name)
        con.execute("CREATE VIEW events AS SELECT * FROM raw_events")
    code, out, err = churnkit("score", file, "--as-of", TODAY, folder=project)
    assert code == DONE, err
    assert scores(out) == pytest.approx(expected, abs=1e-12)


def test_a_missing_table_may_be_in_a_workbook_of_the_old_format(churnkit, project, tmp_path):
    folder = tmp_path / "raw"
    shutil.copytree(project / "raw", folder)
    (folder / "events.parquet").unlink()
    code, _, err = churnkit("score", folder, "--as-of", TODAY, folder=project)
    assert code != DONE
    assert "events" in err
    assert "legend.xls is a workbook in the old .xls format" in " ".join(err.split())


def test_a_plan_starts_from_raw_tables(churnkit, project, expected):
    code, out, err = churnkit(
        "plan", "raw", "--as-of", TODAY, "--budget", "500", "--json", folder=project
    )
    assert code == DONE, err
    report = json.loads(out)
    assert report["rows"] == len(expected)
    assert 0 < report["cost"] <= 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as-of", TODAY], "--as-of needs raw tables"),
        (["raw", "--as-of", TODAY, "--sql", "customers"], "cannot be combined"),
        (["--table", "events=raw/events.parquet"], "raw tables need a date"),
        ([], "name a file, or raw tables with --as-of"),
        (["raw/events.parquet", "--as-of", TODAY], "is not a folder"),
        (["training", "--as-of", TODAY], "has no .csv, .tsv, .parquet"),
        (["--table", "events", "--as-of", TODAY], "write it as NAME=FILE"),
        (["raw", "--as-of", "yesterday"], "must be a date as YYYY-MM-DD"),
        (["raw", "--as-of", "2001-01-01"], "is before all data"),
        (["--table", "evnts=raw/events.parquet", "--as-of", TODAY], "did you mean"),
    ],
)
def test_invalid_inputs_are_refused_with_advice(churnkit, project, arguments, message):
    code, out, err = churnkit("score", *arguments, folder=project)
    assert (code, out) == (REFUSED, "")
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    "command",
    [
        "score",
        "explain",
        "plan",
        "validate --model small",
        "validate --recipe small",
        "monitor",
        "evaluate",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "sqlite"])
def test_raw_tables_without_a_date_are_refused_with_the_option(
    churnkit, project, tables, tmp_path, command, kind
):
    events = tables["events"].slice(0, 50)
    file = tmp_path / "events.csv"
    pcsv.write_csv(events, file)
    if kind == "sqlite":
        file = tmp_path / "events.sqlite"
        with contextlib.closing(sqlite3.connect(file)) as con:
            events.to_pandas().to_sql("events", con, index=False)
    name, *options = command.split()
    code, _, err = churnkit(name, file, *options, folder=project)
    message = " ".join(err.split())
    assert code == REFUSED
    assert "the model reads rows that are built from raw tables (events, subscriptions," in message
    assert (
        "add --as-of YYYY-MM-DD to the folder of its tables, or to --table events=FILE" in message
    )


@pytest.mark.parametrize("command", ["score", "monitor"])
def test_a_query_of_raw_tables_is_not_told_to_take_a_date(
    churnkit, project, tables, tmp_path, command
):
    """--sql and --as-of cannot be combined."""
    file = tmp_path / "crm.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as con:
        for name in ("events", "tickets"):
            tables["events"].slice(0, 50).to_pandas().to_sql(name, con, index=False)
    query = ("--sql", "select * from events")
    code, _, err = churnkit(command, file, *query, "--model", "small", folder=project)
    message = " ".join(err.split())
    assert code == REFUSED
    assert (
        "--sql must return these rows; or save the raw tables as files, and name their" in message
    )


def test_two_files_of_one_name_are_refused(churnkit, project, tmp_path):
    for ending in ("csv", "parquet"):
        (tmp_path / f"events.{ending}").touch()
    code, _, err = churnkit("score", tmp_path, "--as-of", TODAY, folder=project)
    assert code == REFUSED
    assert "twice, as events.csv and events.parquet" in " ".join(err.split())


def test_a_model_of_a_ready_table_takes_no_raw_tables(churnkit, trained_shop, project):
    code, _, err = churnkit("score", project / "raw", "--as-of", TODAY, folder=trained_shop[0].root)
    assert code == REFUSED
    assert "was trained on a prepared table" in " ".join(err.split())


def test_explain_validate_monitor_and_evaluate_build_the_same_rows(
    churnkit, project, expected, tmp_path
):
    raw = ("raw", "--as-of", TODAY)
    named = [f"--table={name}=raw/{name}.parquet" for name in ("customers", "events", "subscriptions", "surveys", "tickets")]  # fmt: skip
    customer = max(expected, key=expected.get)
    code, out, err = churnkit(
        "explain", *raw, "--customer", customer, "--model", "small", "--json", folder=project
    )
    assert code == DONE, err
    (row,) = json.loads(out)
    assert row["churn_probability"] == pytest.approx(expected[customer], abs=1e-9)
    file = tmp_path / "reasons.csv"
    code, out, err = churnkit(
        "explain", *named, "--as-of", TODAY, "--model", "small", "-o", file, folder=project
    )
    assert (code, out) == (DONE, ""), err
    reasons = list(csv.DictReader(file.read_text().splitlines()))
    riskiest = sorted(expected, key=expected.get)[-10:]
    assert {reason["customer_id"] for reason in reasons} == set(riskiest)
    assert {reason["rank"] for reason in reasons} == {"1", "2", "3"}
    for arguments in (("--model", "small"), ("--recipe", "small")):
        code, _, err = churnkit("validate", *raw, *arguments, folder=project)
        assert code == DONE, err
        assert f"{len(expected):,} rows are valid" in err
    code, out, err = churnkit("monitor", *raw, "--model", "small", "--json", folder=project)
    assert code in {DONE, ALARM}, err
    assert json.loads(out)["rows"] == len(expected)
    # The outcome of the last quarter is known.
    code, out, err = churnkit(
        "evaluate", "raw", "--as-of", "2025-08-01", "--model", "small", "--json", folder=project
    )
    assert code == DONE, err
    assert json.loads(out)["churners"] > 10
    code, _, err = churnkit("evaluate", *raw, "--model", "small", folder=project)
    assert code == REFUSED
    assert "the label of the snapshot of 2026-01-01 is known on" in " ".join(err.split())


def test_a_file_is_the_table_of_a_timeline_that_reads_one(tmp_path):
    file = tmp_path / "export of July.csv"
    file.write_text("customer_id,at\nc1,2025-07-01\n", encoding="utf-8")
    openpyxl = pytest.importorskip("openpyxl", reason="the extra 'excel' is not installed")
    workbook = openpyxl.Workbook()
    for row in (["customer_id", "at"], ["c1", "2025-07-01"]):
        workbook.worksheets[0].append(row)
    workbook.create_sheet("Notes")
    workbook.save(tmp_path / "crm.xlsx")
    named = [str(tmp_path / "export of *.csv"), f"{tmp_path}/crm.xlsx#Sheet"]
    logs = [
        Table(name, "customer_id", happened="at", source=name.title())
        for name in ("orders", "visits")
    ]
    source = CustomerInput(str(file), None, None, "2025-07-02")
    opened = source.open()
    table = tmp_path / "customers.csv"
    table.write_text("customer_id,orders_30d\nc1,4\n", encoding="utf-8")
    rows = CustomerInput(str(table), None, None, "2025-07-02")

    def missing(_, columns):
        return {"orders_30d"} - set(columns)

    for tables in (logs[:1], logs):
        timeline = Timeline(
            tables=tables,
            features={f"{log.name}_30d": Count(log.name, window_days=30) for log in tables},
            snapshots=Snapshots(dates=("2025-06-01",)),
            eligible=ActiveWithin("orders", days=30),
            label=InactivityChurn("orders", horizon_days=30),
        )
        model: Any = SimpleNamespace(
            contents=SimpleNamespace(timeline=timeline),
            contract=SimpleNamespace(missing_columns=missing),
        )
        assert source.has_raw_tables(model) == (len(tables) == 1)
        for name in named:
            named_source = CustomerInput(name, None, None, "2025-07-02")
            assert named_source.has_raw_tables(model) == (len(tables) == 1)
        assert not rows.has_raw_tables(model)
        # A log that states its own times is not taken from a stray file with a year in its name.
        stray = {"Orders_2019": file, "Visits": file}
        assert rows.name_table(stray, timeline) == stray
        if len(tables) == 1:
            assert source.name_table(opened, timeline) == {"Orders": file}
        else:
            with pytest.raises(ChurnkitError, match="is not a folder"):
                source.name_table(opened, timeline)

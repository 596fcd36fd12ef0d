"""``churnkit init`` on raw tables: a folder, several files, or one log; then train and score."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess

import numpy as np
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import ALARM, DONE, REFUSED
from churnkit.datasets import simulate

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The simulator's tables as a company's folder: some CSV, some Parquet."""
    folder = tmp_path_factory.mktemp("raw")
    for name, table in simulate(customers=700, seed=5).tables.items():
        if name in {"customers", "subscriptions", "treatments"}:
            pcsv.write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(table, folder / f"{name}.parquet")
    return folder


@pytest.fixture
def ready(migrated_store, tmp_path):
    """Spare a drafted project the seconds that a new store takes."""

    def ready():
        store = tmp_path / "project" / ".churnkit"
        store.mkdir()
        shutil.copyfile(migrated_store, store / "mlflow.db")
        return tmp_path / "project"

    return ready


def orders(folder, count=400):
    """A log of a shop in Latin-1 with semicolons; who has bought little lately stops."""
    rng = np.random.default_rng(3)
    lines = ["customer_id;ordered_at;amount;shop"]
    for index in range(count):
        day, gap = int(rng.integers(0, 60)), float(rng.choice([8.0, 20.0, 45.0]))
        while day < 540:
            at = np.datetime64("2024-01-01") + np.timedelta64(int(day), "D")
            shop = ("Zürich", "Genève")[int(rng.integers(2))]
            lines.append(f"K{index:04d};{at} 10:00:00;{int(rng.integers(4, 400)) / 4};{shop}")
            day += 1 + int(rng.exponential(gap))
            if rng.random() < 0.04:
                break
    path = folder / "orders.csv"
    path.write_bytes("\r\n".join(lines).encode("latin-1"))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("fast_profile")
def test_a_folder_of_raw_tables_is_trained_and_scored_without_edits(churnkit, tmp_path, raw, ready):
    code, out, err = churnkit("init", "project", "--from", raw, "--json", folder=tmp_path)
    assert code == DONE, err
    roles = {column["column"]: column["role"] for column in json.loads(out)["columns"]}
    assert roles["subscriptions_mrr"] == "feature"
    assert "churn: ContractualChurn of 'subscriptions'" in err
    recipe = (tmp_path / "project/training/project.py").read_text()
    # What is only known once a contract has ended or an action has worked is no feature.
    assert 'known_at_end=("end_reason",)' in recipe
    assert not [name for name in roles if "end_reason" in name or "churned_true" in name]
    project = ready()
    recipe = project / "training" / "project.py"
    assert "raw_table(HERE / path)" in recipe.read_text()
    code, _, err = churnkit("train", folder=project)
    # So few customers need not show that the model is better than a rule.
    assert "is registered as challenger" in err or code == DONE, err
    code, out, err = churnkit(
        "score", raw, "--as-of", "2026-01-01", "--model", "models:/project/1", folder=project
    )
    assert code == DONE, err
    assert len(out.splitlines()) > 100


def test_features_do_not_overwrite_the_log_that_they_are_built_from(churnkit, tmp_path):
    log = orders(tmp_path)
    before = log.read_bytes()
    assert churnkit("init", "project", "--from", log, folder=tmp_path)[0] == DONE
    for output in ("../orders.csv", "new/../../orders.csv"):
        code, _, err = churnkit("features", "-o", output, folder=tmp_path / "project")
        assert (code, log.read_bytes()) == (REFUSED, before)
        assert "is a raw table and would be overwritten: use another output" in err


@pytest.mark.slow
@pytest.mark.usefixtures("fast_profile")
def test_an_event_log_becomes_an_inactivity_model(churnkit, tmp_path, ready):
    log = orders(tmp_path)
    code, out, err = churnkit("init", "project", "--from", log, "--json", folder=tmp_path)
    assert code == DONE, err
    assert "churn: InactivityChurn of 'orders'" in err
    names = [column["column"] for column in json.loads(out)["columns"]]
    assert {"orders_90d", "days_since_orders", "orders_amount_90d"} <= set(names)
    project = ready()
    code, out, err = churnkit("train", "--json", folder=project)
    assert json.loads(out)["evaluation"]["metrics"]["auc"]["value"] > 0.6, err
    assert churnkit("features", "--sql", folder=project)[0] == DONE
    # The file of the only table stands for a folder, in each command.
    at, model = ("--as-of", "2025-06-01"), ("--model", "models:/project/1")
    code, out, err = churnkit("score", log, *at, *model, folder=project)
    assert code == DONE, err
    scored = list(csv.DictReader(out.splitlines()))
    for command in ("validate", "monitor", "explain"):
        more = ("--customer", scored[0]["customer_id"]) if command == "explain" else ()
        code, _, err = churnkit(command, log, *at, *more, *model, "--json", folder=project)
        assert code == DONE or (command, code) == ("monitor", ALARM), err
    code, out, err = churnkit("validate", log, *at, "--json", folder=project)
    assert code == DONE, err
    assert json.loads(out)["rows"] == len(scored)
    code, _, err = churnkit("evaluate", log, "--as-of", "2025-01-01", *model, folder=project)
    assert code == DONE, err


def test_generated_files_are_formatted_as_ruff_does(churnkit, tmp_path, raw):
    ruff = shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    churnkit("init", "project", "--from", raw, folder=tmp_path)
    checked = subprocess.run(
        [ruff, "format", "--diff", "--isolated", "--line-length", "100", tmp_path / "project"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "x;y\n1;2\n", "b": "z\n1\n"}, "name it with --entity COLUMN"),
        ({"a": "customer_id,at\n1,noon\n", "b": "customer_id\n1\n"}, "no table has both"),
        (
            {"a": "customer_id,at\n1,2024-01-01\n1,2024-01-09\n", "b": "customer_id\n1\n"},
            "the tables cover 8 days, too few for training",
        ),
    ],
)
def test_raw_tables_without_a_timeline_are_drafted_with_a_question(
    churnkit, tmp_path, files, message
):
    write_tables(tmp_path, files)
    code, out, err = churnkit("init", "project", "--from", "raw", "--json", folder=tmp_path)
    assert code == DONE, err
    assert len(json.loads(out)["questions"]) == 1
    assert message in " ".join(err.split())
    assert "change line " in err
    code, _, err = churnkit("train", folder=tmp_path / "project")
    assert code == REFUSED
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (
            {"a": "customer_id,at\n1,2024-01-01\n1,2024-03-01\n", "b": "q\n1\n"},
            ("--label", "q"),
            "--label applies to a table",
        ),
        ({"a": "customer_id\n1\n", "b": "q\n1\n"}, ("--entity", "who"), "no column 'who'"),
    ],
)
def test_options_that_fit_no_table_are_refused(churnkit, tmp_path, files, options, message):
    write_tables(tmp_path, files)
    code, out, err = churnkit("init", "project", "--from", "raw", *options, folder=tmp_path)
    assert (code, out) == (REFUSED, "")
    assert message in " ".join(err.split())
    assert not (tmp_path / "project").exists()


def write_tables(folder, files):
    (folder / "raw").mkdir()
    for name, text in files.items():
        (folder / "raw" / f"{name}.csv").write_text(text)

"""``churnkit demo``: the whole loop, from nothing, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import run

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
pytest.importorskip("bentoml", reason="the extra 'serve' is not installed")

pytestmark = [pytest.mark.server, pytest.mark.slow]

MARK = f"demo-{os.getpid()}"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(home):
    """Run the demo in one folder, as often as asked."""

    def demo(*arguments):
        return subprocess.run(
            [sys.executable, "-c", "from churnkit.cli import main; main()", "demo", *arguments],
            cwd=home,
            env={
                **os.environ,
                "BENTOML_HOME": str(home / "bentoml"),
                "BENTOML_DO_NOT_TRACK": "True",
                "CHURNKIT_TEST_MARK": MARK,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    return demo


@pytest.fixture(scope="module")
def first(demo):
    return demo()


def survivors():
    """Processes that inherited the run's environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CHURNKIT_TEST_MARK") == MARK:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def test_it_succeeds_and_says_whom_to_save_and_what_to_type(first):
    assert first.returncode == 0, first.stderr
    for title in (
        "Model performance on held-out customers",
        "Plan for",
        "Customers with the largest expected gain",
    ):
        assert title in first.stdout
    for step in (
        "simulating",
        "training",
        "packing",
        "starting",
        "customers from http://127.0.0.1:",
    ):
        assert step in first.stderr
    assert "next: churnkit serve" in first.stderr
    assert "Traceback" not in first.stderr


def test_its_files_are_there_and_complete(first, home):
    project = home / "churnkit-demo"
    customers = pq.read_metadata(project / "customers.parquet").num_rows
    scores = pq.read_table(project / "scores.parquet")
    assert customers == scores.num_rows > 10_000
    assert scores["churn_probability"].null_count == 0
    assert (project / "plan.csv").is_file()
    for name in ("schemas/demo.py", "training/demo.py", "serving/service.py"):
        assert (project / name).is_file()
    strays = [*project.glob(".scores*"), *project.glob(".plan*")]
    assert strays == []


def test_no_process_is_left_behind(first):
    assert survivors() == []


def test_a_report_follows_with_no_further_input(first, home, monkeypatch, capsys):
    monkeypatch.chdir(home / "churnkit-demo")
    code, err = run(["report"]), capsys.readouterr().err
    assert code == 0, err
    assert "without data" not in err
    page = (home / "churnkit-demo" / "report.html").read_text()
    assert len(page) < 3_000_000
    assert "Acquired via marketplace, Starter plan" in page


def test_the_report_and_the_plan_state_the_same_figures(first, home, monkeypatch, capsys):
    monkeypatch.chdir(home / "churnkit-demo")

    def printed(*arguments):
        capsys.readouterr()
        code, (out, err) = run([*arguments, "--json"]), capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    planned = printed("plan", "customers.parquet", "--budget", "20000")
    assert planned["horizons"] == {
        "churn_probability_days": 90,
        "at_risk": "12 months",
        "expected_gain": "12 months",
    }
    (figures,) = (
        block["figures"]
        for section in printed("report", "--budget", "20000")["sections"]
        if section["name"] == "headline"
        for block in section["blocks"]
        if block["kind"] == "figures"
    )
    reported = {figure["name"]: figure["value"] for figure in figures}
    for name in ("at_risk", "expected_gain"):
        assert reported[name] == pytest.approx(planned[name]), name
    titles = [figure["title"] for figure in figures[:2]]
    assert titles == ["At-risk margin over 12 months", "Expected gain of the plan over 12 months"]


def test_a_second_run_uses_the_folder_again(first, demo):
    again = demo("--json")
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["training"]["unchanged"] is True
    assert len(told["answers"]) == 10
    assert 0 < len(told["to_save"]) <= 10
    assert told["plan"]["cost"] <= told["budget"]
    assert survivors() == []


def test_a_folder_of_somebody_else_is_left_alone(demo, home):
    (home / "mine").mkdir()
    (home / "mine" / "file").write_text("mine")
    refused = demo("--folder", "mine")
    assert refused.returncode == 1
    assert "is not empty and not a demo project" in refused.stderr
    assert [path.name for path in Path(home / "mine").iterdir()] == ["file"]

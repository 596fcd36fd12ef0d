"""The wheel in an empty environment: demo, init, train, score and serve, away from the checkout.

The programs are those of this environment where none can be made.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import run as run_here

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
pytest.importorskip("bentoml", reason="the extra 'serve' is not installed")

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.server, pytest.mark.slow]

MARK = f"demo-{os.getpid()}"


def run(command, **options):
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        **options,
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The programs of a virtual environment that has the wheel and its extras, and no pip."""
    programs, problem = install_wheel(tmp_path_factory.mktemp("installed"))
    assert programs or not os.environ.get("CHURNKIT_TEST_ALL"), problem
    return programs or Path(sys.executable).parent


def install_wheel(folder):
    """Return the programs of a new environment with the wheel, or None and the reason."""
    if not (ROOT / ".git").exists() or shutil.which("uv") is None:
        return None, "the wheel is built from a clone and installed by uv"
    built = run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT],
        cwd=folder,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    assert run(["uv", "venv", "-p", sys.executable, folder / "venv"]).returncode == 0
    python = folder / "venv" / "bin" / "python"
    installed = run(["uv", "pip", "install", "--python", python, f"{wheel}[train,serve]"])
    if installed.returncode != 0:
        return None, f"the dependencies cannot be installed: {installed.stderr[-500:]}"
    return python.parent, ""


@dataclass
class Bare:
    """Runs programs of the environment, without anything of this process's own."""

    programs: Path
    home: Path
    variables: dict[str, str]

    def __call__(self, program, *arguments, cwd=None):
        return run([self.programs / program, *arguments], cwd=cwd or self.home, env=self.variables)


@pytest.fixture(scope="module")
def bare(environment, tmp_path_factory):
    """The environment's programs, with a home folder of their own."""
    home = tmp_path_factory.mktemp("home")
    variables = {
        "PATH": f"{environment}:/usr/bin:/bin",
        "HOME": str(home),
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "CHURNKIT_TEST_MARK": MARK,
    }

    return Bare(environment, home, variables)


def test_it_imports_from_the_environment_and_not_from_the_checkout(bare, environment):
    if environment == Path(sys.executable).parent:
        pytest.skip("no environment can be made for the wheel")
    done = bare("python", "-c", "import churnkit; print(churnkit.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(environment.parent)


@pytest.fixture(scope="module")
def demo(bare):
    """The first run of ``churnkit demo``."""
    return bare("churnkit", "demo")


@pytest.fixture(scope="module")
def demo_project(demo, bare):
    return bare.home / "churnkit-demo"


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


def test_it_succeeds_and_says_whom_to_save_and_what_to_type(demo):
    assert demo.returncode == 0, demo.stderr
    for title in (
        "Model performance on held-out customers",
        "Plan for",
        "Customers with the largest expected gain",
    ):
        assert title in demo.stdout
    for step in (
        "simulating",
        "training",
        "packing",
        "starting",
        "customers from http://127.0.0.1:",
    ):
        assert step in demo.stderr
    assert "next: churnkit serve" in demo.stderr
    assert "Traceback" not in demo.stderr


def test_its_files_are_there_and_complete(demo_project):
    customers = pq.read_metadata(demo_project / "customers.parquet").num_rows
    scores = pq.read_table(demo_project / "scores.parquet")
    assert customers == scores.num_rows > 10_000
    assert scores["churn_probability"].null_count == 0
    assert (demo_project / "plan.csv").is_file()
    for name in ("schemas/demo.py", "training/demo.py", "serving/service.py"):
        assert (demo_project / name).is_file()
    strays = [*demo_project.glob(".scores*"), *demo_project.glob(".plan*")]
    assert strays == []


def test_no_process_is_left_behind(demo):
    assert survivors() == []


def test_a_report_follows_with_no_further_input(demo_project, monkeypatch, capsys):
    monkeypatch.chdir(demo_project)
    code, err = run_here(["report"]), capsys.readouterr().err
    assert code == 0, err
    assert "without data" not in err
    page = (demo_project / "report.html").read_text()
    assert len(page) < 3_000_000
    assert "Acquired via marketplace, Starter plan" in page


def test_the_report_and_the_plan_state_the_same_figures(demo_project, monkeypatch, capsys):
    monkeypatch.chdir(demo_project)

    def printed(*arguments):
        capsys.readouterr()
        code, (out, err) = run_here([*arguments, "--json"]), capsys.readouterr()
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


def test_a_second_run_uses_the_folder_again(demo, bare):
    again = bare("churnkit", "demo", "--json")
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["training"]["unchanged"] is True
    assert len(told["answers"]) == 10
    assert 0 < len(told["to_save"]) <= 10
    assert told["plan"]["cost"] <= told["budget"]
    assert survivors() == []


def test_a_folder_of_somebody_else_is_left_alone(bare):
    home = bare.home
    (home / "mine").mkdir()
    (home / "mine" / "file").write_text("mine")
    refused = bare("churnkit", "demo", "--folder", "mine")
    assert refused.returncode == 1
    assert "is not empty and not a demo project" in refused.stderr
    assert [path.name for path in (home / "mine").iterdir()] == ["file"]


@pytest.fixture(scope="module")
def project(bare):
    """A project drafted from a file, with a trained model."""
    rng = np.random.default_rng(0)
    months, spend, pro = (
        rng.integers(0, 60, 2_500),
        rng.integers(5, 90, 2_500),
        rng.random(2_500) < 0.4,
    )
    risk = 1 / (1 + np.exp(0.06 * months + 0.05 * spend + 1.5 * pro - 3.5))
    churned = (rng.random(2_500) < risk).astype(int)
    rows = ["customer_id,plan,months,spend,churned"]
    rows += [
        f"c{number},{'pro' if plan else 'basic'},{tenure},{amount},{left}"
        for number, (plan, tenure, amount, left) in enumerate(
            zip(pro.tolist(), months.tolist(), spend.tolist(), churned.tolist(), strict=True)
        )
    ]
    (bare.home / "customers.csv").write_text("\n".join(rows))
    drafted = bare("churnkit", "init", "shop", "--from", "customers.csv")
    assert drafted.returncode == 0, drafted.stderr
    trained = bare("churnkit", "train", cwd=bare.home / "shop")
    assert trained.returncode == 0, trained.stderr
    return bare.home / "shop"


def test_a_drafted_project_trains_and_scores_its_file(bare, project):
    scored = bare("churnkit", "score", "../customers.csv", "-o", "scores.csv", cwd=project)
    assert scored.returncode == 0, scored.stderr
    lines = (project / "scores.csv").read_text().splitlines()
    assert len(lines) == 2_501
    assert lines[0].startswith('"customer_id","churn_probability"')


def test_it_serves(bare, project, environment):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (project / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [environment / "churnkit", "serve", "--port", str(port)],
            cwd=project,
            env=bare.variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        body = {"customers": [{"customer_id": "c1", "plan": "pro", "months": 3, "spend": 9}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/predict",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        for _ in range(240):
            assert server.poll() is None, (project / "serve.log").read_text()
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    answer = json.load(response)
                break
            except OSError:
                time.sleep(0.5)
        assert 0 < answer["predictions"][0]["churn_probability"] < 1
    finally:
        server.terminate()
        server.wait(60)

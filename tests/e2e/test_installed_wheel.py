"""The wheel in an empty environment: demo, init, train, score and serve, away from the checkout."""

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
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the wheel is built from a clone"),
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed"),
]


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
    pytest.importorskip("hatchling", reason="the extra 'test' is not installed")
    folder = tmp_path_factory.mktemp("installed")
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
        message = f"the wheel's dependencies cannot be installed: {installed.stderr[-500:]}"
        assert not os.environ.get("CHURNKIT_TEST_ALL"), message
        pytest.skip(message)
    return python.parent


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
    }

    return Bare(environment, home, variables)


def test_it_imports_from_the_environment_and_not_from_the_checkout(bare, environment):
    done = bare("python", "-c", "import churnkit; print(churnkit.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(environment.parent)


def test_the_demo_runs(bare):
    done = bare("churnkit", "demo", "--no-keep")
    assert done.returncode == 0, done.stderr
    assert "Customers with the largest expected gain" in done.stdout


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

"""One model, every door, the same probability: Python, files, HTTP, MLflow."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
pytest.importorskip("bentoml", reason="the extra 'serve' is not installed")

ROOT = Path(__file__).parents[2]
ASKED = 500
TOLERANCE = 1e-12

pytestmark = [pytest.mark.data, pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def project(data_dir, migrated_store, tmp_path_factory):
    """A project with the telco recipe and its champion."""
    from churnkit.core.project import Project
    from churnkit.pipeline import load_recipe, train

    root = tmp_path_factory.mktemp("telco")
    for name in ("schemas/telco.py", "training/telco.py"):
        (root / name).parent.mkdir()
        shutil.copyfile(ROOT / name, root / name)
    (root / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, root / ".churnkit" / "mlflow.db")
    result = train(load_recipe(root / "training" / "telco.py"))
    assert result.promoted
    return Project(root)


@pytest.fixture(scope="module")
def model(project):
    from churnkit.bundle import load

    return load("models:/telco@champion", project=project)


@pytest.fixture(scope="module")
def rows(data_dir, model):
    """Customers with what the model asks for, numbers as numbers."""
    from churnkit.datasets import load

    table = load("telco")
    wanted = [column.name for column in model.contract.required("predict")]
    chosen = np.random.default_rng(0).choice(table.num_rows, ASKED, replace=False)
    rows = table.select(wanted).take(pa.array(chosen)).to_pylist()
    for row in rows:
        # The publisher writes these numbers as text, blank for a customer's first month.
        row["TotalCharges"] = float(row["TotalCharges"].strip() or "nan")
        if math.isnan(row["TotalCharges"]):
            row["TotalCharges"] = None
    return rows


@pytest.fixture(scope="module")
def expected(model, rows):
    probability = np.array([model.predict_row(row) for row in rows], dtype=float)
    assert np.isfinite(probability).all()
    assert len(np.unique(probability)) > ASKED / 2
    return probability


def agree(answer, expected):
    np.testing.assert_allclose(np.asarray(answer, dtype=float), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", [list, pd.DataFrame, pl.DataFrame, pa.Table.from_pylist])
def test_python_agrees(model, rows, expected, kind):
    answer = model.predict(kind(rows))
    agree(
        [row["churn_probability"] for row in answer]
        if kind is list
        else answer["churn_probability"],
        expected,
    )


@pytest.mark.parametrize("given", ["csv", "parquet"])
@pytest.mark.parametrize("wanted", ["csv", "parquet"])
def test_batches_agree(model, rows, expected, tmp_path, given, wanted):
    from churnkit.batch import score

    table = pa.Table.from_pylist(rows)
    source, output = tmp_path / f"customers.{given}", tmp_path / f"scores.{wanted}"
    if given == "csv":
        pcsv.write_csv(table, source)
    else:
        pq.write_table(table, source)
    assert score(source, output, model).invalid == 0
    scores = pcsv.read_csv(output) if wanted == "csv" else pq.read_table(output)
    agree(scores["churn_probability"], expected)


def test_http_agrees(model, rows, expected, tmp_path):
    # BentoML reads where its store is once, so it has a process of its own here.
    script = (
        "import sys\n"
        "from churnkit.bundle import RetentionModel\n"
        "from churnkit.server import pack, serve\n"
        "model = RetentionModel.load(sys.argv[1])\n"
        "with serve(pack(model, name='telco', serving=sys.argv[2])) as service:\n"
        "    print(service.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    model.save(tmp_path / "bundle")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "bundle"), str(ROOT / "serving")],
        env={
            **os.environ,
            "BENTOML_HOME": str(tmp_path / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            request = urllib.request.Request(
                f"{url}/v1/predict",
                data=json.dumps({"customers": rows}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        finally:
            process.stdin.close()
            process.wait(60)
    names = [row[model.contract.entity.name] for row in rows]
    assert [row[model.contract.entity.name] for row in answer["predictions"]] == names
    agree([row["churn_probability"] for row in answer["predictions"]], expected)


def test_mlflow_agrees(project, rows, expected):
    script = (
        "import json, sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/telco@champion')\n"
        "answer = model.predict(pd.DataFrame(json.load(sys.stdin)))\n"
        "json.dump(answer['churn_probability'].tolist(), sys.stdout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(rows),
        env={**os.environ, "MLFLOW_TRACKING_URI": project.tracking_uri},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    agree(json.loads(done.stdout), expected)

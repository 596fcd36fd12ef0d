"""MLflow's autologging changes no model, and logs a pipeline of ours as one of scikit-learn's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import json, warnings
warnings.simplefilter("ignore")
import mlflow, numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from churnkit.models import ChurnClassifier, LightGBMTrees, UpliftModel

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3))
y = (X[:, 0] + rng.normal(size=400) > 1).astype(int)
arm = rng.integers(0, 2, 400)

def fit():
    one = ChurnClassifier("fast", seed=0).fit(X, y).predict_proba(X)
    pipeline = make_pipeline(StandardScaler(), LightGBMTrees(rounds=5)).fit(X, y).predict_proba(X)
    effects = UpliftModel("dr", pairs=1, folds=2).fit(X, y, treatment=arm).predict(X)
    return [part.tolist() for part in (one, pipeline, effects)]

off = fit()
mlflow.autolog(log_models=False, silent=True)
on = fit()
with mlflow.start_run(run_name="own"):
    within = fit()
runs = mlflow.MlflowClient().search_runs(["0"])
print(json.dumps({
    "same": on == off and within == off,
    "runs": sorted([run.info.run_name == "own", len(run.data.params) > 0] for run in runs),
    "failed": [run.info.status for run in runs if run.info.status != "FINISHED"],
}))
"""


@pytest.mark.slow
def test_autologging_changes_no_model_and_leaves_no_failed_run(migrated_store, tmp_path):
    shutil.copyfile(migrated_store, tmp_path / "mlflow.db")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["same"]
    assert told["failed"] == []
    # The pipeline is logged; the models inside the estimators leave no runs.
    assert told["runs"] == [[False, True], [True, True]]

"""A table without customer ids through every command, with the catalogue of the draft."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from churnkit.cli.main import DONE, REFUSED
from churnkit.pipeline import load_recipe, train

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")


def uncomment(recipe):
    """Activate the commented lines of a drafted recipe, and a fast model."""
    lines = recipe.read_text(encoding="utf-8").split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("# from churnkit.decisions"))
    end = next(i for i, line in enumerate(lines) if line.startswith("recipe = "))
    lines[start:end] = [re.sub("^# ?", "", line) for line in lines[start:end]]
    text = "\n".join(lines).replace(
        "    # actions=actions,", "    actions=actions,\n    model=MODEL,"
    )
    text = text.replace("recipe = ", 'MODEL = ChurnClassifier("fast")\nrecipe = ')
    text = text.replace("from churnkit.pipeline", "from churnkit.models import ChurnClassifier\nfrom churnkit.pipeline")  # fmt: skip
    recipe.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory, migrated_store):
    """A trained project of a table without ids, and the table."""
    from churnkit.pipeline.scaffold import create_project

    folder = tmp_path_factory.mktemp("numbered")
    random = np.random.default_rng(4)
    tenure, visits = random.integers(1, 60, 500), random.poisson(6.0, 500)
    left = random.random(500) < 1.0 / (1.0 + np.exp(visits - 6.0 + 0.05 * (tenure - 30)))
    columns = {"tenure": tenure, "visits": visits, "monthly_fee": random.gamma(6.0, 9.0, 500).round(2), "left": left}  # fmt: skip
    pd.DataFrame(columns).to_csv(folder / "people.csv", index=False)
    root = folder / "project"
    drafted = create_project(root, [folder / "people.csv"])
    recipe = root / "training" / f"{drafted.recipe}.py"
    uncomment(recipe)
    (root / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, root / ".churnkit" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert train(load_recipe(recipe)).promoted
    return root, folder / "people.csv", left


def test_the_catalogue_of_the_draft_is_a_plan(churnkit, project):
    root, table, _ = project
    code, _, err = churnkit(
        "plan", table, "-o", "plan.csv", "--budget", "200", "--json", folder=root
    )
    assert code == DONE, err
    plan = pd.read_csv(root / "plan.csv")
    assert plan["row"].tolist() == list(range(500))
    assert set(plan["action"].dropna()) <= {"call", "voucher"}
    assert 0 < plan["cost"].sum() <= 200


def test_rows_are_scored_and_explained_by_their_numbers(churnkit, project, monkeypatch):
    from churnkit.core.io import table_file

    root, table, left = project
    assert churnkit("score", table, "-o", "s.csv", folder=root)[0] == DONE
    scores = pd.read_csv(root / "s.csv")
    probability = scores["churn_probability"].to_numpy()
    assert scores["row"].tolist() == list(range(500))
    assert probability[left].mean() > probability[~left].mean() + 0.1
    # Numbers go on from batch to batch.
    monkeypatch.setattr(table_file, "BATCH_ROWS", 64)
    monkeypatch.setattr(table_file, "_CSV_BLOCK_BYTES", 1_000)
    code, out, err = churnkit(
        "explain", table, "--customer", "321", "--customer", "7", "--json", folder=root
    )
    assert code == DONE, err
    rows = json.loads(out)
    assert [row["row"] for row in rows] == ["7", "321"]
    np.testing.assert_allclose(
        [row["churn_probability"] for row in rows], probability[[7, 321]], rtol=1e-12
    )
    rows = json.loads(churnkit("explain", table, "--json", folder=root)[1])
    highest = np.argsort(-probability, kind="stable")[:10]
    assert [int(row["row"]) for row in rows] == highest.tolist()
    assert churnkit("explain", table, "--customer", "500", folder=root)[0] == REFUSED


def test_rows_are_evaluated_without_a_claim_about_training(churnkit, project, monkeypatch):
    from sklearn.metrics import roc_auc_score

    from churnkit.core.io import table_file

    root, table, left = project
    monkeypatch.setattr(table_file, "BATCH_ROWS", 64)
    monkeypatch.setattr(table_file, "_CSV_BLOCK_BYTES", 1_000)
    code, out, err = churnkit("evaluate", table, "--json", folder=root)
    assert code == DONE, err
    report = json.loads(out)
    assert report["possible_training_customers"] == 0
    assert "rows have numbers instead of ids" in " ".join(err.split())
    assert churnkit("score", table, "-o", "e.csv", folder=root)[0] == DONE
    probability = pd.read_csv(root / "e.csv")["churn_probability"]
    assert report["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(left, probability))


def test_other_commands_read_the_rows_or_refuse_them(churnkit, project):
    root, table, _ = project
    for command in (
        ("validate", table),
        ("validate", table, "--update"),
        ("monitor", table, "--labeled", table),
        ("report", table),
    ):
        code, _, err = churnkit(*command, folder=root)
        assert code == DONE, (command, err)
    code, _, err = churnkit("rank", table, "-o", "rank.csv", folder=root)
    assert code == REFUSED
    assert "ranks nothing" in " ".join(err.split())
    code, _, err = churnkit("plan", table, "-o", "p.csv", "--period", "2026-11", folder=root)
    assert code == REFUSED
    assert "row numbers" in " ".join(err.split())

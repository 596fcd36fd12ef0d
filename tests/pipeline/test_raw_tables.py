"""A recipe that starts from raw tables: its plan travels with the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from churnkit.bundle import Project, RetentionModel, load
from churnkit.cli.main import run
from churnkit.datasets import simulate
from churnkit.errors import RecipeError
from churnkit.models import ChurnClassifier
from churnkit.pipeline import load_recipe, train
from churnkit.pipeline.data import read_training_table

RECIPE = Path(__file__).parent.parent.parent / "training" / "subscriptions.py"
TODAY = "2026-01-01"


@pytest.fixture(scope="module")
def tables():
    return dict(simulate(customers=2_500, seed=5).tables)


@pytest.fixture(scope="module")
def recipe(tables):
    return replace(load_recipe(RECIPE), data=lambda: tables, model=ChurnClassifier("fast"))


@pytest.fixture(scope="module")
def model(recipe, migrated_store, tmp_path_factory) -> RetentionModel:
    project = Project(tmp_path_factory.mktemp("project"))
    trained = train(recipe, project=project)
    return load(f"models:/{trained.name}/{trained.version}", project=project)


def test_rows_whose_outcome_nobody_can_tell_are_left_out(recipe):
    table = read_training_table(recipe, Path())
    assert table["churned"].null_count == 0
    assert len(set(table["as_of"].to_pylist())) == 4


def test_the_bundle_keeps_the_plan_and_makes_todays_rows_by_it(model, tables, recipe):
    assert model.parts.timeline == recipe.timeline
    today = model.snapshot(tables, as_of=TODAY)
    assert "churned" not in today.column_names
    answers = model.predict(today)
    assert answers["problem"].null_count == today.num_rows
    assert np.isfinite(np.asarray(answers["churn_probability"])).all()


def test_a_training_row_is_made_again_to_the_last_bit(model, tables, recipe):
    """What is served is computed by the plan that was trained on: there is no skew."""
    trained = read_training_table(recipe, Path())
    date = trained["as_of"][0].as_py()
    then = trained.filter([at == date for at in trained["as_of"].to_pylist()])
    served = model.snapshot(tables, as_of=date).sort_by("customer_id")
    known = dict(zip(served["customer_id"].to_pylist(), range(served.num_rows), strict=True))
    same = served.take([known[one] for one in then["customer_id"].to_pylist()])
    assert same.equals(then.drop_columns(["churned"]))


def test_a_model_of_a_ready_table_has_no_plan(shop_model, tables):
    with pytest.raises(RecipeError, match="ready table"):
        shop_model.snapshot(tables, as_of=TODAY)


def test_the_query_is_printed_for_a_warehouse(capsys):
    assert run(["features", str(RECIPE), "--sql", "--dialect", "snowflake"]) == 0
    assert capsys.readouterr().out.lstrip().upper().startswith("WITH")


@pytest.mark.parametrize(
    "arguments", [[], ["--sql", "--dialect", "cobol"], ["-o", "snapshots.csv"]]
)
def test_what_cannot_be_done_is_refused(arguments, capsys):
    assert run(["features", str(RECIPE), *arguments]) == 1
    assert "churnkit:" in capsys.readouterr().err

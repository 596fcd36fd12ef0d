"""A recipe with a timeline over raw tables, which the bundle contains."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from churnkit.bundle import RetentionModel, load
from churnkit.cli.main import run
from churnkit.core.project import Project
from churnkit.datasets import simulate
from churnkit.errors import RecipeError
from churnkit.models import ChurnClassifier
from churnkit.pipeline import Split, load_recipe, train
from churnkit.pipeline.training.data.dataset import prepare, read_training_table

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


def test_rows_with_unknown_outcomes_are_left_out(recipe):
    table = read_training_table(recipe, Path())
    assert table["churned"].null_count == 0
    assert len(set(table["as_of"].to_pylist())) == 4


def test_the_bundle_keeps_the_plan_and_makes_todays_rows_by_it(model, tables, recipe):
    assert model.contents.timeline == recipe.timeline
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
    row_of = dict(zip(served["customer_id"].to_pylist(), range(served.num_rows), strict=True))
    same = served.take([row_of[one] for one in then["customer_id"].to_pylist()])
    assert same.equals(then.drop_columns(["churned"]))


def test_a_model_of_a_prepared_table_has_no_timeline(shop_model, tables):
    with pytest.raises(RecipeError, match="prepared table"):
        shop_model.snapshot(tables, as_of=TODAY)


def test_the_query_is_printed_for_a_warehouse(capsys):
    assert run(["features", str(RECIPE), "--sql", "--dialect", "snowflake"]) == 0
    assert capsys.readouterr().out.lstrip().upper().startswith("WITH")


@pytest.mark.parametrize(
    "arguments", [[], ["--sql", "--dialect", "cobol"], ["-o", "snapshots.docx"]]
)
def test_invalid_arguments_are_refused(arguments, capsys):
    assert run(["features", str(RECIPE), *arguments]) == 1
    assert "churnkit:" in capsys.readouterr().err


@pytest.fixture(scope="module")
def data(recipe):
    return prepare(recipe, read_training_table(recipe, Path()))


class TestSplit:
    """Training on raw tables goes forward in time, and keeps each customer on one side."""

    def test_training_uses_outcomes_known_at_the_tested_date(self, data, recipe):
        tested = set(data.test.table["as_of"].to_pylist())
        learned = set(data.train.table["as_of"].to_pylist())
        assert [date.date().isoformat() for date in tested] == ["2025-07-01"]
        assert sorted(date.date().isoformat() for date in learned) == ["2024-10-01", "2025-01-01"]
        days = recipe.timeline.label.mature_days
        assert max(learned) + timedelta(days=days) <= min(tested)

    def test_no_customer_is_on_both_sides(self, data):
        assert not set(data.train.customers.tolist()) & set(data.test.customers.tolist())

    def test_customers_count_once_and_rates_stay(self, data):
        part = data.train
        _, index, count = np.unique(part.customers, return_inverse=True, return_counts=True)
        assert part.weight[count[index] == 1].mean() > part.weight[count[index] == 2].mean()
        dates = np.array(part.table["as_of"].to_pylist())
        for date in set(dates):
            rows = dates == date
            rate = np.average(part.y[rows], weights=part.weight[rows])
            assert rate == pytest.approx(part.y[rows].mean(), rel=1e-12)

    def test_all_dates_can_be_tested(self, recipe):
        table = read_training_table(recipe, Path())
        data = prepare(replace(recipe, split=Split(dates=0)), table)
        assert len(set(data.test.table["as_of"].to_pylist())) == 4
        assert data.train.table.num_rows + data.test.table.num_rows == table.num_rows

    def test_too_few_dates_are_refused_with_advice(self, recipe):
        table = read_training_table(recipe, Path())
        late = table.filter(
            [at.year == 2025 and at.month >= 4 for at in table["as_of"].to_pylist()]
        )
        with pytest.raises(RecipeError, match="add earlier snapshots, shorten the horizon"):
            prepare(recipe, late)

    def test_more_dates_are_tested_where_few_left(self):
        dates = np.repeat(np.arange("2025-01", "2025-11", dtype="M8[M]").astype("M8[D]"), 100)
        held_out = np.arange(1000) % 5 == 0
        left = (np.arange(1000) % 10 < 4).astype(np.int8)  # 10 of the tested 20 at each date
        learned, tested = Split().sides(held_out, dates, left=left, mature_days=31)
        assert left[tested].sum() == 50
        assert len(np.unique(dates[tested])) == 5
        assert dates[learned].max() + np.timedelta64(31, "D") <= dates[tested].min()
        _, tested = Split(dates=1).sides(held_out, dates, left=left, mature_days=31)
        assert len(np.unique(dates[tested])) == 1

    def test_a_churner_at_several_tested_dates_counts_once(self):
        # The same 100 customers at ten dates: 40 churned, 20 of them are held out.
        dates = np.repeat(np.arange("2025-01", "2025-11", dtype="M8[M]").astype("M8[D]"), 100)
        customers = np.tile(np.arange(100), 10)
        left = (customers % 5 < 2).astype(np.int8)
        held_out = customers % 2 == 0
        _, by_rows = Split().sides(held_out, dates, left=left, mature_days=31)
        learned, tested = Split().sides(
            held_out, dates, left=left, mature_days=31, customers=customers
        )
        assert len(np.unique(dates[by_rows])) > 1
        # Three times the 20 tested churners are not in the other half, which has 20.
        assert len(np.unique(dates[tested])) == 1
        assert len(set(customers[tested & (left == 1)].tolist())) == 20
        assert len(set(customers[learned & (left == 1)].tolist())) == 20

    def test_enough_remains_to_learn_from(self):
        dates = np.repeat(np.arange("2025-01", "2025-05", dtype="M8[M]").astype("M8[D]"), 10)
        held_out, left = np.tile([True, False], 20), np.tile([1, 1, 0, 0, 0], 8)
        (learned, tested) = Split().sides(held_out, dates, left=left, mature_days=31)
        assert left[learned].sum() >= 3 * left[tested].sum()

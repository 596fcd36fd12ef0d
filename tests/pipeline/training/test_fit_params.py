"""Parameters of a fit from the recipe and the table."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Contract, Schema, as_of, entity, feature, label
from churnkit.errors import RecipeError
from churnkit.models import ChurnClassifier, LightGBMTrees, LogisticModel, Tuning
from churnkit.pipeline import Recipe
from churnkit.pipeline.training.data.dataset import Part, TrainingData
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.fit_params import fit_arguments, monotone_signs, store_trials


class Gym(Schema):
    member_id: str = entity()
    day: dt.datetime = as_of()
    visits: float = feature()
    club: str = feature(isin=["north", "south"])
    left: bool = label()


RECIPE = Recipe(schema=Gym, data="gym.csv", name="gym")


def silent(_):
    return None


@pytest.fixture
def gym():
    """Return 300 rows of 300 customers at so many days."""

    def data(days):
        rng = np.random.default_rng(0)
        visits = rng.poisson(5, 300).astype(float)
        club = rng.integers(0, 2, 300)
        left = (rng.random(300) < 1 / (1 + visits)).astype(np.int8)
        table = pa.table(
            {
                "member_id": [str(number) for number in range(300)],
                "day": [
                    dt.datetime(2025, 1 + number % days, 1, tzinfo=dt.UTC) for number in range(300)
                ],
            }
        )
        part = Part(table, np.column_stack([visits, club.astype(float)]), left)
        return TrainingData(Contract.from_schema(Gym), part, part, part, "sha256:0")

    return data


def test_times_are_passed_with_at_least_three_dates(gym):
    short, long = gym(2), gym(4)
    inputs = fit_arguments(ChurnClassifier(), short.contract, short.train, progress=silent)
    assert "times" not in inputs
    inputs = fit_arguments(ChurnClassifier(), long.contract, long.train, progress=silent)
    times = inputs["times"]
    assert times[:5].tolist() == [1, 2, 3, 4, 1]


def test_customers_with_several_rows_stay_together_and_count_once(gym):
    data = gym(1)
    customers = np.array([str(number // 2) for number in range(300)])
    data = replace(data, train=replace(data.train, customers=customers, weight=np.full(300, 0.5)))
    inputs = fit_arguments(ChurnClassifier(), data.contract, data.train, progress=silent)
    assert inputs["groups"] is customers
    # A single estimator holds no contest: it takes the weights alone.
    inputs = fit_arguments(LightGBMTrees(), data.contract, data.train, progress=silent)
    assert set(inputs) == {"sample_weight"}


def test_monotone_columns_are_named_in_the_recipe(gym):
    data = gym(1)
    trees = ChurnClassifier(candidates=[("trees", LightGBMTrees(rounds=20))], cv=3)
    recipe = replace(RECIPE, model=trees, monotone={"visits": -1})
    model = fit(recipe, data).model
    assert model.monotone_constraints == (-1, 0)
    rows = np.column_stack([np.arange(20.0), np.zeros(20)])
    assert (np.diff(model.decision_function(rows)) <= 0).all()


@pytest.mark.parametrize(
    ("monotone", "model", "message"),
    [
        ({"vists": -1}, ChurnClassifier(), "'vists', which is not a feature"),
        ({"club": 1}, ChurnClassifier(), "'club', a category"),
        ({"visits": 2}, ChurnClassifier(), "got 2"),
        ({"visits": 1}, LogisticModel(), "not supported by its model"),
    ],
)
def test_invalid_monotone_constraints_are_refused(monotone, model, message):
    recipe = replace(RECIPE, monotone=monotone)
    with pytest.raises(RecipeError, match=message):
        monotone_signs(recipe, Contract.from_schema(Gym), model.get_params())


def test_trials_are_stored_in_the_project_unless_the_search_has_a_storage(tmp_path):
    model = ChurnClassifier(tuning=Tuning(trials=1))
    store_trials(model, tmp_path / "store")
    expected = Tuning(trials=1, storage=f"sqlite:///{tmp_path / 'store' / 'tuning.db'}")
    assert model.tuning == expected
    assert (tmp_path / "store").is_dir()
    store_trials(model, tmp_path / "other")
    assert model.tuning == expected

"""Past treatments in a recipe: estimated effects in bundle, plan and service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from churnkit.bundle import RetentionModel, load
from churnkit.contracts import Schema, entity, feature, label
from churnkit.core.project import Project
from churnkit.decisions import Action, Catalogue, Effect, decide_one
from churnkit.errors import BundleError, RecipeError
from churnkit.models import ChurnClassifier
from churnkit.pipeline import Experiment, Recipe, train
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.pipeline.training.uplift import fit_experiment


class Gym(Schema):
    member: int = entity()
    visits: float = feature("Visits", ge=0)
    fee: float = feature("Fee", unit="EUR", also=("value",), ge=0)
    left: bool = label()


ASSUMED = Effect(-0.2, 0.1, 0.4)
ACTIONS = Catalogue(
    (Action("call", "A call", 5.0, ASSUMED), Action("gift", "A gift", 5.0, Effect(0.2, 0.3, 0.4)))
)


def members(n=3000):
    """Draw members: calls keep those who come often, and letters nobody."""
    rng = np.random.default_rng(0)
    visits, fee = rng.uniform(0, 10, n), rng.uniform(10, 50, n)
    inputs = rng.choice(["none", "call", "letter"], n)
    risk = 0.5 - 0.01 * visits - 0.4 * ((inputs == "call") & (visits > 5))
    return pa.table(
        {
            "member": np.arange(n),
            "visits": visits,
            "fee": fee,
            "left": rng.random(n) < risk,
            "action": inputs,
            "propensity": np.full(n, 1 / 3),
            "spent": rng.normal(20, 5, n) + 10 * (inputs == "call"),
        }
    )


MEMBERS = members()
RECIPE = Recipe(
    schema=Gym,
    data=lambda: MEMBERS,
    model=ChurnClassifier("fast", cv=2),
    actions=ACTIONS,
    uplift=Experiment("left", learner="dr"),
    name="gym",
)


@pytest.fixture(scope="module")
def model(migrated_store, tmp_path_factory) -> RetentionModel:
    project = Project(tmp_path_factory.mktemp("project"))
    trained = train(RECIPE, project=project)
    assert any("past treatments: " in warning for warning in trained.warnings)
    return load(f"models:/{trained.name}/{trained.version}", project=project)


def test_the_plan_uses_estimated_effects_and_assumptions_for_untested_actions(model):
    effects = model.treatment_effects(np.array([[9.0, 40.0], [1.0, 40.0]]), np.array([0.45, 0.5]))
    assert effects.places == (0,)
    assert effects.expected[0, 0] > 0.2
    assert effects.expected[1, 0] < 0.15
    rows = [{"member": 1, "visits": 9.0, "fee": 40.0}, {"member": 2, "visits": 1.0, "fee": 40.0}]
    plan = model.recommend(rows)
    assert [row["action"] for row in plan] == ["call", "gift"]
    assert plan[0]["gain_low"] > 0


def test_the_card_has_the_estimated_effects(model):
    message = model.card["uplift"]
    assert set(message["average_effects"]) == {"call", "letter"}
    assert (
        message["average_effects"]["call"]["low"] > 0 > message["average_effects"]["letter"]["low"]
    )
    assert "personalizing" in message["verdict"]


def test_one_customer_gets_the_bits_of_a_table(model):
    encoded, probability = model.score_table(MEMBERS.slice(0, 40), "recommend")
    table = model.decide_table(probability, encoded.matrix)
    for at in range(40):
        row = encoded.matrix[at].tolist()
        own = model.treatment_effects(encoded.features[at : at + 1], probability[at : at + 1])
        one = decide_one(
            float(probability[at]), row, model.compiled_catalogue, treatment_effects=own
        )
        assert one.action == table.action_name[at]
        assert (one.expected_gain, one.gain_low) == (table.expected_gain[at], table.low[at])


def test_saved_and_loaded_the_effects_are_the_same(model, tmp_path):
    model.save(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "uplift" / "knots_0.npy").is_file()
    again = RetentionModel.load(tmp_path / "bundle")
    X, risk = np.array([[3.0, 20.0], [8.0, 20.0]]), np.array([0.4, 0.5])
    for name in ("low", "expected", "high"):
        assert np.array_equal(
            getattr(again.treatment_effects(X, risk), name),
            getattr(model.treatment_effects(X, risk), name),
        )


def test_measured_effects_that_do_not_fit_the_catalogue_are_refused(model, tmp_path):
    parts = replace(model.contents, uplift=replace(model.contents.uplift, actions=("walk", None)))
    RetentionModel(parts, None).save(tmp_path / "bundle", name="gym")
    with pytest.raises(BundleError, match="catalogue lacks"):
        RetentionModel.load(tmp_path / "bundle")


def test_money_is_weighed_by_the_margin_alone(tmp_path):
    recipe = replace(RECIPE, uplift=Experiment("spent", kind="money", learner="average", level=0.9))
    tried = fit_experiment(recipe, prepare(recipe, MEMBERS), tmp_path)
    assert tried is not None
    assert tried.actions.outcome == "money"
    result = tried.actions.treatment_effects(ACTIONS, np.zeros((1, 2)), np.zeros(1))
    assert result.expected[0, 0] == pytest.approx(10, abs=1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"outcome": "gone"}, "no column 'gone'"),
        ({"control": "nothing"}, "say control="),
        ({"actions": {"call": "ring"}}, "catalogue lacks"),
    ],
)
def test_an_experiment_that_does_not_fit_is_refused(change, text):
    settings = {"outcome": "left"} | change
    recipe = replace(RECIPE, uplift=Experiment(**settings))
    with pytest.raises(RecipeError, match=text):
        fit_experiment(recipe, prepare(recipe, MEMBERS), Path())


def test_an_experiment_needs_a_catalogue_and_words_that_are_known():
    data = prepare(RECIPE, MEMBERS)
    with pytest.raises(RecipeError, match="needs actions"):
        fit_experiment(replace(RECIPE, actions=None), data, Path())
    with pytest.raises(RecipeError, match="kind"):
        Experiment("left", kind="sold")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="level"):
        Experiment("left", level=1.0)
    assert fit_experiment(replace(RECIPE, uplift=None), data, Path()) is None

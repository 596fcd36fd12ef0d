"""The verdict of an experiment, as printed by training, and the plan of the same bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import plan
from churnkit.bundle import load
from churnkit.contracts import Schema, entity, feature, label
from churnkit.core.project import Project
from churnkit.decisions import Action, Catalogue, Effect
from churnkit.models import ChurnClassifier
from churnkit.pipeline import Experiment, Recipe, train

CUSTOMERS = 3000


class Club(Schema):
    member: int = entity()
    visits: float = feature("Visits", ge=0)
    fee: float = feature("Fee", unit="EUR a month", also=("value",), ge=0)
    left: bool = label("Left within 60 days")


RECIPE = Recipe(
    schema=Club,
    data=lambda: draw(0.0),
    model=ChurnClassifier("fast", cv=2),
    actions=Catalogue((Action("call", "A call", 5.0, Effect(0.1, 0.3, 0.5)),)),
    uplift=Experiment("left"),
    name="club",
)


def draw(prevented, seed=3):
    """Draw customers of an experiment in which a call prevents this share of the churn."""
    rng = np.random.default_rng(seed)
    visits, called = rng.uniform(0, 10, CUSTOMERS), rng.random(CUSTOMERS) < 0.5
    risk = (0.5 - 0.04 * visits) * (1.0 - prevented * called)
    return pa.table(
        {
            "member": np.arange(CUSTOMERS),
            "visits": visits,
            "fee": rng.uniform(10, 50, CUSTOMERS),
            "left": rng.random(CUSTOMERS) < risk,
            "action": np.where(called, "call", "none"),
            "propensity": np.full(CUSTOMERS, 0.5),
        }
    )


def outcome(prevented, store, tmp_path):
    """Train on a drawn experiment; return the printed verdict, the card and the plan's totals."""
    table = draw(prevented)
    project = Project(tmp_path)
    trained = train(replace(RECIPE, data=lambda: table), project=project)
    (verdict,) = (text for text in trained.warnings if text.startswith("past treatments: "))
    model = load(f"models:/club/{trained.version}", project=project)
    source = tmp_path / "customers.parquet"
    pq.write_table(table.select(["member", "visits", "fee"]), source)
    return verdict, model, plan(source, model)


def test_after_a_null_experiment_training_says_treat_none_and_the_plan_acts_on_nobody(
    migrated_store, tmp_path
):
    verdict, model, (planned, report) = outcome(0.0, migrated_store, tmp_path)
    assert "no tested action is expected to pay: treat none" in verdict
    assert verdict.endswith(model.card["uplift"]["verdict"])
    assert planned["action"].null_count == CUSTOMERS
    assert report.expected_gain == report.cost == 0.0
    assert report.responses["may be retained"] == 0
    # A call has no measured effect, so no share of customers has a profit.
    assert max(model.card["profit"]["model"]) <= 0.0


def test_after_a_working_experiment_both_say_that_the_call_pays(migrated_store, tmp_path):
    verdict, model, (planned, report) = outcome(0.5, migrated_store, tmp_path)
    assert "the plan applies" in verdict
    assert "EUR a customer over 12 months" in verdict
    treated = CUSTOMERS - planned["action"].null_count
    assert 0 < treated == report.responses["may be retained"]
    assert report.expected_gain > 0.0
    assert report.at_risk > report.expected_gain
    assert max(model.card["profit"]["model"]) > 0.0


@pytest.mark.parametrize("prevented", [0.0, 0.5])
def test_the_report_agrees_with_the_verdict_and_the_plan(prevented, migrated_store, tmp_path):
    from churnkit.report import build_report

    _, model, (_, report) = outcome(prevented, migrated_store, tmp_path)
    customers = pq.read_table(tmp_path / "customers.parquet")
    made = build_report(model=model, customers=customers)
    assert made.headline["expected_gain"] == pytest.approx(report.expected_gain)
    assert made.headline["at_risk"] == pytest.approx(report.at_risk)
    (profit,) = (b for s in made.sections for b in s.blocks if getattr(b, "name", "") == "profit")
    assert "The measured effects, as in the plan." in profit.caption
    assert ("does not pay at any share" in profit.caption) == (prevented == 0.0)
    assert ("acts on no customer" in profit.caption) == (prevented == 0.0)
    assert "0.0%" not in profit.caption

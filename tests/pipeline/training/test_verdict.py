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
from churnkit.report.blocks import Chart

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


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["null", "working"])
def trained(request, migrated_store, tmp_path_factory):
    """Train on an experiment and plan: the prevented share, verdict, model, customers and plan."""
    table = draw(request.param)
    project = Project(tmp_path_factory.mktemp("club"))
    result = train(replace(RECIPE, data=lambda: table), project=project)
    (verdict,) = (text for text in result.warnings if text.startswith("past treatments: "))
    model = load(f"models:/club/{result.version}", project=project)
    source = project.root / "customers.parquet"
    pq.write_table(table.select(["member", "visits", "fee"]), source)
    return request.param > 0.0, verdict, model, source, plan(source, model)


def test_the_plan_does_what_training_prints(trained):
    works, verdict, model, _, (planned, report) = trained
    treated = CUSTOMERS - planned["action"].null_count
    assert verdict.endswith(model.card["uplift"]["verdict"])
    assert ("no tested action is expected to pay: treat none" in verdict) == (not works)
    assert ("the plan applies" in verdict) == works
    assert ("EUR a customer over 12 months" in verdict) == works
    assert (treated > 0) == works
    assert treated == report.responses["may be retained"]
    assert (report.expected_gain > 0.0) == works
    assert report.expected_gain < report.at_risk


def test_the_report_agrees_with_the_verdict_and_the_plan(trained):
    from churnkit.report import build_report

    works, _, model, source, (_, report) = trained
    made = build_report(model=model, customers=pq.read_table(source))
    assert made.headline["expected_gain"] == pytest.approx(report.expected_gain)
    assert made.headline["at_risk"] == pytest.approx(report.at_risk)
    blocks = [block for section in made.sections for block in section.blocks]
    (profit,) = (b for b in blocks if isinstance(b, Chart) and b.name == "profit")
    assert "The measured effects, as in the plan." in profit.caption
    assert (max(row[1] for row in profit.rows) > 0.0) == works
    assert ("does not pay at any share" in profit.caption) == (not works)
    assert ("acts on no customer" in profit.caption) == (not works)
    assert " 0.0%" not in profit.caption

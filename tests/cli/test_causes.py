"""From raw tables with a reason column to a plan whose actions act on causes of churn."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import DONE, REFUSED

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

SCHEMA = """
from datetime import datetime

from churnkit.contracts import Schema, as_of, cause, entity, feature, label


class Club(Schema):
    customer: str = entity()
    as_of: datetime = as_of()
    visits: int = feature(ge=0)
    late_payments: int = feature(ge=0)
    mrr: float = feature(unit="EUR a month", also=("value",))
    churned: bool = label()
    cause: str = cause()
"""
RECIPE = """
from pathlib import Path

from churnkit.decisions import Action, Catalogue, Effect
from churnkit.models import LogisticModel
from churnkit.pipeline import Recipe
from churnkit.timeline import (
    ActiveSubscription, Cause, ContractualChurn, Count, Current, Snapshots, Table, Timeline, Where,
)
from schemas.club import Club

RAW = Path(__file__).parents[1] / "raw"
recipe = Recipe(
    schema=Club,
    data=lambda: {name: RAW / f"{name}.parquet" for name in ("subscriptions", "events")},
    timeline=Timeline(
        [
            Table(
                "subscriptions", "customer", happened="started", ended="ended",
                columns={"mrr": "number", "end_reason": "string"}, known_at_end=("end_reason",),
            ),
            Table("events", "customer", happened="at", columns={"kind": "string"}),
        ],
        {
            "visits": Count("events", window_days=45, where=Where("kind", "==", "visit")),
            "late_payments": Count("events", window_days=45, where=Where("kind", "==", "late")),
            "mrr": Current("subscriptions", "mrr"),
        },
        Snapshots(dates=("2024-03-01", "2024-06-01")),
        ActiveSubscription("subscriptions"),
        ContractualChurn(
            "subscriptions",
            horizon_days=60,
            cause=Cause(
                "end_reason", {"voluntary": ["price", "moved"], "involuntary": ["card expired"]}
            ),
        ),
    ),
    model=LogisticModel(C=1.0),
    actions=Catalogue(
        (
            Action("call", "A call", 1.0, Effect(0.2, 0.3, 0.4), prevents=("PREVENTED",)),
            Action("card", "A new card", 0.5, Effect(0.3, 0.5, 0.7), prevents=("involuntary",)),
        ),
        periods=12,
    ),
)
"""


def raw_tables():
    """Members who visit rarely leave by themselves; late payers' cards expire."""
    rng = np.random.default_rng(4)
    start, seen = np.datetime64("2024-01-01"), np.datetime64("2024-10-01")
    members, events = [], []
    for number in range(2000):
        visits, late = int(rng.integers(0, 6)), int(rng.integers(0, 4))
        waits = rng.exponential(1.0 / np.array([0.02 * np.exp(-1.2 * visits), 1e-4 + 2e-3 * late]))
        cause = int(waits.argmin())
        end = start + np.timedelta64(int(waits.min() * 86_400), "s")
        left = end < seen
        members.append(
            {
                "customer": f"m{number:04d}",
                "started": start.item(),
                "ended": end.item() if left else None,
                "mrr": float(rng.integers(80, 200)) / 4.0,
                "end_reason": ("price", "card expired")[cause] if left else None,
            }
        )
        for day in ("2024-01-20", "2024-05-10", "2024-08-10"):
            at = np.datetime64(day).item()
            kinds = ["visit"] * visits + ["late"] * late
            events += [{"customer": f"m{number:04d}", "at": at, "kind": kind} for kind in kinds]
    events.append({"customer": "m0000", "at": seen.item(), "kind": "invoice"})
    return {"subscriptions": pa.Table.from_pylist(members), "events": pa.Table.from_pylist(events)}


@pytest.fixture(scope="module")
def project(migrated_store, tmp_path_factory):
    root = tmp_path_factory.mktemp("club")
    for folder in ("schemas", "training", "raw", ".churnkit"):
        (root / folder).mkdir()
    (root / "schemas" / "club.py").write_text(SCHEMA)
    (root / "training" / "club.py").write_text(RECIPE.replace("PREVENTED", "voluntary"))
    shutil.copyfile(migrated_store, root / ".churnkit" / "mlflow.db")
    for name, table in raw_tables().items():
        pq.write_table(table, root / "raw" / f"{name}.parquet")
    return root


@pytest.mark.slow
def test_a_plan_from_raw_tables_acts_on_causes(churnkit, project):
    code, _, err = churnkit("train", "club", folder=project)
    assert code == DONE, err
    code, out, err = churnkit(
        "plan", "raw", "--as-of", "2024-09-01", "-o", "plan.csv", "--json", folder=project
    )
    assert code == DONE, err
    assert {action["action"] for action in json.loads(out)["actions"]} == {"call", "card"}
    with (project / "plan.csv").open(encoding="utf-8") as stream:
        planned = {row["customer"]: row for row in csv.DictReader(stream)}

    from churnkit.bundle import load
    from churnkit.core.project import Project

    model = load("models:/club@champion", project=Project(project))
    tables = {name: project / "raw" / f"{name}.parquet" for name in ("subscriptions", "events")}
    risk = model.causes(model.snapshot(tables, as_of="2024-09-01")).to_pylist()
    effects = {"call": ("voluntary", 0.3), "card": ("involuntary", 0.5)}
    acted = [row for row in risk if planned[row["customer"]]["action"]]
    assert len(acted) > 50
    for row in acted:
        plan = planned[row["customer"]]
        cause, effect = effects[plan["action"]]
        incidence = row[f"churn_probability_{cause}"]
        assert float(plan["effect"]) == pytest.approx(incidence * effect, rel=1e-6)
        assert incidence <= row["churn_probability"]


def test_an_action_against_an_unknown_cause_is_refused(churnkit, project):
    recipe = RECIPE.replace("PREVENTED", "fraud")
    (project / "training" / "wrong.py").write_text(recipe)
    code, _, err = churnkit("train", "wrong", folder=project)
    assert code == REFUSED
    assert "action 'call': prevents the cause 'fraud', which is not one of involuntary" in err

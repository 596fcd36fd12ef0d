"""Two bundles made by hand, without training: one linear, one of trees."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Check, Column, Contract
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer

PLANS = ("basic", "plus", "pro")


def contract():
    plan = Check("isin", PLANS)
    return Contract(
        "shop",
        (
            Column("customer_id", "string", ("entity",)),
            Column("plan", "string", ("feature",), "Plan", phrase="{value} plan", checks=(plan,),
                   levels=PLANS),
            Column("tenure", "integer", ("feature",), "Customer for", "months"),
            Column("mrr", "number", ("feature", "value"), "Revenue", "EUR", nullable=True),
            Column("may_call", "boolean", ("context",), "May be called"),
        ),
    )  # fmt: skip


def catalogue():
    call = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3), (Where("may_call", "==", True),))
    return Catalogue((call,))


@pytest.fixture(scope="session")
def parts():
    scorer = LinearScorer(
        -0.5,
        [
            ColumnEffect.of_category([1.0, 0.0, -0.5], missing=0.0),
            ColumnEffect.of_number([0, 12, 60], [1.0, 0.0, -1.0], missing=0.0),
            ColumnEffect.of_number([0, 100], [0.25, -0.25], missing=0.125),
        ],
    )
    golden = np.array([[0.0, 3.5, 10.25], [2.0, 40.0, np.nan]])
    return ModelContents(
        contract(),
        scorer,
        Calibration.identity(),
        catalogue(),
        card={"train_rows": 7},
        golden=golden,
        texts={"first_tree": "a tree in words\n"},
    )


@pytest.fixture(scope="session")
def bundle(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "shop"
    RetentionModel(parts).save(folder, name="shop", lineage={"seed": 0})
    return folder


@pytest.fixture(scope="session")
def model(bundle):
    return RetentionModel.load(bundle)


@pytest.fixture(scope="session")
def customers():
    generator = np.random.default_rng(3)
    return [
        {
            "customer_id": f"c{place}",
            "plan": PLANS[generator.integers(3)],
            "tenure": int(generator.integers(0, 70)),
            "mrr": None if place % 5 == 0 else float(generator.integers(0, 400)) / 4.0,
            "may_call": bool(generator.integers(2)),
        }
        for place in range(40)
    ]

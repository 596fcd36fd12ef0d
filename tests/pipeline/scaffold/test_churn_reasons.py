"""Reasons of churn that tables record are drafted as causes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

import churnkit.timeline
from churnkit.pipeline.scaffold.project import create_project
from churnkit.timeline import Cause, ContractualChurn, EventChurn

BEGIN = dt.date(2023, 1, 1)
CUSTOMERS = 300


def businesses(kind, reasons):
    random = np.random.default_rng(0)
    begins = random.integers(0, 300, CUSTOMERS)
    lengths = random.integers(60, 900, CUSTOMERS)
    ended = begins + lengths < 700
    ids = [f"m{number}" for number in range(CUSTOMERS)]

    def day(offset):
        return str(BEGIN + dt.timedelta(days=int(offset)))

    chosen = random.choice(reasons, CUSTOMERS)
    ends = [day(b + n) if gone else "" for b, n, gone in zip(begins, lengths, ended, strict=True)]
    subscriptions = pd.DataFrame({"member_id": ids, "started_on": list(map(day, begins))})
    if kind == "contract":
        subscriptions["ended_on"] = ends
        subscriptions["end_reason"] = np.where(ended, chosen, "")
    visits = pd.DataFrame(
        [
            {"member_id": ids[number], "at": day(time)}
            for number in range(CUSTOMERS)
            for time in range(begins[number], min(begins[number] + lengths[number], 700), 23)
        ]
    )
    tables = {"subscriptions": subscriptions, "visits": visits}
    if kind == "event":
        rows = np.flatnonzero(ended)
        tables["cancellations"] = pd.DataFrame(
            {"member_id": np.array(ids)[rows], "at": np.array(ends)[rows], "reason": chosen[rows]}
        )
    return tables


def commented_label(recipe):
    """Evaluate the label that is commented out in a recipe."""
    lines = recipe.split("# or: the same with the causes of churn", 1)[1].splitlines()[1:]
    text = []
    for line in lines:
        if not line.strip().startswith("#"):
            break
        text.append(line.strip().removeprefix("#").strip())
    code = " ".join(text).removeprefix("label=").split(" or: ")[0].rstrip().removesuffix(",")
    return eval(code, vars(churnkit.timeline) | {"Cause": Cause})  # noqa: S307


@pytest.mark.parametrize("kind", ["contract", "event"])
def test_a_label_with_causes_is_drafted_as_a_comment(tmp_path, kind):
    reasons = ["card declined", "price", "competitor", "payment failed"]
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, table in businesses(kind, reasons).items():
        table.to_csv(folder / f"{name}.csv", index=False)
    draft = create_project(tmp_path / "project", [folder])
    recipe = (tmp_path / "project" / "training" / f"{draft.recipe}.py").read_text("utf-8")
    label = commented_label(recipe)
    column = "end_reason" if kind == "contract" else "reason"
    groups = {
        "involuntary": ["card declined", "payment failed"],
        "voluntary": ["competitor", "price"],
    }
    assert isinstance(label, ContractualChurn if kind == "contract" else EventChurn)
    assert label.cause == Cause(column, groups)
    assert any(note.startswith(f"churn by cause: '{column}' has reasons") for note in draft.notes)


def test_reasons_of_one_kind_are_causes_of_their_own(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, table in businesses("contract", ["price", "moved"]).items():
        table.to_csv(folder / f"{name}.csv", index=False)
    draft = create_project(tmp_path / "project", [folder])
    recipe = (tmp_path / "project" / "training" / f"{draft.recipe}.py").read_text("utf-8")
    assert commented_label(recipe).cause == Cause("end_reason")


def test_reasons_in_one_table_can_be_causes(tmp_path):
    random = np.random.default_rng(1)
    left = random.random(400) < 0.3
    table = pd.DataFrame(
        {
            "customer_id": [f"C{number:04d}" for number in range(400)],
            "visits": random.poisson(np.where(left, 3, 6)),
            "leaving_reason": np.where(left, random.choice(["price", "card expired"], 400), ""),
            "churned": left.astype(int),
        }
    )
    table.to_csv(tmp_path / "customers.csv", index=False)
    draft = create_project(tmp_path / "project", [tmp_path / "customers.csv"])
    (text,) = (text for topic, text in draft.reading if topic == "left out")
    assert text.startswith("'leaving_reason': CK101")
    assert text.endswith("declare it with cause() in place of ignore()")

"""Plans that go to the journal: once for each customer and period, within what the period has."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from churnkit.batch import DecisionPeriod, plan
from churnkit.bundle import RetentionModel
from churnkit.decisions import (
    Action,
    Capacity,
    Catalogue,
    ContactLimit,
    ContactPolicy,
    Effect,
    Exploration,
)
from churnkit.decisions.allocation.plan import ShadowPrices, read_prices, write_prices
from churnkit.decisions.plan_summary import plan_tree
from churnkit.errors import RecipeError
from churnkit.journal import DecisionRecord, Journal

DAY = date(2026, 11, 5)
CALL = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3), channel="phone", group="service")
MAIL = Action("mail", "A mail", 1.0, Effect(0.02, 0.05, 0.1), channel="email")
CATALOGUE = Catalogue(
    (replace(CALL, consent="may_call"), MAIL),
    capacities=(Capacity(40, channel="phone"),),
    contact=ContactPolicy(limits=(ContactLimit(1, days=40),)),
    holdout=0.1,
    exploration=Exploration(0.2),
)


@pytest.fixture
def model(shop_model):
    return RetentionModel(replace(shop_model.contents, catalogue=CATALOGUE), shop_model.manifest)


@pytest.fixture
def journal(tmp_path):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        yield opened


@pytest.fixture
def rows(rows_of_shop):
    return rows_of_shop(200, seed=3)


@pytest.fixture
def make(model, journal, to_csv, tmp_path):
    def make(rows, *, day=DAY, budget=120.0, **more):
        source = to_csv(tmp_path / "customers.csv", rows)
        period = DecisionPeriod(day, journal=more.pop("journal", journal))
        return plan(source, more.pop("model", model), budget=budget, period=period, **more)

    return make


def test_the_journal_holds_each_decision_once_with_what_the_plan_says(make, journal, rows, model):
    planned, report = make(rows)
    written = journal.decisions(policy=model.name, period="2026-11")
    assert written.num_rows == len(rows)
    by_customer = {row["customer"]: row for row in written.to_pylist()}
    for row in planned.to_pylist():
        stands = by_customer[row["customer_id"]]
        for name in ("action", "cost", "propensity", "explored", "holdout", "reason"):
            assert stands[name] == row[name], name
        assert stands["model_digest"] == model.digest
    actions = written["action"].to_pylist()
    assert report.cost <= 120.0
    assert {"call", "mail", None} == set(actions)
    assert written.to_pylist()[0]["decided_at"] == datetime(2026, 11, 5, tzinfo=UTC)
    assert any(row["explored"] and row["propensity"] < 0.5 for row in planned.to_pylist())
    again, second = make(rows)
    assert again.equals(planned)
    assert second.before == len(rows)
    assert journal.decisions().num_rows == len(rows)


def test_without_a_journal_the_same_run_gives_the_same_plan(make, rows, model):
    model = RetentionModel(
        replace(model.contents, catalogue=replace(CATALOGUE, contact=ContactPolicy())),
        model.manifest,
    )
    first, _ = make(rows, journal=None, model=model)
    again, _ = make(rows, journal=None, model=model)
    assert again.equals(first)


def test_customers_who_come_later_share_what_the_period_has_left(make, rows, journal):
    make(rows[:120], budget=60.0)
    _, report = make(rows, budget=60.0)
    assert report.before == 120
    assert report.cost <= 60.0
    assert journal.used("shop", "2026-11").get("call", (0, 0.0))[0] <= 40


def test_the_next_period_knows_whom_this_one_has_reached(make, rows):
    november, _ = make(rows)
    december, _ = make(rows, day=date(2026, 12, 1))
    reached = [action is not None for action in november["action"].to_pylist()]
    later = december.to_pylist()
    for row, was in zip(later, reached, strict=True):
        if was:
            assert row["action"] is None
            assert row["reason"] in {"contact limit reached", "not scored"}
    assert any(row["action"] for row in later)
    january, _ = make(rows, day=date(2027, 1, 20))
    assert "contact limit reached" not in january["reason"].to_pylist()


def test_what_another_program_sent_in_the_meantime_takes_the_action_away(
    make, rows, journal, monkeypatch
):
    other = [
        DecisionRecord(
            f"other {row['customer_id']}",
            row["customer_id"],
            DAY,
            DAY,
            "other",
            action="letter",
            propensity=1.0,
        )
        for row in rows
    ]
    journal.record(other)

    from churnkit.decisions import History

    # The plan is made as if it had read the journal before the other program wrote.
    monkeypatch.setattr(History, "from_rows", classmethod(lambda cls, _rows: cls()))
    planned, report = make(rows)
    assert planned["action"].null_count == len(rows)
    assert report.cost == 0.0
    capped = journal.decisions(policy="shop").filter(pa.compute.field("capped"))
    assert capped.num_rows > 10
    again, _ = make(rows)
    assert again["action"].null_count == len(rows)


def test_a_person_who_turns_a_decision_down_is_heard(make, rows, journal):
    planned, _ = make(rows)
    first = next(row for row in planned.to_pylist() if row["action"])
    key = journal.decisions(customers=[first["customer_id"]])["key"][0].as_py()
    verdict = DecisionRecord(
        "v1", first["customer_id"], DAY, DAY, "shop", by="ann", verdict="reject", about=key
    )
    journal.record([verdict])
    again, _ = make(rows)
    row = next(r for r in again.to_pylist() if r["customer_id"] == first["customer_id"])
    assert (row["action"], row["reason"]) == (None, "rejected by a person")


def test_an_erased_customer_gets_nothing_and_leaves_no_trace(make, rows, journal):
    gone = rows[4]["customer_id"]
    journal.erase(gone, at=DAY)
    planned, _ = make(rows)
    assert planned["action"].to_pylist()[4] is None
    assert journal.decisions(customers=[gone]).num_rows == 0


def test_rows_that_break_the_contract_are_in_the_plan_and_not_in_the_journal(make, rows, journal):
    rows[3]["plan"] = "gold"
    planned, report = make(rows)
    assert report.invalid == 1
    assert planned["reason"].to_pylist()[3] == "not scored"
    assert journal.decisions().num_rows == len(rows) - 1


def test_prices_are_written_for_a_service_and_refused_for_another_catalogue(
    make, rows, tmp_path, model
):
    file = tmp_path / "prices.json"
    make(rows, budget=30.0, prices=file)
    prices = read_prices(file, model.catalogue)
    assert prices.budget > 0.0
    assert prices.to_dict() == ShadowPrices.from_dict(prices.to_dict()).to_dict()
    with pytest.raises(RecipeError, match="another catalogue"):
        read_prices(file, Catalogue((CALL,)))
    stored = json.loads(file.read_text())
    many = [*stored["capacity"], 0.0]
    for damage in (
        *({"format": 2}, {"budget": -1.0}, {"budget": float("inf")}),
        *({"capacity": "much"}, {"capacity": many}, {"shared": None}),
    ):
        file.write_text(json.dumps(stored | damage))
        with pytest.raises(RecipeError):
            read_prices(file, model.catalogue)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_prices(tmp_path / "none.json", model.catalogue)
    with pytest.raises(RecipeError, match="cannot be written"):
        write_prices(tmp_path / "prices.json" / "x", prices, model.catalogue)


def test_recommend_in_python_knows_the_journal_too(model, rows, journal):
    with pytest.raises(RecipeError, match="context=DecisionContext"):
        model.recommend(rows)
    with pytest.raises(RecipeError, match="--journal"):
        model.recommend(rows, as_of=DAY)
    first = model.recommend(rows, as_of=DAY, journal=journal, budget=50.0)
    assert sum(row["cost"] for row in first) <= 50.0
    assert journal.decisions().num_rows == 0


def test_a_tree_says_in_the_schemas_words_who_gets_what(make, rows, model):
    _, report = make(rows, tree=True)
    assert report.tree[-1].startswith("the tree agrees with the plan for ")
    titles = [column.title for column in model.contract.encoded("recommend")]
    assert all(any(title in line for title in titles) for line in report.tree[:-1])
    counts = [int(line.split(": ")[-1].split(" ")[0].replace(",", "")) for line in report.tree[:-1]]
    assert sum(counts) == len(rows)


def test_a_tree_of_nobody_and_of_one_kind_says_so():
    assert plan_tree([], np.zeros((0, 1)), ()) == ("no customers",)
    assert plan_tree(["call"] * 3, np.zeros((3, 0)), ())[0] == "all: 3 customers, call 100%"


def test_a_rule_on_consent_is_kept_by_chance_too(make, rows):
    planned, _ = make(rows, budget=500.0)
    allowed = {row["customer_id"] for row in rows if row["may_call"]}
    called = {row["customer_id"] for row in planned.to_pylist() if row["action"] == "call"}
    assert called
    assert called <= allowed


def test_columns_have_their_types_where_nobody_gets_anything(make, rows):
    kinds = {field.name: str(field.type) for field in make(rows, budget=0.0)[0].schema}
    assert kinds["action"] == "string"
    assert kinds["propensity"] == "double"
    assert kinds["explored"] == "bool"

"""A plan that Spark's workers make: the local one but at the margin, within all limits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from churnkit.bundle.model import RetentionModel
from churnkit.bundle.parts.horizons import revenue_at_risk
from churnkit.decisions import Action, Capacity, Effect
from churnkit.decisions.gain import catalogue_gain
from churnkit.errors import DataError, RecipeError

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("default")]

ROWS = 6_000


@pytest.fixture(scope="module")
def customers(rows_of_shop):
    rows = rows_of_shop(ROWS, seed=37)
    rows[7]["plan"] = "unheard of"
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def frame(spark, customers):
    return spark.createDataFrame(customers.to_pandas()).repartition(5)


def with_catalogue(model, folder, **changes):
    """Save and load the shop's model with another catalogue, so that it has a digest."""
    catalogue = dataclasses.replace(model.catalogue, **changes)
    parts = dataclasses.replace(model.contents, catalogue=catalogue)
    RetentionModel(parts).save(folder, name="shop", lineage={})
    return RetentionModel.load(folder)


@pytest.fixture(scope="module")
def model(shop_model, tmp_path_factory):
    """The shop's model with three actions, which share what room there is."""
    call = dataclasses.replace(shop_model.catalogue.actions[0], capacity=300, channel="phone")
    mail = Action("mail", "A mail", 1.0, Effect(0.03, 0.06, 0.1))
    offer = Action("offer", "An offer by phone", 12.0, Effect(0.15, 0.3, 0.5), channel="phone")
    return with_catalogue(
        shop_model,
        tmp_path_factory.mktemp("three") / "bundle",
        actions=(call, mail, offer),
        capacities=(Capacity(700, channel="phone"),),
    )


def in_order(frame):
    return frame.toArrow().sort_by("customer_id")


def in_workers(frame, model, **settings):
    from churnkit.batch.spark.scoring import plan

    return plan(frame, model, at_once=1_000, **settings)


@pytest.mark.parametrize("budget", [None, 4_000.0, 300.0])
def test_it_is_the_local_plan_but_at_the_margin(frame, customers, model, budget):
    found, report = in_workers(frame, model, budget=budget)
    there = in_order(found)
    local = model.recommend(customers.sort_by("customer_id"), budget=budget)
    encoded, probability = model.score_table(customers.sort_by("customer_id"), "recommend")
    decisions = model.decide_table(probability, encoded.matrix, budget=budget)
    at_risk = revenue_at_risk(model, probability, encoded.matrix)
    assert at_risk is not None
    assert [name for name in there.column_names if name in local.column_names] == local.column_names
    assert set(there.column_names) - set(local.column_names) == {"at_risk", "response", "effect"}
    assert there["at_risk"].to_pylist() == pa.array(at_risk, from_pandas=True).to_pylist()
    assert there["response"].to_pylist() == decisions.responses.name
    assert report.at_risk == pytest.approx(np.nansum(at_risk))
    assert sum(report.responses.values()) == len(there) - there["response"].null_count
    for name in ("customer_id", "churn_probability", "problem"):
        assert there[name].to_pylist() == local[name].to_pylist()
    margin, typical = margins(model, customers.sort_by("customer_id"), budget)
    same = np.array(
        [
            a == b
            for a, b in zip(there["action"].to_pylist(), local["action"].to_pylist(), strict=True)
        ]
    )
    assert margin[~same].max(initial=0.0) < 0.01 * typical
    assert same.mean() > 0.995
    mine, theirs = there.filter(pa.array(same)), local.filter(pa.array(same))
    for name in ("expected_gain", "gain_low", "gain_high", "cost", "reason"):
        assert mine[name].to_pylist() == theirs[name].to_pylist()
    assert report.expected_gain == pytest.approx(sum(local["expected_gain"].to_pylist()), rel=1e-3)
    assert report.gap is not None
    assert report.gap < 1e-3


def margins(model, rows, budget):
    """Give how firmly each customer's action is the best at the local prices, in money."""
    encoded, probability = model.score_table(rows, "recommend")
    decided = model.decide_table(probability, encoded.matrix, budget=budget)
    prices, gains = (
        decided.plan.shadow_prices,
        catalogue_gain(probability, encoded.matrix, model.compiled_catalogue),
    )
    phone = np.array([1.0, 0.0, 1.0]) * prices.shared[0]
    worth = gains.offered() - prices.budget * gains.cost - prices.capacity - phone
    ranked = np.sort(np.column_stack([np.zeros(len(worth)), worth]), axis=1)
    return ranked[:, -1] - ranked[:, -2], decided.expected_gain[decided.action >= 0].mean()


@pytest.mark.parametrize("budget", [None, 4_000.0, 300.0])
def test_every_limit_holds_and_the_report_says_what_is_there(frame, model, budget):
    found, report = in_workers(frame, model, budget=budget)
    rows = found.toArrow()
    sums = rows.filter(pa.compute.is_valid(rows["action"])).group_by("action")
    counted = {
        row["action"]: row
        for row in sums.aggregate([("cost", "sum"), ("cost", "count")]).to_pylist()
    }
    assert {action["action"] for action in report.actions} == set(counted)
    for action in report.actions:
        assert action["customers"] == counted[action["action"]]["cost_count"]
        assert action["cost"] == pytest.approx(counted[action["action"]]["cost_sum"], rel=1e-12)
    given = {name: row["cost_count"] for name, row in counted.items()}
    assert given.get("call", 0) <= 300
    assert given.get("call", 0) + given.get("offer", 0) <= 700
    if budget is not None:
        assert sum(rows["cost"].to_pylist()) <= budget * (1 + 1e-12)
        assert report.cost <= budget * (1 + 1e-12)
    assert (report.rows, report.invalid, report.before) == (ROWS, 1, 0)


def test_a_budget_of_zero_gives_nobody_what_costs(frame, model):
    found, report = in_workers(frame, model, budget=0.0)
    assert found.filter("action is not null").count() == 0
    assert report.actions == ()


def test_another_partitioning_gives_the_same_plan(frame, model):
    first, report = in_workers(frame, model, budget=2_000.0)
    again, other = in_workers(frame.repartition(11, "city"), model, budget=2_000.0)
    assert in_order(again).to_pydict() == in_order(first).to_pydict()
    assert other == report


def test_up_to_so_many_customers_it_is_the_local_plan_to_the_last_bit(frame, customers, model):
    from churnkit.batch.spark.scoring import plan

    found, _ = plan(frame, model, budget=2_000.0, at_once=ROWS)
    local = model.recommend(customers.sort_by("customer_id"), budget=2_000.0)
    assert in_order(found).select(local.column_names).to_pydict() == local.to_pydict()


def test_a_customer_of_two_rows_is_refused(frame, model):
    with pytest.raises(DataError, match=f"{ROWS} duplicate customers"):
        in_workers(frame.union(frame), model)


def test_rows_without_an_id_are_reported_each(frame, model):
    from pyspark.sql.functions import lit  # type: ignore[import-not-found,unused-ignore]

    nameless = frame.limit(2).withColumn("customer_id", lit(None).cast("string"))
    found, report = in_workers(frame.union(nameless), model, budget=2_000.0)
    assert (report.rows, report.invalid) == (ROWS + 2, 3)
    lost = found.filter("customer_id is null").toArrow()
    assert lost["action"].null_count == 2
    assert lost["problem"].null_count == 0
    assert set(lost["reason"].to_pylist()) == {"not scored"}


def test_a_catalogue_with_holdouts_needs_an_occasion(frame, shop_model, tmp_path):
    held = with_catalogue(shop_model, tmp_path / "bundle", holdout=0.1)
    with pytest.raises(RecipeError, match="holdouts"):
        in_workers(frame, held)


def test_a_budget_below_zero_is_refused(frame, model):
    with pytest.raises(RecipeError, match="budget"):
        in_workers(frame, model, budget=-1.0)


def test_nothing_stays_in_the_cluster_s_memory_but_the_plan(spark, frame, model):
    kept = spark.sparkContext._jsc.getPersistentRDDs
    before = set(kept())
    found, _ = in_workers(frame, model, budget=500.0)
    assert len(set(kept()) - before) == 1
    found.unpersist(blocking=True)
    assert set(kept()) == before

"""Each customer is tested by a model that was fitted without it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.model_selection import StratifiedKFold

from churnkit.contracts import Contract, Schema, as_of, entity, feature, label
from churnkit.evaluation import evaluate
from churnkit.models import (
    ChurnClassifier,
    LogisticModel,
    SingleFeatureRule,
    Tuning,
    churn_classifier,
)
from churnkit.models.selection.cost_estimate import estimate_cost
from churnkit.pipeline import Recipe
from churnkit.pipeline.training.data import holdout_folds
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.pipeline.training.data.holdout_folds import is_tested_forward, split_rows
from churnkit.pipeline.training.data.holdout_split import Split
from churnkit.pipeline.training.fit import fit
from churnkit.timeline import ActiveWithin, Count, InactivityChurn, Snapshots, Table, Timeline

CUSTOMERS = 400
IDS = [f"c{number}" for number in range(CUSTOMERS)]


class Gym(Schema):
    member_id: str = entity()
    visits: float = feature()
    fee: float = feature()
    left: bool = label()


class Dated(Gym):
    day: dt.datetime = as_of()


def gym(days: int = 1, *, flipped: int | None = None) -> pa.Table:
    """Draw members; the outcomes of one fold can be replaced by their opposite."""
    rng = np.random.default_rng(0)
    visits, fee = rng.poisson(5, CUSTOMERS).astype(float), rng.normal(30, 9, CUSTOMERS)
    left = rng.random(CUSTOMERS) < 1 / (1 + np.exp(visits - 4))
    if flipped is not None:
        left ^= Recipe(schema=Gym, data="gym.csv").split.folds(IDS) == flipped
    starts = [dt.datetime(2025, 1 + number % days, 1, tzinfo=dt.UTC) for number in range(CUSTOMERS)]
    return pa.table({"member_id": IDS, "visits": visits, "fee": fee, "left": left, "day": starts})


RECIPE = Recipe(schema=Gym, data="gym.csv", name="gym", model=LogisticModel(C=1.0))


def test_each_row_is_scored_by_a_fit_to_the_other_folds():
    data = prepare(RECIPE, gym())
    fitted = fit(RECIPE, data)
    assert len(data.tested.y) == len(fitted.probability) == CUSTOMERS
    for fold in range(5):
        train, test = data.folds != fold, data.folds == fold
        X, y = data.full.X, data.full.y
        model = LogisticModel(C=1.0).fit(X[train], y[train])
        np.testing.assert_array_equal(fitted.probability[test], model.predict_proba(X[test])[:, 1])
        rule = SingleFeatureRule().fit(X[train], y[train])
        np.testing.assert_array_equal(fitted.rule[test], rule.predict_proba(X[test])[:, 1])
    whole = LogisticModel(C=1.0).fit(data.full.X, data.full.y)
    np.testing.assert_array_equal(
        fitted.model.predict_proba(data.full.X), whole.predict_proba(data.full.X)
    )
    assert fitted.evaluation.rows == CUSTOMERS


def test_the_interval_is_less_than_half_as_wide_as_that_of_one_fold():
    data = prepare(RECIPE, gym())
    fitted, first = fit(RECIPE, data), data.folds == 0
    # Five times the customers: the width falls by about the square root of five.
    alone = evaluate(data.full.y[first], fitted.probability[first], seed=0).metrics["auc"]
    crossed = fitted.evaluation.metrics["auc"]
    assert crossed.high - crossed.low < 0.5 * (alone.high - alone.low)


@pytest.mark.parametrize(
    ("changes", "days", "is_crossed"),
    [
        ({}, 1, True),
        ({"model": None}, 1, True),
        ({"schema": Dated}, 2, True),
        ({"schema": Dated}, 3, True),
        ({"model": ChurnClassifier(tuning=Tuning(trials=2))}, 1, False),
        ({"model": LogisticModel(cv=StratifiedKFold(3))}, 1, False),
    ],
)
def test_one_fold_is_held_out_where_time_or_the_model_require_it(changes, days, is_crossed):
    recipe = replace(RECIPE, **changes)
    contract = Contract.from_schema(recipe.schema)
    table = gym(days)
    left = np.asarray(table["left"]).astype(np.int8)
    rows = split_rows(recipe, contract, table, IDS, left)
    assert (rows.folds is not None) == is_crossed
    assert rows.is_reselected == (is_crossed and days == 3)


def test_one_fold_of_a_large_table_is_enough(monkeypatch):
    monkeypatch.setattr(holdout_folds, "_MAX_ROWS", CUSTOMERS - 1)
    data = prepare(RECIPE, gym())
    assert data.folds is None
    fitted = fit(RECIPE, data)
    assert fitted.evaluation.rows == len(data.test.y) == len(fitted.probability)
    assert len(fitted.fold_models) == 1


def test_the_folds_of_the_model_are_given_back():
    model = fit(replace(RECIPE, model=LogisticModel(cv=3)), prepare(RECIPE, gym())).model
    assert model.get_params()["cv"] == 3


def dated(dates: int = 8, *, shift: float = 0.0) -> pa.Table:
    """Draw members at the first days of several months, whose risk depends on their visits."""
    rng = np.random.default_rng(1)
    ids = np.tile(IDS, dates)
    visits, fee = rng.poisson(5, len(ids)).astype(float), rng.normal(30, 9, len(ids))
    left = rng.random(len(ids)) < 1 / (1 + np.exp(visits - 2 + shift))
    days = [dt.datetime(2025, 1 + month, 1, tzinfo=dt.UTC) for month in range(dates)]
    day = [date for date in days for _ in IDS]
    return pa.table({"member_id": ids, "visits": visits, "fee": fee, "left": left, "day": day})


RAW = Timeline(
    tables=(Table("visit", "member_id", happened="day"),),
    features={"visits": Count("visit", window_days=30)},
    eligible=ActiveWithin("visit", days=60),
    snapshots=Snapshots(every="1 month", start="2025-01-01", end="2025-08-01"),
    label=InactivityChurn("visit", horizon_days=61),
    as_of="day",
)
FORWARD = replace(RECIPE, schema=Dated, timeline=RAW, data=dict)


def test_each_row_of_the_last_date_is_scored_by_earlier_rows_of_other_customers():
    table = dated(shift=-2.0)
    data = prepare(FORWARD, table)
    fitted = fit(FORWARD, data)
    folds = FORWARD.split.folds(table["member_id"].to_pylist())
    month = np.asarray(table["day"].cast("timestamp[us]")).astype("M8[M]")
    # More than 100 churned in the last month; 61 days before August 1 is June 1.
    tested, learned = month == np.datetime64("2025-08"), month <= np.datetime64("2025-06")
    assert data.tested.customer_count == len(data.tested.y) == CUSTOMERS
    for fold in range(5):
        train, test = learned & (folds != fold), tested & (folds == fold)
        _, index, count = np.unique(
            np.asarray(table["member_id"])[train], return_inverse=True, return_counts=True
        )
        assert set(count[index]) == {6}  # so that all weights are equal
        model = LogisticModel(C=1.0).fit(data.full.X[train], data.full.y[train])
        np.testing.assert_allclose(
            fitted.probability[data.folds == fold],
            model.predict_proba(data.full.X[test])[:, 1],
            rtol=1e-6,
        )


def test_earlier_dates_are_tested_where_few_left_at_the_last():
    data = prepare(FORWARD, dated(shift=1.0))
    months = {at.month for at in data.tested.table["day"].to_pylist()}
    assert len(months) > 1
    assert data.tested.customer_count == CUSTOMERS < len(data.tested.y)
    assert max(at.month for at in data.train.table["day"].to_pylist()) + 2 <= min(months)
    model = fit(FORWARD, data)
    apart = evaluate(data.tested.y, model.probability, sample_weight=data.tested.weight, seed=0)
    auc, alone = model.evaluation.metrics["auc"], apart.metrics["auc"]
    assert auc.high - auc.low > alone.high - alone.low


def test_a_first_fold_of_many_churners_is_the_only_one(monkeypatch):
    monkeypatch.setattr(holdout_folds, "_ENOUGH_CHURNERS", 15)
    data = prepare(FORWARD, dated())
    assert data.folds is None
    assert data.tested is data.test


def test_the_announced_cost_counts_the_comparison_of_each_fold(monkeypatch):
    announced: list[Any] = []
    expected: list[Any] = []
    sentences: list[str] = []

    def estimate(*arguments, **options):
        announced.append(estimate_cost(*arguments, **options))
        expected.append(estimate_cost(*arguments, **{**options, **alone}))
        return announced[-1]

    alone = {"later_fits": 0.0, "later_comparisons": 0}
    monkeypatch.setattr(churn_classifier, "estimate_cost", estimate)
    quick = [("logistic", LogisticModel(C=1.0)), ("fewer", LogisticModel(C=0.1))]
    recipe = replace(FORWARD, model=ChurnClassifier(candidates=quick))
    fit(recipe, prepare(recipe, dated()), progress=sentences.append)
    # Each comparison estimates its own cost; the first announces those of all, and what follows.
    assert len(announced) == 5
    assert sentences[0] == str(announced[0])
    total = sum(each.cpu_seconds for each in expected)
    assert 0.9 * total < announced[0].cpu_seconds - 10 < 1.5 * total


def test_one_fold_is_enough_only_with_the_customers_of_either_outcome(monkeypatch):
    # Each customer of the first fold who churned did so at three dates.
    table = dated(3)
    ids = table["member_id"].to_pylist()
    left = (np.tile(np.arange(CUSTOMERS), 3) % 4 == 0).astype(np.int8)
    recipe = replace(RECIPE, schema=Dated)
    first = recipe.split.folds(ids) == 0
    churners = {customer for customer, at, one in zip(ids, first, left, strict=True) if at and one}
    assert left[first].sum() == 3 * len(churners)
    for enough, is_crossed in ((len(churners), False), (len(churners) + 1, True)):
        monkeypatch.setattr(holdout_folds, "_ENOUGH_CHURNERS", enough)
        rows = split_rows(recipe, Contract.from_schema(Dated), table, ids, left)
        assert (rows.folds is not None) == is_crossed


def test_dates_without_a_timeline_are_trained_and_tested_at_all_dates():
    table = dated(3)
    ids, left = table["member_id"].to_pylist(), np.asarray(table["left"]).astype(np.int8)
    recipe = replace(RECIPE, schema=Dated)
    rows = split_rows(recipe, Contract.from_schema(Dated), table, ids, left)
    assert rows.is_tested.all()
    assert rows.is_learned.all()
    assert not is_tested_forward(recipe)
    assert is_tested_forward(FORWARD)
    assert not is_tested_forward(replace(FORWARD, split=Split(dates=0)))

"""Stable months stay quiet; each planted fault is result in its first month."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.contracts import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.validation.labels import encode_label
from churnkit.datasets import simulate
from churnkit.evaluation.drift.profile import Profile
from churnkit.models import ChurnClassifier
from churnkit.monitoring import monitor

pytestmark = pytest.mark.slow

TRAINED = "2024-09-01"
MONTHS = [f"2024-{month:02d}-01" for month in (10, 11, 12)] + [
    f"2025-{month:02d}-01" for month in range(1, 8)
]


@pytest.fixture(scope="module")
def schema():
    return runpy.run_path(str(Path(__file__).parents[2] / "schemas" / "demo.py"))["Demo"]


@pytest.fixture(scope="module")
def business():
    # No campaigns: their beginning and end are drift, and rightly result.
    return simulate(customers=9_000, seed=0, campaigns=False)


@pytest.fixture(scope="module")
def model(business, schema):
    """Trained on one half of the customers of a day, profiled and calibrated on it."""
    table = business.snapshot(TRAINED, horizon_days=90)
    contract = learn_levels(Contract.from_schema(schema), table)
    X = TableEncoder(contract).encode(table).features
    y, _ = encode_label(contract, table)
    half = np.arange(len(y)) % 2 == 0
    fitted = ChurnClassifier(
        profile="fast", categorical_features=contract.categorical_features
    ).fit(X[half], y[half])
    profile = Profile.fit(
        X[half],
        fitted.predict_proba(X[~half])[:, 1],
        names=[column.name for column in contract.features],
        categorical=contract.categorical_features,
    )
    parts = ModelContents(contract, fitted.scorer_, fitted.calibration_, profile=profile.to_dict())
    return RetentionModel(parts)


def month(business, day):
    return business.snapshot(day, horizon_days=90)


def changed(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def alarms(report):
    return sorted({(result.code, result.subject) for result in report.findings if result.alarm})


@pytest.mark.parametrize("seed", range(10))
def test_stable_months_are_quiet(model, seed):
    other = simulate(customers=5_000, seed=100 + seed, campaigns=False)
    loud = {}
    for day in MONTHS:
        table = month(other, day)
        report = monitor(model, table, labeled=table)
        if report.alarm:
            loud[day] = [str(result) for result in report.findings if result.alarm]
    assert len(loud) <= 1, loud


def test_realized_auc_matches_its_estimate(model):
    gaps = []
    for seed in range(4):
        other = simulate(customers=25_000, seed=200 + seed, campaigns=False)
        table = month(other, "2025-03-01")
        realized = monitor(model, table, labeled=table).realized
        assert realized is not None
        assert realized.estimate.auc.low < realized.auc.value < realized.estimate.auc.high
        gaps.append(realized.auc.value - realized.estimate.auc.value)
    assert np.abs(gaps).max() <= 0.02


def scaled(table, name, by):
    return changed(table, name, pc.multiply(table[name], by))


def emptied(table, name, share):
    gone = pa.array(np.random.default_rng(0).random(table.num_rows) < share)
    return changed(table, name, pc.if_else(gone, pa.scalar(None, table[name].type), table[name]))


def renamed(table, name, to, share):
    moved = pa.array(np.random.default_rng(0).random(table.num_rows) < share)
    return changed(table, name, pc.if_else(moved, to, table[name].cast(pa.string())))


def without_feed(table):
    nothing = pa.array(np.zeros(table.num_rows, dtype=np.int64))
    for name in ("sessions_30d", "active_days_30d", "minutes_30d"):
        table = changed(table, name, nothing.cast(table[name].type))
    return table


def label_counts_more(table):
    # Whoever used little is now called churned too.
    lapsed = pc.less(table["sessions_90d"], 6)
    return changed(table, "churned", pc.or_(table["churned"], lapsed))


def customers_mixed_up(table):
    """Each feature as before, on another customer: a join that went wrong."""
    order = pa.array(np.random.default_rng(0).permutation(table.num_rows))
    for name in table.column_names:
        if name not in {"customer_id", "churned", "as_of"}:
            table = changed(table, name, table[name].take(order))
    return table


def of_a_month_long_ago(table):
    old = pa.array([np.datetime64("2025-01-01", "us")] * table.num_rows)
    return changed(table, "as_of", old.cast(table["as_of"].type))


def busy_december(table):
    rng = np.random.default_rng(0)
    for name in ("sessions_30d", "minutes_30d"):
        more = np.round(table[name].to_numpy() * rng.normal(1.15, 0.05, table.num_rows))
        table = changed(table, name, pa.array(np.maximum(more, 0)).cast(table[name].type))
    return table


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (lambda t: scaled(t, "mrr", 100.0), ("CK201", "mrr")),
        (lambda t: scaled(t, "minutes_30d", 60), ("CK201", "minutes_30d")),
        (lambda t: emptied(t, "days_since_use", 0.3), ("CK201", "days_since_use")),
        (lambda t: emptied(t, "tenure_months", 0.05), ("CK203", "tenure_months")),
        (lambda t: renamed(t, "plan", "Enterprise", 0.04), ("CK203", "plan")),
        (without_feed, ("CK201", "sessions_30d")),
        (lambda t: t.filter(pc.equal(t["contract"].cast(pa.string()), "Annual")),
         ("CK202", "churn_probability")),
        (label_counts_more, ("CK206", "calibration")),
        (customers_mixed_up, ("CK207", "AUC")),
        (of_a_month_long_ago, ("CK205", "as_of")),
        (lambda t: t.slice(0, 0), ("CK203", "the table")),
    ],
    ids=["dollars are cents", "minutes are seconds", "a fill was dropped",
         "a column has holes", "a new plan", "the events stopped", "half the customers are gone",
         "the label's rule changed", "a join went wrong", "the feed is stale", "the feed is empty"],
)  # fmt: skip
def test_a_planted_fault_is_found_in_its_first_month(model, fault, result):
    other = simulate(customers=6_000, seed=77, campaigns=False)
    table = fault(month(other, "2025-03-01"))
    labeled = table if table.num_rows else None
    report = monitor(model, table, labeled=labeled, as_of=datetime(2025, 3, 2, tzinfo=UTC))
    assert result in alarms(report)


def test_a_busy_season_is_no_alarm(model):
    other = simulate(customers=6_000, seed=78, campaigns=False)
    table = busy_december(month(other, "2024-12-01"))
    assert alarms(monitor(model, table, labeled=table)) == []

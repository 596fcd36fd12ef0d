"""Segments, clusters, health and scorecard of small bases with known answers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.errors import DataError
from churnkit.insights.customer_base import CustomerBase, PlannedActions
from churnkit.insights.drivers import find_drivers
from churnkit.insights.health.score import measure_health
from churnkit.insights.scorecard import build_scorecard
from churnkit.insights.segmentation.kmeans import Clusters, find_clusters
from churnkit.insights.segmentation.rfm import measure_rfm
from churnkit.insights.segmentation.segments import find_groups, value_risk

COLUMNS = (
    Column("plan", "string", ("feature",), "Plan", phrase="{value} plan", levels=("basic", "pro")),
    Column(
        "trial", "boolean", ("feature",), "Trial", words=(("yes", "In trial"), ("no", "Paying"))
    ),
    Column("uses", "integer", ("feature",), "Uses"),
    Column("seats", "integer", ("feature",), "Seats"),
)


def logistic(values):
    return 1.0 / (1.0 + np.exp(-np.asarray(values)))


@pytest.fixture(scope="module")
def base():
    """Basic plans in trial leave; light and heavy users are two clouds."""
    rng = np.random.default_rng(0)
    n = 4_000
    plan, trial = rng.integers(0, 2, n), rng.integers(0, 2, n)
    heavy = rng.random(n) < 0.4
    uses = np.where(heavy, rng.poisson(60, n), rng.poisson(5, n))
    seats = np.where(heavy, rng.poisson(30, n), rng.poisson(3, n)) + 1
    matrix = np.column_stack([plan, trial, uses, seats]).astype(float)
    parts = np.column_stack(
        [np.zeros(n), np.zeros(n), -0.01 * (uses - uses.mean()), np.zeros(n), np.full(n, -2.0)]
    )
    both = (plan == 0) & (trial == 1)
    parts[:, 1] = np.where(both, 1.5, -0.2)
    probability = logistic(parts.sum(axis=1))
    gain = np.where(probability > 0.3, 20.0, 0.0)
    planned = PlannedActions(
        ("A call",), np.where(gain > 0, 0, -1), gain, gain / 2, gain * 2,
        np.where(gain > 0, 5.0, 0.0), np.where(gain > 0, 0, 1), ("pays", "no action pays"),
    )  # fmt: skip
    return CustomerBase(
        COLUMNS, matrix, probability, seats * 10.0, None, np.arange(n), parts, planned
    )  # fmt: skip


def test_value_and_risk_segments_partition_the_customers(base):
    cells: Any = value_risk(base)
    assert len(cells) == 9
    assert sum(cell.customers for cell in cells) == len(base)
    assert sum(cell.value for cell in cells) == pytest.approx(base.value.sum())
    assert sum(cell.at_risk for cell in cells) == pytest.approx(
        (base.value * base.probability).sum()
    )
    assert cells[0].name == "High value, high risk"


def test_a_high_churn_pair_is_named_by_its_traits_with_its_best_action(base):
    first = find_groups(base)[0]
    assert first.name == "Basic plan, In trial".replace("Basic", "basic")
    assert first.action == "A call"
    assert first.gain > 0


def test_without_a_significant_pair_there_is_no_group():
    rng = np.random.default_rng(1)
    matrix = rng.integers(0, 2, (2_000, 4)).astype(float)
    churned = (rng.random(2_000) < 0.1).astype(float)
    none = CustomerBase(
        COLUMNS, matrix, np.full(2_000, 0.1), None, churned, np.arange(0), np.zeros((0, 5)), None
    )  # fmt: skip
    assert find_groups(none) == ()


def test_clusters_recover_two_separate_groups(base):
    clusters, segments = find_clusters(base)
    assert clusters.stability > 0.5
    assert sum(segment.customers for segment in segments) == len(base)
    names = " ".join(segment.name for segment in segments)
    assert "igh uses" in names or "igh seats" in names


def test_new_customers_are_assigned_from_json_without_sklearn(base, tmp_path):
    import json

    clusters, _ = find_clusters(base)
    (tmp_path / "clusters.json").write_text(json.dumps(clusters.to_dict()))
    script = (
        "import json, sys\n"
        "from churnkit.insights.segmentation.kmeans import Clusters\n"
        f"clusters = Clusters.from_dict(json.load(open({str(tmp_path / 'clusters.json')!r})))\n"
        "print(clusters.assign([[60.0, 30.0], [4.0, float('nan')]]).tolist())\n"
        "assert 'sklearn' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    here = Clusters.from_dict(clusters.to_dict()).assign([[60.0, 30.0], [4.0, np.nan]])
    assert done.stdout.strip() == str(here.tolist())
    assert here[0] != here[1]


def test_clusters_of_too_few_customers_are_refused(base):
    few = CustomerBase(
        COLUMNS, base.matrix[:20], base.probability[:20], None, None, np.arange(0), np.zeros((0, 5)), None
    )  # fmt: skip
    with pytest.raises(DataError, match="60 customers"):
        find_clusters(few)


def test_drivers_rank_by_contributions_with_values_as_the_schema_words_them(base):
    def score(rows):
        both = (rows[:, 0] == 0) & (rows[:, 1] == 1)
        return logistic(-2.0 + np.where(both, 1.5, -0.2) - 0.01 * (rows[:, 2] - 27))

    found: Any = find_drivers(base, score, segments={"all": np.ones(len(base), dtype=bool)})
    assert [driver.column for driver in found.drivers] == ["trial", "uses"]
    assert {step.says for step in found.drivers[0].steps} == {"In trial", "Paying"}
    assert found.drivers[0].highest.says == "In trial"
    assert sum(driver.share for driver in found.drivers) == pytest.approx(1.0)
    assert found.segments[0][1][0][0] == "Trial"


def test_health_is_100_minus_the_probability_and_bands_cover_all_customers(base):
    found = measure_health(base, logistic)
    assert found.mean == pytest.approx(100 * (1 - base.probability.mean()))
    assert sum(band.customers for band in found.bands) == len(base)
    title, down, up = found.components[0]
    assert title == "Trial"
    assert -60 < down < 0 < up < 60


def test_scorecard_targets_default_to_the_previous_mean():
    import datetime as dt

    from churnkit.insights import retention_metrics

    rows = [
        {
            "customer": f"c{n}",
            "started": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            "ended": dt.datetime(2024, 2 + n, 10, tzinfo=dt.UTC) if n < 8 else None,
            "mrr": 10.0,
        }
        for n in range(40)
    ]
    retention = retention_metrics({"subscriptions": rows}, as_of="2024-11-01", threads=1)
    usual = {goal.name: goal for goal in build_scorecard(retention=retention).goals}
    asked = build_scorecard(retention=retention, targets={"churn": 0.5})
    given = {goal.name: goal for goal in asked.goals}
    assert usual["churn"].value == 0.0
    assert usual["churn"].met
    assert not usual["churn"].is_custom
    assert given["churn"].target == 0.5
    assert given["churn"].is_custom
    assert {goal.perspective for goal in asked.goals} == {"financial", "customer"}


def test_rfm_segments_cover_all_buyers_and_asleep_ones_rarely_return():
    import datetime as dt

    from churnkit.insights.metrics.revenue.orders import prepare_orders
    from churnkit.insights.sql_session import open_session

    rng = np.random.default_rng(2)
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    orders: list[Any] = [
        {
            "customer": f"c{n}",
            "date": start + dt.timedelta(days=int(day)),
            "amount": float(rng.integers(4, 400)) / 4,
        }
        for n in range(300)
        for day in rng.choice(360 if n % 3 else 120, size=1 + n % 7, replace=False)
    ]
    with open_session({"orders": orders}, as_of="2025-01-01", threads=1) as session:
        prepare_orders(session)
        found = {one.name: one for one in measure_rfm(session)}
    before = {o["customer"] for o in orders if o["date"] < start + dt.timedelta(days=276)}
    assert sum(one.customers for one in found.values()) == len(before)
    assert found["Asleep"].silent > found["Champions"].silent

"""A driver, a theme, a segment and effects that the simulator plants are found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from churnkit.contracts import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.validation.labels import encode_label
from churnkit.datasets import simulate
from churnkit.insights.customer_base import CustomerBase
from churnkit.insights.drivers import find_drivers
from churnkit.insights.metrics.retention import measure_retention
from churnkit.insights.metrics.treatment_effects import measure_effects
from churnkit.insights.segmentation.segments import find_groups
from churnkit.insights.sql_session import open_session
from churnkit.insights.text.voice_of_customer import (
    measure_themes,
    ticket_risk_ratios,
    usage_risk_ratios,
)


@pytest.fixture(scope="module")
def planted():
    return simulate(customers=20_000, months=24, seed=5)


@pytest.fixture(scope="module")
def base(planted):
    """Customers with who really left, scored by a small model."""
    from churnkit.models import LightGBMTrees
    from schemas.demo import Demo

    table = planted.snapshot(horizon_days=90)
    contract = learn_levels(Contract.from_schema(Demo), table)
    matrix = np.ascontiguousarray(
        TableEncoder(contract, "predict").encode(table, name="t").features
    )
    churned = encode_label(contract, table)[0].astype(float)
    model = LightGBMTrees(seed=0, categorical_features=contract.categorical_features)
    model.fit(matrix, churned)
    sample = np.arange(0, len(matrix), 4)
    base = CustomerBase(
        columns=contract.features,
        matrix=matrix,
        probability=model.predict_proba(matrix)[:, 1],
        value=None,
        churned=churned,
        sample=sample,
        contributions=model.scorer_.contributions(matrix[sample]),
        planned=None,
    )
    return base, lambda rows: model.predict_proba(rows)[:, 1]


def test_the_planted_segment_is_found_and_named(base):
    customers, _ = base
    first = find_groups(customers)[0]
    assert "Starter" in first.name
    assert "marketplace" in first.name
    assert first.observed > 1.5 * customers.churned.mean()


def test_the_planted_driver_is_found_by_its_open_tickets(base):
    customers, score = base
    drivers = find_drivers(customers, score, top=14).drivers
    titles = [driver.title for driver in drivers[:14]]
    tickets = {"Wait of the oldest open ticket", "Open tickets", "Tickets in the last 90 days"}
    assert tickets & set(titles)
    worst: Any = next(driver for driver in drivers if driver.title in tickets and driver.steps)
    assert worst.highest.everyone > 1.3 * worst.lowest.everyone


def test_drivers_are_not_called_causes(base):
    customers, score = base
    assert "not necessarily its cause" in find_drivers(customers, score).caution


@pytest.fixture(scope="module")
def opened(planted):
    names = ("subscriptions", "surveys", "tickets", "treatments", "events")
    tables = {name: planted.tables[name] for name in names}
    with open_session(tables, threads=1) as session:
        measure_retention(session)
        yield session


def test_the_planted_theme_is_found_and_common_among_churned_customers(opened):
    found: Any = measure_themes(opened)
    worst = max(found.themes, key=lambda theme: theme.lift or 0.0)
    assert "sync" in worst.terms
    assert worst.lift > 1.4
    assert worst.positive < min(t.positive for t in found.themes if "sync" not in t.terms)
    assert worst.examples


def test_tickets_about_the_planted_problem_precede_churn(opened):
    first: Any = ticket_risk_ratios(opened)[0]
    assert first.name == "sync"
    assert first.low > 1.0


def test_product_usage_is_associated_with_retention(opened):
    uses: Any = usage_risk_ratios(opened)
    assert all(one.value < 1.0 for one in uses)


def test_intervals_of_measured_effects_cover_the_truth(opened, planted):
    truth = planted.truth
    decisions = planted.tables["treatments"].to_pandas()
    effects = {effect.action: effect for effect in measure_effects(opened)}
    assert set(effects) == {"call", "discount", "training"}
    months = decisions["decided_at"].dt.tz_convert(None).unique()
    for place, action in enumerate(truth.actions[1:]):
        means, sizes = [], []
        for month in months:
            at = truth.effect(np.datetime64(month, "us"))[:, place]
            asked = decisions.loc[
                decisions["decided_at"].dt.tz_convert(None) == month, "customer_id"
            ]
            rows = np.searchsorted(truth.customer_id, asked.to_numpy(dtype=str))
            means.append(np.nanmean(at[rows]))
            sizes.append(len(rows))
        expected = np.average(means, weights=sizes)
        effect = effects[action]
        half = (effect.high - effect.low) / 2
        assert abs(effect.value - expected) < 1.5 * half
        assert effect.verdict == "reduces churn"

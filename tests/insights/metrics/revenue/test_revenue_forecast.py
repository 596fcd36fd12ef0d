from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from churnkit.insights import retention_metrics
from churnkit.insights.metrics.revenue.revenue_forecast import TenureRates
from churnkit.insights.metrics.survival import DAYS_A_MONTH
from churnkit.models.value import forecast_revenue

TODAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_probabilities_are_lost_revenue_over_revenue_at_risk_by_day_of_tenure():
    rng = np.random.default_rng(0)
    days = rng.uniform(0, 60, 500)
    entry = np.minimum(rng.uniform(0, 40, 500), days)
    churned, revenue = rng.random(500) < 0.4, rng.lognormal(size=500)
    lost, at_risk = np.zeros(60), np.zeros(60)
    for start, end, left, money in zip(entry, days, churned, revenue, strict=True):
        at_risk[int(start) : int(end) + 1] += money
        lost[int(end)] += money * left
    prior, overall = 5 * revenue.mean(), lost.sum() / at_risk.sum()
    rates = TenureRates.of(days, entry, churned, revenue)
    np.testing.assert_allclose(
        rates.probability[:60], (lost + prior * overall) / (at_risk + prior), rtol=1e-9
    )
    np.testing.assert_allclose(rates.probability[60:], overall)


def test_days_without_data_take_the_probability_of_a_year_earlier():
    number = np.arange(2000)
    days, churned = np.where(number < 1000, 500.0, 365.0), number >= 1700
    rates = TenureRates.of(days, np.zeros(2000), churned, np.ones(2000))
    assert rates.probability[365] == pytest.approx(300 / 2000, rel=0.01)
    longer = TenureRates.of(
        np.append(days, 900.0), np.zeros(2001), np.append(churned, False), np.ones(2001)
    )
    assert longer.probability[730] == pytest.approx(5 / 6 * 300 / 2000, rel=0.01)


def test_the_probability_of_staying_is_a_product_over_the_days_ahead():
    probability = np.random.default_rng(1).uniform(0, 0.02, 600)
    survival = TenureRates(probability, np.ones(600)).survival(np.array([0.0, 100.7]))
    for row, start in zip(survival, (0, 100.7), strict=True):
        for month, share in enumerate(row, start=1):
            until = int(start + month * DAYS_A_MONTH)
            expected = np.prod(1 - probability[int(start) + 1 : until + 1])
            assert share == pytest.approx(expected)


@pytest.mark.parametrize("contract", ["monthly", "annual"])
@pytest.mark.parametrize("customers", [300, 3000])
def test_intervals_hold_the_revenue_that_comes(contract, customers):
    """Lifetimes are drawn: at a constant rate, or at the end of the years of a contract."""
    held, bias = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        joined = rng.uniform(-1095, 0, customers)
        years = rng.geometric(0.3, customers)
        lifetime = 365.0 * years if contract == "annual" else rng.exponential(900, customers)
        revenue = rng.lognormal(sigma=0.5, size=customers)
        end = joined + lifetime
        seen = end > -365
        active, churned = end > 0, seen & (end <= 0)
        days, entry = np.minimum(end, 0) - joined, np.maximum(-365 - joined, 0)
        rates = TenureRates.of(days[seen], entry[seen], churned[seen], revenue[seen])
        influence = rates.influence(days[churned], -joined[active], revenue[active])
        forecast = forecast_revenue(
            revenue[active], rates.survival(-joined[active]),
            churned_revenue=revenue[churned] * influence, level=0.9, paths=400, seed=seed,
        )  # fmt: skip
        ahead = np.arange(1, 7) * DAYS_A_MONTH
        came = np.array([revenue[active & (end > day)].sum() for day in ahead])
        held.append((forecast.low <= came) & (came <= forecast.high))
        bias.append(forecast.closing[-1] / came[-1] - 1)
    assert 0.84 <= np.mean(held) <= 0.96
    assert abs(np.mean(bias)) < 0.01


def rows(count, *, end=None):
    started = TODAY - dt.timedelta(days=10 * DAYS_A_MONTH)
    return [
        {"customer": f"{end}{number}", "started": started, "ended": end, "mrr": 10.0}
        for number in range(count)
    ]


def test_the_figure_and_the_months_of_a_business():
    lost = [row for month in range(1, 10) for row in rows(3, end=TODAY - dt.timedelta(30 * month))]
    metrics = retention_metrics({"subscriptions": rows(100) + lost}, as_of=TODAY)
    forecast = metrics.forecast
    assert forecast is not None
    assert forecast.opening[0] == pytest.approx(1000.0, rel=0.02)
    assert len(forecast.closing) == 6
    figure = metrics["mrr_ahead"]
    assert (figure.value, figure.low, figure.high) == (
        forecast.closing[-1], forecast.low[-1], forecast.high[-1],
    )  # fmt: skip
    # 27 of 127 left in ten months of exposure.
    assert figure.value == pytest.approx(1000 * np.exp(-6 * 27 / 1140), rel=0.05)


@pytest.mark.parametrize(
    "table", [rows(5), rows(5, end=TODAY - dt.timedelta(30)), rows(1)], ids=["stay", "gone", "one"]
)
def test_a_business_without_customers_or_churn_has_no_forecast(table):
    metrics = retention_metrics({"subscriptions": table}, as_of=TODAY)
    assert metrics.forecast is None
    assert "mrr_ahead" not in {figure.name for figure in metrics.all_figures}

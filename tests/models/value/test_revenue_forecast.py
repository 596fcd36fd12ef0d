"""The revenue forecast against closed forms, and what it refuses."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import binom

from churnkit.models.errors import ModelDataError
from churnkit.models.value import forecast_revenue
from churnkit.models.value import revenue_forecast as module


def test_equal_customers_with_known_survival_are_binomial():
    survival = np.tile([0.9, 0.7, 0.4], (200, 1))
    forecast = forecast_revenue(np.full(200, 10.0), survival, paths=20_000)
    assert forecast.closing == pytest.approx(2000 * survival[0], rel=0.005)
    for month, share in enumerate(survival[0]):
        assert forecast.low[month] == pytest.approx(10 * binom.ppf(0.05, 200, share), abs=10)
        assert forecast.high[month] == pytest.approx(10 * binom.ppf(0.95, 200, share), abs=10)


def test_movements_add_up_in_every_month():
    rng = np.random.default_rng(0)
    survival = np.cumprod(rng.uniform(0.8, 1.0, (300, 6)), axis=1)
    forecast = forecast_revenue(
        rng.lognormal(3, 1, 300), survival,
        expansion=[0.01, 0.03, 0.02], contraction=[0.01, 0.0, 0.02], churned_revenue=[5.0] * 40,
    )  # fmt: skip
    moved = forecast.opening - forecast.churn - forecast.contraction + forecast.expansion
    assert moved == pytest.approx(forecast.closing)
    assert forecast.opening[1:] == pytest.approx(forecast.closing[:-1])
    assert forecast.expansion == pytest.approx(0.02 * forecast.opening, rel=0.2)
    assert ((forecast.low < forecast.closing) & (forecast.closing < forecast.high)).all()
    frame = forecast.to_frame()
    assert list(frame.index) == [1, 2, 3, 4, 5, 6]
    assert "<table" in forecast._repr_html_()


def test_many_customers_give_the_interval_of_customers_simulated_one_by_one(monkeypatch):
    rng = np.random.default_rng(1)
    revenue = rng.lognormal(3, 0.5, 3000)
    survival = np.cumprod(rng.uniform(0.9, 1.0, (3000, 4)), axis=1)
    forecast = partial(forecast_revenue, churned_revenue=np.full(50, 20.0), paths=4000)
    alone = forecast(revenue, survival)
    monkeypatch.setattr(module, "_SIMULATED", 100)
    together = forecast(revenue, survival)
    assert together.closing == pytest.approx(alone.closing, rel=0.002)
    for name in ("low", "high"):
        expected = getattr(alone, name) - alone.closing
        assert getattr(together, name) - together.closing == pytest.approx(expected, rel=0.12)


def test_the_error_of_the_level_is_that_of_the_effective_number_of_churned_customers():
    # One customer with nearly all revenue counts as one, however many others churned.
    many = forecast_revenue(np.ones(4000), np.full((4000, 1), 0.8), churned_revenue=np.ones(400))
    few = forecast_revenue(
        np.ones(4000), np.full((4000, 1), 0.8), churned_revenue=[1000.0, *np.full(399, 1e-6)]
    )
    assert few.high[0] - few.low[0] > 10 * (many.high[0] - many.low[0])
    # Of 4,000 customers 20% leave; 5% of the hazard, -log(0.8), is 4,000 x 0.8 x 0.223 x 5%.
    expected = 2 * 1.645 * np.hypot(4000 * 0.8 * -np.log(0.8) / 20, np.sqrt(4000 * 0.16))
    assert many.high[0] - many.low[0] == pytest.approx(expected, rel=0.08)


def test_no_revenue_stays_none_and_the_same_seed_gives_the_same_forecast():
    nothing = forecast_revenue([0.0, 0.0], np.zeros((2, 3)))
    assert nothing.closing.tolist() == nothing.high.tolist() == [0.0, 0.0, 0.0]
    first, again = (forecast_revenue([5.0, 9.0], [[0.5], [0.6]], seed=3) for _ in range(2))
    assert first.to_dict() == again.to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revenue": [1.0]}, "one number per customer"),
        ({"revenue": [1.0, np.nan]}, "negative or missing in 1 rows"),
        ({"survival": [[0.5, 0.6], [0.5, 0.5]]}, "increases in 1 rows"),
        ({"survival": [[1.5], [0.5]]}, "not a probability in 1 rows"),
        ({"survival": [0.5, 0.5]}, "one column per month"),
        ({"expansion": [0.1, 0.1, 0.1]}, "pass the same"),
        ({"expansion": [0.1], "contraction": [0.1]}, "at least 3"),
        ({"expansion": [-0.1] * 3, "contraction": [0.1] * 3}, "expansion must be shares"),
        ({"churned_revenue": []}, "some above zero"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"paths": 10}, "100 to"),
    ],
)
def test_invalid_input_is_refused(change, message):
    given = {"revenue": [1.0, 2.0], "survival": [[0.9], [0.8]], **change}
    with pytest.raises(ModelDataError, match=message):
        forecast_revenue(given.pop("revenue"), given.pop("survival"), **given)

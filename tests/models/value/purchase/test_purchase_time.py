"""The next purchase against integrals over the hidden rates, and against simulated futures."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from churnkit.models.errors import ModelDataError
from churnkit.models.value import BGNBD, MBGNBD, NextPurchase, ParetoNBD
from churnkit.models.value.purchase.pareto_nbd import _purchase_first

AT = {
    BGNBD: {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5},
    MBGNBD: {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5},
    ParetoNBD: {"r": 0.6, "alpha": 9.0, "s": 0.7, "beta": 12.0},
}
PROCESS = {BGNBD: "bg", MBGNBD: "mbg", ParetoNBD: "pareto"}
MODELS = list(AT)
ROWS = (np.array([0, 0, 3, 7, 12]), np.array([0, 0, 20, 29, 4.0]), np.array([0, 10, 30, 30, 50.0]))


def model_at(model, **parameters):
    fitted = model()
    fitted.params_ = AT[model] | parameters
    return fitted


def gamma_nodes(shape, scale):
    """Return log-spaced rates of a gamma law, and their probabilities."""
    logs = np.linspace(-45.0, 6.0, 1500)
    weights = stats.gamma(shape).pdf(np.exp(logs)) * np.exp(logs) * (logs[1] - logs[0])
    return np.exp(logs) / scale, weights


def bought_by(model, x, end, t):
    """Sum P(purchase within t | alive) over the rates of purchases and of leaving."""
    at = AT[model]
    rates, weights = gamma_nodes(at["r"] + x, at["alpha"] + end)
    if model is not ParetoNBD:
        return weights @ -np.expm1(-rates * t)
    leaving, chances = gamma_nodes(at["s"], at["beta"] + end)
    either = rates[:, None] + leaving
    return weights @ (rates[:, None] / either * -np.expm1(-either * t)) @ chances


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("t", [0.5, 12.0])
def test_the_probability_is_the_integral_over_hidden_rates(model, t):
    fitted = model_at(model)
    rows = tuple(column[1:3] for column in ROWS)
    wanted = [bought_by(model, x, end, t) for x, _, end in zip(*rows, strict=True)]
    found = fitted.purchase_probability(t, *rows)
    np.testing.assert_allclose(found, wanted * fitted.probability_alive(*rows), rtol=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("horizon", [None, 1e-3, 26.0, 1e6])
def test_quantiles_are_where_the_probability_reaches_their_share(model, horizon):
    fitted = model_at(model)
    times = fitted.next_purchase(*ROWS, horizon=horizon, level=0.8)
    for share, name in ((0.1, "low"), (0.5, "median"), (0.9, "high")):
        by_then = fitted.purchase_probability(getattr(times, name), *ROWS)
        np.testing.assert_allclose(by_then, share * times.probability, rtol=1e-9)
    if horizon is not None:
        within = fitted.purchase_probability(horizon, *ROWS)
        np.testing.assert_allclose(times.probability, within, rtol=1e-12)


def test_without_a_horizon_bg_customers_buy_as_long_as_they_are_alive():
    fitted = model_at(BGNBD)
    found = fitted.next_purchase(*ROWS).probability
    np.testing.assert_array_equal(found, fitted.probability_alive(*ROWS))


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-3, 5), st.floats(-3, 5), st.floats(-6, 6)
)  # logarithms of the shapes, log ratio of the scales
def test_who_comes_first_is_the_integral_over_the_time_of_leaving(log_k, log_s, log_odds):
    k, s, scale = np.exp(log_k), np.exp(log_s), np.exp(log_odds)

    def density(growth):  # of the purchase's time u, growth = log(1 + u)
        return k * np.exp(-k * growth - s * np.log1p(np.expm1(growth) / scale))

    edges = np.r_[0.0, np.geomspace(1e-4, 300.0, 40)]
    parts = [
        integrate.fixed_quad(density, low, high, n=30)[0] for low, high in itertools.pairwise(edges)
    ]
    tail = 300.0 * (k + s)
    found = _purchase_first(np.array([k]), float(s), np.array([log_odds]))[0]
    assert found == pytest.approx(sum(parts), rel=1e-9, abs=2 * np.exp(-min(tail, 700.0)))
    # Seen from the other side, leaving comes first.
    other = _purchase_first(np.array([s]), float(k), np.array([-log_odds]))[0]
    assert found + other == pytest.approx(1.0, rel=1e-12)


def test_a_constant_rate_of_leaving_is_the_limit_of_large_shapes():
    fitted = model_at(ParetoNBD, s=1e6, beta=1e7)  # a tenth leaves per unit of time
    found = fitted.next_purchase([2], [5.0], [5.0]).probability / fitted.probability_alive(
        [2], [5.0], [5.0]
    )
    rates, weights = gamma_nodes(2.6, 14.0)
    assert found[0] == pytest.approx(weights @ (rates / (rates + 0.1)), rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_simulated_customers_buy_when_they_should(model, draw_buyers):
    # Histories until 60, of which the models see the part until 20.
    x, last, end, following = draw_buyers(
        PROCESS[model], 2500, seed=5, end=20.0, follow=40.0, **AT[model]
    )
    fitted = model_at(model)
    for t in (2.0, 10.0, 40.0):
        chance = fitted.purchase_probability(t, x, last, end)
        error = (following <= t) - chance
        assert abs(error.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())
        # The deviations do not depend on the history.
        assert abs(error @ x) < 4 * np.sqrt((chance * (1 - chance)) @ x**2)
    times = fitted.next_purchase(x, last, end, horizon=40.0, level=0.8)
    bought = following <= 40.0
    inside = ((times.low <= following) & (following <= times.high))[bought]
    assert inside.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / bought.sum()))
    early = (following <= times.median)[bought]
    assert early.mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / bought.sum()))


def test_dates_count_from_the_first_day_that_was_not_observed():
    times = NextPurchase(
        np.array([0.5, 0.5]), np.array([1.0, 1e9]), np.array([0.0, 1 / 7]), np.array([1.01, np.inf]),
        level=0.9, horizon=None,
    )  # fmt: skip
    frame = times.dates("2026-01-01")
    assert frame["median"].tolist() == [pd.Timestamp("2026-01-07"), pd.NaT]
    assert frame["low"].tolist() == [pd.Timestamp("2026-01-01")] * 2
    assert frame["high"].tolist() == [pd.Timestamp("2026-01-08"), pd.NaT]
    days = times.dates("2026-01-01", unit_days=1.0)
    assert days["median"][0] == pd.Timestamp("2026-01-01")
    # Midnight in Berlin is 23:00 of the day before in UTC.
    for same_day in (pd.Timestamp("2026-01-01", tz="Europe/Berlin"), "2026-01-01T00:00+01:00"):
        pd.testing.assert_frame_equal(times.dates(same_day), frame)
    with pytest.raises(ModelDataError, match="unit_days"):
        times.dates("2026-01-01", unit_days=0.0)
    assert times.to_dict()["expected_customers_with_purchase"] == 1.0


@pytest.mark.parametrize("model", MODELS)
def test_invalid_settings_of_the_interval_are_refused(model):
    fitted = model_at(model)
    with pytest.raises(ModelDataError, match="horizon"):
        fitted.next_purchase(*ROWS, horizon=0.0)
    with pytest.raises(ModelDataError, match="level"):
        fitted.next_purchase(*ROWS, level=90)
    with pytest.raises(ModelDataError, match="t is negative"):
        fitted.purchase_probability(-1.0, *ROWS)

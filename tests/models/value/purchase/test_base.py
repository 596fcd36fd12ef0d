"""BG/NBD, MBG/NBD and Pareto/NBD against integrals, limits and the processes themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import betaln, gammaln, hyperu

from churnkit.models.errors import ModelDataError
from churnkit.models.value import BGNBD, MBGNBD, ParetoNBD
from churnkit.models.value.purchase.bg_nbd import _integrate_purchases, _purchases_alive_at
from churnkit.models.value.purchase.pareto_nbd import _time_alive
from churnkit.models.value.purchase.purchase_history import read_histories

AT = {
    BGNBD: {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5},
    MBGNBD: {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5},
    ParetoNBD: {"r": 0.6, "alpha": 9.0, "s": 0.7, "beta": 12.0},
}
PROCESS = {BGNBD: "bg", MBGNBD: "mbg", ParetoNBD: "pareto"}
MODELS = list(AT)

histories = st.tuples(
    st.integers(0, 60), st.floats(0.01, 1.0), st.floats(0.5, 200.0), st.integers(0, 2**32 - 1)
)


def model_at(model, parameters=None):
    fitted = model()
    fitted.params_ = AT[model] if parameters is None else parameters
    return fitted


def log_gammas(shape):
    """Return log-spaced nodes of a gamma law of scale one, with their log weights."""
    logs = np.linspace(-60.0, 8.0, 4001)
    weights = shape * logs - np.exp(logs) - gammaln(shape) + np.log(logs[1] - logs[0])
    return np.exp(logs), weights


def brute_force(model, x, last, end):
    """Integrate the likelihood over each customer's hidden rates, on a grid."""
    at = AT[model]
    rates, log_rates = log_gammas(at["r"])
    rates = rates / at["alpha"]
    if model is ParetoNBD:
        leaving, log_leaving = log_gammas(at["s"])
        leaving = leaving / at["beta"]
        # Over the rate of leaving: alive at the end, or gone at y since the last purchase.
        alive = np.exp(log_leaving - leaving * end).sum()
        gone = 0.0
        nodes, weights = np.polynomial.legendre.leggauss(200)
        moments = last + (end - last) * (nodes + 1) / 2
        density = np.array(
            [np.exp(log_leaving + np.log(leaving) - leaving * y).sum() for y in moments]
        )
        bought = np.array(
            [np.exp(log_rates + x * np.log(rates) - rates * y).sum() for y in moments]
        )
        gone = (weights * density * bought).sum() * (end - last) / 2
        return np.log(np.exp(log_rates + x * np.log(rates) - rates * end).sum() * alive + gone)
    first = 1 if model is MBGNBD else 0
    stays = np.exp(betaln(at["a"], at["b"] + x + first) - betaln(at["a"], at["b"]))
    leaves = np.exp(betaln(at["a"] + 1, at["b"] + x + first - 1) - betaln(at["a"], at["b"]))
    still = np.exp(log_rates + x * np.log(rates) - rates * end).sum() * stays
    gone = np.exp(log_rates + x * np.log(rates) - rates * last).sum() * leaves
    return np.log(still + (gone if x + first > 0 else 0.0))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("x", "last", "end"), [(0, 0.0, 10.0), (1, 3.0, 30.0), (7, 29.0, 30.0), (12, 4.0, 50.0)]
)
def test_the_likelihood_is_the_integral_over_hidden_rates(model, x, last, end):
    value = model_at(model)._log_likelihood(
        np.array(list(AT[model].values())), read_histories([x], [last], [end])
    )[0][0]
    assert value == pytest.approx(brute_force(model, x, last, end), abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=40, deadline=None)
@given(history=histories)
def test_the_gradient_is_that_of_the_likelihood(model, history):
    x, share, end, seed = history
    at = np.random.default_rng(seed).lognormal(0.5, 1.0, 4)
    rows = read_histories([x], [share * end if x else 0.0], [end])
    _, gradient = model()._log_likelihood(at, rows)
    for place, slope in enumerate(gradient[:, 0]):
        step = np.zeros(4)
        step[place] = 1e-5 * at[place]
        ahead, behind = (model()._log_likelihood(at + side * step, rows)[0][0] for side in (1, -1))
        assert slope == pytest.approx((ahead - behind) / (2 * step[place]), rel=2e-5, abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=40, deadline=None)
@given(history=histories)
def test_probabilities_and_forecasts_are_sound_whatever_the_customer(model, history):
    x, share, end, seed = history
    names = list(AT[model])
    at = dict(zip(names, np.random.default_rng(seed).lognormal(0.0, 1.0, 4), strict=True))
    row = ([x], [share * end if x else 0.0], [end])
    fitted = model_at(model, at)
    alive = fitted.probability_alive(*row)[0]
    assert 0 <= alive <= 1
    near, far = (fitted.conditional_expected_purchases(t, *row)[0] for t in (5.0, 50.0))
    assert 0 <= near <= far * (1 + 1e-9)
    # Nobody buys more than at the mean rate of who is alive throughout.
    rate = (at["r"] + x) / (at["alpha"] + end)
    assert far <= rate * 50.0 * alive * (1 + 1e-9)
    assert fitted.conditional_expected_purchases(0.0, *row)[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("a", [0.6, 1.0, 1.000001, 3.0, 30.0])
@pytest.mark.parametrize("shape", [0.3, 6.0, 250.0])
@pytest.mark.parametrize("ahead", [0.5, 40.0, 3000.0])
def test_expected_purchases_are_the_mean_over_chances_to_leave(a, shape, ahead):
    stays, time = 1.5 + shape, 30.0
    logits = np.linspace(-75, 60, 60_001)
    chance = 1 / (1 + np.exp(-logits))
    bought = -np.expm1(-shape * np.log1p(chance * ahead / time)) / chance
    log_density = -a * np.logaddexp(0, -logits) - stays * np.logaddexp(0, logits) - betaln(a, stays)
    wanted = integrate.trapezoid(bought * np.exp(log_density), logits)
    one = np.ones(1)
    found = _purchases_alive_at(shape * one, time * one, a, stays * one, ahead * one)[0]
    assert found == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("a", [0.02, 0.3, 0.9, 2.0, 15.0, 90.0])
def test_the_integral_that_stands_in_for_the_formula_agrees_with_it(a):
    rng = np.random.default_rng(int(a * 100))
    shape, stays = rng.lognormal(0, 1.5, 200), rng.lognormal(1, 1.5, 200)
    time, ahead = rng.uniform(1, 100, 200), rng.lognormal(3, 2, 200)
    formula = _purchases_alive_at(shape, time, a, stays, ahead)
    np.testing.assert_allclose(
        _integrate_purchases(shape, ahead / time, a, stays), formula, rtol=1e-7
    )


def test_time_alive_has_its_limit_where_the_formula_has_none():
    scale, ahead = np.array([12.0]), np.array([20.0])
    around = [_time_alive(1 + side, scale, ahead)[0] for side in (-1e-7, 1e-7)]
    assert _time_alive(1.0, scale, ahead)[0] == pytest.approx(12 * np.log(32 / 12), rel=1e-14)
    assert np.mean(around) == pytest.approx(12 * np.log(32 / 12), rel=1e-9)


def test_discounted_purchases_of_pareto_agree_with_their_closed_form():
    at, rate = AT[ParetoNBD], np.log(1.15) / 52
    x, last, end = np.array([0.0, 2, 9]), np.array([0.0, 20, 38]), np.full(3, 39.0)
    model = model_at(ParetoNBD)
    wanted = np.exp(
        at["r"] * np.log(at["alpha"]) + at["s"] * np.log(at["beta"]) + (at["s"] - 1) * np.log(rate)
        + gammaln(at["r"] + x + 1) - gammaln(at["r"])
        - (at["r"] + x + 1) * np.log(at["alpha"] + end) - model.log_likelihood(x, last, end)
    ) * hyperu(at["s"], at["s"], rate * (at["beta"] + end))  # fmt: skip
    found = model.discounted_expected_purchases(x, last, end, rate=rate)
    np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize("model", MODELS)
def test_without_discount_purchases_within_a_horizon_are_those_expected(model):
    rows = ([0, 4], [0.0, 20.0], [30.0, 25.0])
    fitted = model_at(model)
    np.testing.assert_allclose(
        fitted.discounted_expected_purchases(*rows, rate=0.0, horizon=26.0),
        fitted.conditional_expected_purchases(26.0, *rows),
        rtol=1e-12,
    )


@pytest.mark.parametrize("model", MODELS)
def test_discounted_purchases_are_the_integral_of_their_rate(model):
    rows = ([4], [20.0], [25.0])
    fitted = model_at(model)

    def slope(t):
        ahead, behind = (
            fitted.conditional_expected_purchases(t + h, *rows)[0] for h in (1e-4, -1e-4)
        )
        return np.exp(-0.01 * t) * (ahead - behind) / 2e-4

    wanted, _ = integrate.quad(slope, 1e-4, 100.0)
    found = fitted.discounted_expected_purchases(*rows, rate=0.01, horizon=100.0)[0]
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_parameters_of_the_process_lie_in_their_intervals(model, draw_buyers):
    truth = AT[model]
    rows = draw_buyers(PROCESS[model], 6000, seed=3, **truth)
    fitted = model().fit(*rows)
    for name, interval in fitted.intervals(level=0.999).items():
        assert interval.low < truth[name] < interval.high, name
    scores = model()._log_likelihood(np.array(list(truth.values())), read_histories(*rows))[0]
    # Twice the gain over the truth is chi-squared with four degrees of freedom.
    assert 0 <= 2 * (fitted.log_likelihood_ - scores.sum()) < stats.chi2.ppf(0.999, 4)


@pytest.mark.parametrize("model", MODELS)
def test_the_mean_of_purchases_news_is_what_the_process_yields(model, draw_buyers):
    x, _, end = draw_buyers(PROCESS[model], 6000, seed=4, **AT[model])
    wanted = model_at(model).expected_purchases(end).mean()
    assert x.mean() == pytest.approx(wanted, abs=4 * x.std() / np.sqrt(len(x)))


@pytest.mark.parametrize("model", MODELS)
def test_forecasts_of_purchases_news_average_over_their_first_weeks(model):
    fitted = model_at(model)
    assert fitted.expected_purchases([0.0])[0] == 0.0
    # A customer seen for no time at all is a newcomer.
    early = fitted.conditional_expected_purchases(20.0, [0], [0.0], [0.0])
    np.testing.assert_allclose(early, fitted.expected_purchases([20.0]), rtol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_the_unit_of_time_changes_only_times(model, buyers):
    x, last, end = buyers
    weeks, days = model().fit(x, last, end), model().fit(x, last * 7, end * 7)
    for name, value in weeks.params_.items():
        unit = 7 if name in {"alpha", "beta"} else 1
        assert days.params_[name] == pytest.approx(value * unit, rel=1e-6)
    # A density of moments shrinks by the unit for each purchase.
    shift = x.sum() * np.log(7)
    assert days.log_likelihood_ == pytest.approx(weeks.log_likelihood_ - shift, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_weights_count_customers(model, buyers):
    part = buyers[:, :300]
    doubled = model().fit(*np.tile(part, 2))
    weighted = model().fit(*part, sample_weight=np.full(300, 2.0))
    assert weighted.params_ == doubled.params_
    assert weighted.log_likelihood_ == doubled.log_likelihood_


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_customers_does_not_matter(model, buyers):
    shuffled = buyers[:, np.random.default_rng(0).permutation(buyers.shape[1])]
    assert model().fit(*shuffled).to_dict() == model().fit(*buyers).to_dict()


def test_customers_in_blocks_are_scored_as_alone(buyers, monkeypatch):
    model = BGNBD().fit(*buyers)
    whole = model.conditional_expected_purchases(10.0, *buyers)
    monkeypatch.setattr("churnkit.models.value.purchase.base._BLOCK_ROWS", 97)
    np.testing.assert_array_equal(model.conditional_expected_purchases(10.0, *buyers), whole)


@pytest.mark.parametrize("settings_", [{"rate": 0.0}, {"rate": -1.0}, {"rate": 0.1, "horizon": 0}])
def test_a_senseless_discount_is_refused(settings_):
    with pytest.raises(ModelDataError, match=r"rate|horizon"):
        model_at(BGNBD).discounted_expected_purchases([1], [2], [3], **settings_)

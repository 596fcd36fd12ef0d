"""sBG and BdW against published parameters, closed forms and the process."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaincc, gammaln, hyp2f1

from churnkit.models.errors import ModelDataError
from churnkit.models.value import BetaDiscreteWeibull, ShiftedBetaGeometric
from churnkit.models.value.contractual.tenures import Tenures

# Fader and Hardie (2007), table 1: percent of customers who survive years 0 to 12.
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4]
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3]
MODELS = [ShiftedBetaGeometric, BetaDiscreteWeibull]


def at(model, *values):
    fitted = model()
    fitted.params_ = dict(zip(model._names, values, strict=True))
    return fitted


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta"), [(HIGH_END, 0.668, 3.806), (REGULAR, 0.704, 1.182)]
)
def test_the_published_parameters_are_found_and_the_years_ahead_forecast(survivors, alpha, beta):
    model = ShiftedBetaGeometric().fit_survivors(survivors[:8])
    assert model.params_ == {
        "alpha": pytest.approx(alpha, abs=5e-4),
        "beta": pytest.approx(beta, abs=5e-4),
    }
    # The paper's point: years 8 to 12 come within two points of what was later seen.
    ahead = 100 * model.survival(np.arange(8, 13))
    np.testing.assert_allclose(ahead, survivors[8:], atol=2.0)


def test_the_parameters_that_others_find_for_bdw_are_found():
    # The R and Python packages "retenmod" print .2593, 1.7226 and 1.5844 for these five.
    model = BetaDiscreteWeibull().fit_survivors(HIGH_END[:5])
    np.testing.assert_allclose(list(model.params_.values()), [0.2593, 1.7226, 1.5844], atol=3e-4)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    duration=st.integers(1, 60),
    churned=st.booleans(),
    entry=st.integers(0, 59),
)
def test_the_gradient_is_that_of_the_likelihood(model, seed, duration, churned, entry):
    values = np.random.default_rng(seed).lognormal(0.0, 0.8, len(model._names))
    entered = min(entry, duration - churned)
    cells = Tenures(
        np.array([float(duration)]),
        np.array([churned]),
        np.array([float(entered)]),
        np.ones(1),
        np.empty((1, 0)),
    )
    _, gradient = model()._log_likelihood(values, cells)
    for place, slope in enumerate(gradient[:, 0]):
        step = np.zeros(len(values))
        step[place] = 3e-4 * values[place]
        ahead, behind = (model()._log_likelihood(values + s * step, cells)[0][0] for s in (1, -1))
        assert slope == pytest.approx((ahead - behind) / (2 * step[place]), rel=1e-4, abs=1e-4)


def test_bdw_with_c_one_is_sbg():
    plain, bent = at(ShiftedBetaGeometric, 0.8, 3.0), at(BetaDiscreteWeibull, 0.8, 3.0, 1.0)
    periods = np.arange(40)
    np.testing.assert_allclose(bent.survival(periods), plain.survival(periods), rtol=1e-12)


def test_retention_of_sbg_has_its_closed_form():
    t = np.arange(1, 50)
    found = at(ShiftedBetaGeometric, 0.8, 3.0).retention(t)
    np.testing.assert_allclose(found, (3.0 + t - 1) / (3.8 + t - 1), rtol=1e-12)


def test_survival_is_the_product_of_retentions():
    model = at(BetaDiscreteWeibull, 0.5, 2.0, 1.4)
    np.testing.assert_allclose(
        model.survival(np.arange(1, 30)), np.cumprod(model.retention(np.arange(1, 30))), rtol=1e-12
    )


@pytest.mark.parametrize("alpha", [1.001, 1.01, 1.05, 1.1, 1.2, 1.7, 30.0])
@pytest.mark.parametrize("model", MODELS)
def test_the_residual_lifetime_is_the_closed_form_also_where_its_tail_is_heavy(model, alpha):
    # (beta + tenure) / (alpha - 1): the mean of 1 / p - 1 under the posterior of p; BdW at c = 1.
    beta, tenure = 3.8, np.array([0.0, 5.0, 400.0])
    lifetime = (
        at(model, alpha, beta, 1.0) if model is BetaDiscreteWeibull else at(model, alpha, beta)
    )
    expected = (beta + tenure) / (alpha - 1)
    np.testing.assert_allclose(lifetime.expected_residual_lifetime(tenure), expected, rtol=1e-11)


# By mpmath with 80 digits: 4,000 terms of Gamma(beta + t^c) / Gamma(alpha + beta + t^c), then the
# Euler-Maclaurin formula with the integral by tanh-sinh quadrature in log t.
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ((2.0, 3.0, 0.6), (31.49405833677405, 107.4442884611875)),
        ((0.9, 2.0, 1.3), (9.91933464771655, 45.70153480647381)),
        ((5.0, 50.0, 2.0), (2.596271060696635, 1.0340529542006673)),
        ((20.0, 1e5, 1.5), (271.06686602618873, 265.0589253131699)),
        ((1.5, 10.0, 0.8), (84.47000357657663, 140.88990006451778)),
        ((3.0, 1e6, 1.2), (50904.978937837426, 50899.55645823664)),
        ((40.0, 3.0, 0.2), (1.2331973787659274, 44.88288074099983)),
        ((0.3, 2.0, 5.0), (2.744012765634006, 13.518177743503404)),
    ],
)
def test_the_residual_lifetime_of_bdw_agrees_with_mpmath(parameters, expected):
    lifetime = at(BetaDiscreteWeibull, *parameters).expected_residual_lifetime([0, 7])
    np.testing.assert_allclose(lifetime, expected, rtol=1e-10)


def residual_of_a_mixture(alpha, beta, c, tenure):
    """Return the expected renewals by integrating over customers instead of periods.

    A customer's rate q = -log(1 - p), with p ~ beta(alpha, beta), is constant: survival is
    exp(-q t^c), whose sum over periods has a tail by the incomplete gamma function (Euler-Maclaurin).
    """
    log_q = np.arange(-45.0 / min(alpha - 1 / c, 1.0) - 20.0, 9.0, 0.05)
    q = np.exp(log_q)
    # Density of log q among those who stayed until now.
    log_density = (alpha - 1) * np.log(-np.expm1(-q)) - beta * q + log_q - q * tenure**c
    log_density -= log_density.max()
    ages, last = (tenure + np.arange(1.0, 401.0)) ** c - tenure**c, tenure + 400.0
    near = np.exp(-q[:, None] * ages).sum(axis=1)
    edge, slope = np.exp(-q * ages[-1]), q * c * last ** (c - 1)
    near += -edge / 2 + edge * slope / 12
    with np.errstate(divide="ignore"):
        log_tail = np.log(gammaincc(1 / c, q * last**c)) + gammaln(1 + 1 / c) - log_q / c
    weight = np.exp(log_density)
    tail = np.exp(log_density + log_tail + q * tenure**c)
    return float((weight @ near + tail.sum()) / weight.sum())


@pytest.mark.parametrize("seed", range(30))
def test_the_residual_lifetime_of_bdw_is_that_of_the_mixture_of_customers(seed):
    rng = np.random.default_rng(seed)
    c, excess = float(np.exp(rng.uniform(-1.2, 1.1))), float(np.exp(rng.uniform(-1.5, 2.5)))
    alpha, beta = (1 + excess) / c, float(np.exp(rng.uniform(-2.0, 8.0)))
    tenure = float(rng.integers(0, 40))
    lifetime = at(BetaDiscreteWeibull, alpha, beta, c).expected_residual_lifetime([tenure])[0]
    expected = residual_of_a_mixture(alpha, beta, c, tenure)
    assert lifetime == pytest.approx(expected, rel=1e-8)


def test_a_steep_weibull_law_keeps_its_power_beyond_the_range_of_floats():
    # At c = 2000 the age t^c overflows from t = 2 on; S falls as t^-2 there, from C at t = 1.
    model = at(BetaDiscreteWeibull, 0.001, 2.0, 2000.0)
    ratio = model.conditional_survival(np.array([2.0, 8.0]), np.array([2.0, 2.0]))
    np.testing.assert_allclose(ratio, [2.0**-2, 5.0**-2], rtol=1e-9)
    terms = np.arange(3.0, 2_000_000)
    expected = 4 * ((terms**-2.0).sum() + 1 / terms[-1])
    assert model.expected_residual_lifetime([2])[0] == pytest.approx(expected, rel=1e-6)


def test_a_lifetime_without_mean_is_infinite_and_finite_within_a_horizon():
    model = at(ShiftedBetaGeometric, 0.7, 3.0)
    assert np.isinf(model.expected_residual_lifetime([2]))[0]
    within = model.expected_residual_lifetime([2], horizon=3)[0]
    assert within == pytest.approx(model.conditional_survival([1, 2, 3], [2, 2, 2]).sum())


def test_discounted_lifetime_of_sbg_has_its_closed_form():
    tenure, (alpha, beta), rate = np.array([0, 1, 4, 9]), (0.668, 3.806), 0.1
    wanted = (
        (beta + tenure)
        / (alpha + beta + tenure)
        * hyp2f1(1, beta + tenure + 1, alpha + beta + tenure + 1, 1 / (1 + rate))
    )
    found = at(ShiftedBetaGeometric, alpha, beta).discounted_residual_lifetime(tenure, rate=rate)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_tail_of_bdw_is_what_a_long_sum_gives():
    model = at(BetaDiscreteWeibull, 1.6, 2.0, 1.5)
    long = model.expected_residual_lifetime([3], horizon=1_000_000)
    np.testing.assert_allclose(model.expected_residual_lifetime([3]), long, rtol=1e-7)


def drawn_tenures(size, seed, alpha, beta):
    rng = np.random.default_rng(seed)
    leaves = rng.geometric(np.maximum(rng.beta(alpha, beta, size), 1e-12))
    return leaves, rng.integers(1, 13, size)


@pytest.mark.parametrize("model", MODELS)
def test_parameters_of_the_process_lie_in_their_intervals(model):
    leaves, seen = drawn_tenures(20_000, 0, 0.9, 4.0)
    churned = leaves <= seen
    fitted = model().fit(np.minimum(leaves, seen), churned)
    truth = {"alpha": 0.9, "beta": 4.0, "c": 1.0}
    for name, interval in fitted.intervals(level=0.999).items():
        assert interval.low < truth[name] < interval.high


def test_who_left_before_observation_began_is_allowed_for_by_entry():
    leaves, entry = drawn_tenures(30_000, 1, 0.9, 4.0)
    here = leaves > entry
    end = entry + 6
    duration, churned = np.minimum(leaves, end)[here], (leaves <= end)[here]
    corrected = ShiftedBetaGeometric().fit(duration, churned, entry=entry[here])
    for name, interval in corrected.intervals(level=0.999).items():
        assert interval.low < {"alpha": 0.9, "beta": 4.0}[name] < interval.high


def test_rows_and_survivors_tell_the_same():
    rows = ShiftedBetaGeometric().fit([1] * 30 + [2] * 12 + [2] * 58, [1] * 42 + [0] * 58)
    cohort = ShiftedBetaGeometric().fit_survivors([100, 70, 58])
    np.testing.assert_allclose(
        list(rows.params_.values()), list(cohort.params_.values()), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0] * 12, [1] * 12), "duration is 0 in 12 churned rows"),
        (([2] * 12, [0] * 12), "no customer churned"),
        (([2] * 12, [1] * 12), "all customers churned at the same renewal"),
        (([1] * 12, [1] * 6 + [0] * 6), "no customer was observed for two periods"),
        (([1.5] * 12, [1] * 12), "duration is not an integer in 12 rows"),
        (([1] * 12, [2] * 12), "churned is neither 0 nor 1"),
        (([1, 2, 3], [1, 1, 0]), "3 customers are too few"),
        (([np.nan] * 12, [1] * 12), "duration is missing or infinite in 12 rows"),
    ],
)
def test_durations_that_identify_no_model_are_refused(columns, message):
    with pytest.raises(ModelDataError, match=message):
        ShiftedBetaGeometric().fit(*columns)


def test_an_entry_after_the_end_is_refused():
    with pytest.raises(ModelDataError, match="entry exceeds the completed periods in 12 rows"):
        ShiftedBetaGeometric().fit([2] * 12, [1] * 12, entry=[2] * 12)


@pytest.mark.parametrize(
    ("survivors", "message"),
    [
        ([100, 80], "survivors needs at least 3 numbers, got 2"),
        ([100, 80, 90], "survivors increases 1 times"),
        ([1.0, 0.8, 0.7], "too few to fit"),
    ],
)
def test_survivors_that_are_not_a_cohort_are_refused(survivors, message):
    with pytest.raises(ModelDataError, match=message):
        BetaDiscreteWeibull().fit_survivors(survivors)


def test_a_rate_too_small_for_any_sum_asks_for_a_horizon():
    model = at(ShiftedBetaGeometric, 0.8, 3.0)
    with pytest.raises(ModelDataError, match="pass a horizon"):
        model.discounted_residual_lifetime([1], rate=1e-9)
    assert model.discounted_residual_lifetime([1], rate=1e-9, horizon=5)[0] < 5

"""Gamma-Gamma, lifetime value and contractual value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from churnkit.models.errors import ModelDataError
from churnkit.models.value import BGNBD, GammaGamma, contractual_value, lifetime_value
from churnkit.models.value.gamma_gamma import _log_likelihood

TRUTH = {"p": 6.0, "q": 3.8, "v": 15.0}


def draw_spending(size, seed):
    rng = np.random.default_rng(seed)
    x = rng.geometric(0.4, size)
    rate = rng.gamma(TRUTH["q"], 1 / TRUTH["v"], size)
    return x.astype(float), rng.gamma(TRUTH["p"] * x, 1 / (rate * x))


def test_the_likelihood_is_the_integral_over_hidden_means():
    p, q, v = TRUTH.values()
    for x, mean in [(1.0, 20.0), (4.0, 55.0)]:
        wanted, _ = integrate.quad(
            lambda rate: (
                stats.gamma.pdf(mean, p * x, scale=1 / (rate * x))  # noqa: B023
                * stats.gamma.pdf(rate, q, scale=1 / v)
            ),
            0,
            20,
            points=[0.1, 0.5],
            epsabs=0,
        )
        found = _log_likelihood(np.array([p, q, v]), np.array([x]), np.array([mean]))[0][0]
        assert found == pytest.approx(np.log(wanted), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(x=st.integers(1, 50), mean=st.floats(0.1, 1e4), seed=st.integers(0, 2**32 - 1))
def test_the_gradient_is_that_of_the_likelihood(x, mean, seed):
    at = np.random.default_rng(seed).lognormal(1.0, 1.0, 3)
    row = (np.array([float(x)]), np.array([mean]))
    _, gradient = _log_likelihood(at, *row)
    for place, slope in enumerate(gradient[:, 0]):
        step = np.zeros(3)
        step[place] = 1e-4 * at[place]
        ahead, behind = (_log_likelihood(at + side * step, *row)[0][0] for side in (1, -1))
        assert slope == pytest.approx((ahead - behind) / (2 * step[place]), rel=1e-4, abs=1e-4)


def test_parameters_of_the_process_lie_in_their_intervals():
    model = GammaGamma().fit(*draw_spending(8000, 0))
    for name, interval in model.intervals(level=0.999).items():
        assert interval.low < TRUTH[name] < interval.high


def test_expected_spend_is_the_mean_of_what_comes_next():
    rng = np.random.default_rng(1)
    rate = rng.gamma(TRUTH["q"], 1 / TRUTH["v"], 200_000)
    first = rng.gamma(TRUTH["p"], 1 / rate)
    later = rng.gamma(TRUTH["p"], 1 / rate)
    model = GammaGamma()
    model.params_ = dict(TRUTH)
    expected = model.expected_spend(np.ones(len(first)), first)
    for low, high in [(0, 15), (15, 40), (40, 1e9)]:
        band = (first >= low) & (first < high)
        error = later[band] - expected[band]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(band.sum())
    newcomers = model.expected_spend([0], [np.nan])[0]
    assert newcomers == pytest.approx(15.0 * 6.0 / 2.8)


def test_the_currency_changes_only_money():
    x, mean = draw_spending(500, 2)
    euros, cents = GammaGamma().fit(x, mean), GammaGamma().fit(x, mean * 100)
    assert cents.params_["v"] == pytest.approx(100 * euros.params_["v"], rel=1e-6)
    assert cents.params_["p"] == pytest.approx(euros.params_["p"], rel=1e-6)
    shift = len(x) * np.log(100)
    assert cents.log_likelihood_ == pytest.approx(euros.log_likelihood_ - shift, abs=1e-6)
    assert euros.log_likelihood(x, mean).sum() == pytest.approx(euros.log_likelihood_, abs=1e-8)


def test_customers_without_a_repeat_purchase_teach_spend_nothing():
    x, mean = draw_spending(300, 3)
    alone = GammaGamma().fit(x, mean)
    among = GammaGamma().fit(np.r_[x, np.zeros(50)], np.r_[mean, np.full(50, np.nan)])
    assert among.params_ == alone.params_
    assert among.n_customers_ == 300


def test_an_infinite_mean_is_said_so():
    model = GammaGamma()
    model.params_ = {"p": 6.0, "q": 0.9, "v": 15.0}
    assert np.isinf(model.expected_spend([0], [0.0]))[0]
    assert np.isfinite(model.expected_spend([1], [20.0]))[0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([1] * 12, [10.0] * 11 + [0.0]), "monetary is not above 0 in 1 rows"),
        (([1] * 12, [10.0] * 11 + [-5.0]), "monetary is not above 0 in 1 rows"),
        (([1] * 12, [10.0] * 11 + [np.nan]), "monetary is missing or infinite in 1 rows"),
        (([1] * 12, [10.0] * 12), "monetary is the same for every customer"),
        (([0] * 12, [0.0] * 12), "0 customers with a repeat purchase"),
        (([1] * 3, [10.0, 20.0, 30.0]), "3 customers with a repeat purchase"),
        (([1.5] * 12, [10.0] * 12), "frequency is not an integer in 12 rows"),
        (([1] * 12, [10.0] * 11), "monetary must have one number per row"),
        (([1] * 12, ["ten"] * 12), "monetary is not numeric"),
    ],
)
def test_invalid_spending_is_refused(columns, message):
    with pytest.raises(ModelDataError, match=message):
        GammaGamma().fit(*columns)


@pytest.fixture(scope="module")
def base(draw_buyers):
    rows = draw_buyers("bg", 1500, seed=5, r=0.6, alpha=4.0, a=0.9, b=2.5)
    rng = np.random.default_rng(6)
    rate = rng.gamma(TRUTH["q"], 1 / TRUTH["v"], rows.shape[1])
    x = np.maximum(rows[0], 1)
    return rows, np.where(rows[0] > 0, rng.gamma(TRUTH["p"] * x, 1 / (rate * x)), 0.0)


@pytest.fixture(scope="module")
def fitted(base):
    rows, monetary = base
    return BGNBD().fit(*rows), GammaGamma().fit(rows[0], monetary)


def worth(models, rows, monetary, **settings_):
    purchases, spend = models
    frequency, recency, end = rows
    return lifetime_value(purchases, spend, frequency, recency, end, monetary, **settings_)


def test_value_is_margin_times_spend_times_discounted_purchases(base, fitted):
    rows, monetary = base
    found = worth(fitted, rows, monetary, rate=0.003, margin=0.3, draws=0)
    wanted = (
        0.3
        * fitted[0].discounted_expected_purchases(*rows, rate=0.003)
        * fitted[1].expected_spend(rows[0], monetary)
    )
    np.testing.assert_allclose(found.value, wanted, rtol=1e-12)
    assert np.isnan(found.low).all()
    assert found.to_dict()["customers"] == len(wanted)


def test_intervals_hold_the_value_and_are_the_same_for_the_same_seed(base, fitted):
    rows, monetary = base
    few = rows[:, :50]
    first, again, other = (
        worth(fitted, few, monetary[:50], rate=0.003, horizon=52, draws=60, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.low, again.low)
    assert not np.array_equal(first.low, other.low)
    inside = (first.low <= first.value) & (first.value <= first.high)
    assert inside.mean() > 0.95
    assert first.total.low < first.total.value < first.total.high
    assert first.to_frame().shape == (50, 5)


def test_intervals_do_not_depend_on_the_blocks(base, fitted, monkeypatch):
    rows, monetary = base
    few, spent = rows[:, :40], monetary[:40]
    whole = worth(fitted, few, spent, rate=0.003, draws=20)
    monkeypatch.setattr("churnkit.models.value.lifetime._BLOCK_ROWS", 7)
    parts = worth(fitted, few, spent, rate=0.003, draws=20)
    np.testing.assert_allclose(parts.high, whole.high, rtol=1e-12)
    assert parts.total.high == pytest.approx(whole.total.high, rel=1e-12)


def test_intervals_of_the_total_cover_the_truth(draw_buyers):
    truth = {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5}
    exact, exact_spend = BGNBD(), GammaGamma()
    exact.params_, exact_spend.params_ = truth, dict(TRUTH)
    spend = GammaGamma().fit(*draw_spending(4000, 7))
    covered = 0
    for seed in range(8):
        rows = draw_buyers("bg", 1500, seed=100 + seed, **truth)
        monetary = np.where(rows[0] > 0, 30.0, 0.0)
        models = BGNBD().fit(*rows), spend
        found = worth(models, rows, monetary, rate=0.003, horizon=52, draws=40)
        wanted = exact.discounted_expected_purchases(*rows, rate=0.003, horizon=52)
        true = float(wanted @ exact_spend.expected_spend(rows[0], monetary))
        covered += found.total.low <= true <= found.total.high
    # Of eight intervals of 95%, fewer than five hold the truth once in three thousand times.
    assert covered >= 5


def test_bad_settings_are_refused_by_name(base, fitted):
    rows, monetary = base
    with pytest.raises(ModelDataError, match="level"):
        worth(fitted, rows, monetary, rate=0.003, level=2.0)
    with pytest.raises(ModelDataError, match="margin"):
        worth(fitted, rows, monetary, rate=0.003, margin=-1.0)
    with pytest.raises(ModelDataError, match="monetary"):
        worth(fitted, rows, monetary[:-1], rate=0.003)


def test_contractual_value_is_a_sum_over_periods():
    survival = np.array([[0.9, 0.8, 0.7], [0.5, 0.2, 0.1]])
    found = contractual_value([10.0, 100.0], survival, rate=0.05)
    wanted = [
        sum(m * s / 1.05 ** (t + 1) for t, s in enumerate(row))
        for m, row in zip((10.0, 100.0), survival, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


@pytest.mark.parametrize(
    ("margin", "survival", "message"),
    [
        ([1.0], [0.9, 0.8], "survival must have one row per customer"),
        ([1.0], [[0.9, 1.2]], "not a probability in 1 rows"),
        ([1.0], [[np.nan, 0.2]], "not a probability in 1 rows"),
        ([1.0], [[0.5, 0.6]], "survival increases in 1 rows"),
        ([1.0, 2.0], [[0.9, 0.8]], "margin must have one number"),
        ([np.nan], [[0.9, 0.8]], "margin is missing"),
    ],
)
def test_an_invalid_survival_curve_is_refused(margin, survival, message):
    with pytest.raises(ModelDataError, match=message):
        contractual_value(margin, survival, rate=0.01)


def test_the_likelihood_of_one_purchase_is_a_beta_prime_law():
    # For x = 1 the model says that spend over v is beta prime with p and q.
    p, q, v = TRUTH.values()
    spend = np.array([5.0, 40.0])
    wanted = stats.betaprime.logpdf(spend / v, p, q) - np.log(v)
    found = _log_likelihood(np.array([p, q, v]), np.ones(2), spend)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)

"""Purchase models with covariates, after Fader and Hardie's note on time-invariant covariates."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import integrate, stats

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.value import (
    BGNBD,
    MBGNBD,
    GammaGamma,
    ParetoNBD,
    lifetime_value,
    value_model_from_dict,
)
from churnkit.models.value.purchase.purchase_history import read_histories

BASE = {
    BGNBD: {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5},
    MBGNBD: {"r": 0.6, "alpha": 4.0, "a": 0.9, "b": 2.5},
    ParetoNBD: {"r": 0.6, "alpha": 9.0, "s": 0.7, "beta": 12.0},
}
FACTORS = {
    BGNBD: {"rate": 1.8, "a": 0.5, "b": 1.4},
    MBGNBD: {"rate": 1.8, "a": 0.5, "b": 1.4},
    ParetoNBD: {"rate": 1.8, "leaving": 0.4},
}
PROCESS = {BGNBD: "bg", MBGNBD: "mbg", ParetoNBD: "pareto"}
MODELS = list(BASE)
ROWS = (np.array([0, 1, 3, 7]), np.array([0, 3.0, 20, 29]), np.array([10, 30.0, 30, 30]))
PLUS = pd.DataFrame({"plus": [1, 0, 1, 0]})


def at_plus(model, plus):
    """Return the parameters of customers with a value of the covariate."""
    at = dict(BASE[model])
    at["alpha"] *= FACTORS[model]["rate"] ** -plus
    if model is ParetoNBD:
        at["beta"] *= FACTORS[model]["leaving"] ** -plus
    else:
        at["a"] *= FACTORS[model]["a"] ** plus
        at["b"] *= FACTORS[model]["b"] ** plus
    return at


def model_at(model, names=("plus",)):
    fitted = model()
    fitted.covariates_ = names
    fitted.params_ = BASE[model] | {
        f"{label}:{name}": value for label, value in FACTORS[model].items() for name in names
    }
    return fitted


def plain(model, plus):
    fitted = model()
    fitted.params_ = at_plus(model, plus)
    return fitted


@pytest.mark.parametrize("model", MODELS)
def test_each_customer_has_the_figures_of_its_own_parameters(model):
    fitted, rows = model_at(model), ROWS
    for name, extra, settings in (
        ("log_likelihood", (), {}),
        ("probability_alive", (), {}),
        ("conditional_expected_purchases", (12.0,), {}),
        ("purchase_probability", (4.0,), {}),
        ("discounted_expected_purchases", (), {"rate": 0.01}),
    ):
        found = getattr(fitted, name)(*extra, *rows, covariates=PLUS, **settings)
        for row, plus in enumerate(PLUS["plus"]):
            one = [column[[row]] for column in rows]
            wanted = getattr(plain(model, plus), name)(*extra, *one, **settings)
            np.testing.assert_allclose(found[row], wanted[0], rtol=1e-12, err_msg=name)
    times = fitted.next_purchase(*rows, horizon=20.0, covariates=PLUS).to_frame()
    for row, plus in enumerate(PLUS["plus"]):
        one = [column[[row]] for column in rows]
        wanted = plain(model, plus).next_purchase(*one, horizon=20.0).to_frame()
        np.testing.assert_allclose(times.iloc[row], wanted.iloc[0], rtol=1e-9)
    new = fitted.expected_purchases([5.0, 5.0], covariates=pd.DataFrame({"plus": [0, 1]}))
    wanted = [plain(model, plus).expected_purchases(5.0)[0] for plus in (0, 1)]
    np.testing.assert_allclose(new, wanted, rtol=1e-12)


def test_the_likelihood_of_pareto_is_the_integral_over_hidden_rates():
    x, last, end = (column[2] for column in ROWS)  # the third customer has the covariate
    at = at_plus(ParetoNBD, 1)
    rate = stats.gamma(at["r"], scale=1 / at["alpha"])
    leaving = stats.gamma(at["s"], scale=1 / at["beta"])

    def given(mu, lam):
        either = lam + mu
        history = lam**x / either * (mu * np.exp(-either * last) + lam * np.exp(-either * end))
        return history * rate.pdf(lam) * leaving.pdf(mu)

    logs = np.linspace(-30.0, 3.0, 1200)
    lam, mu = np.exp(logs)[:, None], np.exp(logs)
    wanted = np.log(integrate.simpson(integrate.simpson(given(mu, lam) * mu * lam, logs), logs))
    found = model_at(ParetoNBD).log_likelihood(*ROWS, covariates=PLUS)[2]
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_is_that_of_the_likelihood(model):
    columns = np.random.default_rng(0).normal(size=(4, 2))
    rows = read_histories(*ROWS)._replace(covariates=columns)
    at = np.array(list(model_at(model, ("a1", "a2")).params_.values()))
    _, gradient = model()._log_likelihood(at, rows)
    for place in range(len(at)):
        step = np.zeros(len(at))
        step[place] = 1e-5 * at[place]
        ahead, behind = (model()._log_likelihood(at + side * step, rows)[0] for side in (1, -1))
        np.testing.assert_allclose(
            gradient[place], (ahead - behind) / (2 * step[place]), rtol=2e-5, atol=1e-6
        )


@pytest.fixture(scope="module")
def drawn(draw_buyers):
    """Customers with and without the covariate, and a column that changes nothing."""
    tables = {}
    for model in MODELS:
        parts = [
            draw_buyers(PROCESS[model], 2500, seed=7 + plus, **at_plus(model, plus))
            for plus in (0, 1)
        ]
        noise = np.random.default_rng(3).normal(50.0, 10.0, 5000)
        covariates = pd.DataFrame({"plus": np.repeat([False, True], 2500), "age": noise})
        tables[model] = np.hstack(parts), covariates
    return tables


@pytest.mark.parametrize("model", MODELS)
def test_the_factors_of_the_process_lie_in_their_intervals(model, drawn):
    rows, covariates = drawn[model]
    fitted = model().fit(*rows, covariates=covariates)
    truth = BASE[model] | {f"{label}:plus": value for label, value in FACTORS[model].items()}
    truth |= {f"{label}:age": 1.0 for label in FACTORS[model]}
    assert set(fitted.params_) == set(truth)
    for name, interval in fitted.intervals(level=0.999).items():
        assert interval.low < truth[name] < interval.high, name
    # Twice the gain over the truth is chi-squared.
    at = np.array([truth[name] for name in fitted.params_])
    columns = covariates.to_numpy(dtype=float)
    scores = model()._log_likelihood(at, read_histories(*rows)._replace(covariates=columns))[0]
    gain = 2 * (fitted.log_likelihood_ - scores.sum())
    assert 0 <= gain < stats.chi2.ppf(0.999, len(at))
    assert fitted.log_likelihood_ == pytest.approx(
        fitted.log_likelihood(*rows, covariates=covariates).sum(), rel=1e-9
    )
    # Each group buys as often as expected, which a model without covariates misses.
    expected = fitted.expected_purchases(rows[2], covariates=covariates)
    alone = model().fit(*rows).expected_purchases(rows[2])
    error = rows[0][2500:].std() / np.sqrt(2500)
    assert abs(rows[0][2500:].mean() - expected[2500:].mean()) < 4 * error
    assert abs(rows[0][2500:].mean() - alone[2500:].mean()) > 4 * error


def test_the_unit_of_a_covariate_changes_only_its_factor(drawn):
    rows, covariates = drawn[BGNBD]
    years = BGNBD().fit(*rows, covariates=covariates[["age"]])
    months = BGNBD().fit(*rows, covariates=pl.DataFrame({"age": covariates["age"] * 12 - 100}))
    assert months.log_likelihood_ == pytest.approx(years.log_likelihood_, rel=1e-10)
    for label in FACTORS[BGNBD]:
        factor = np.log(years.params_[f"{label}:age"])
        assert np.log(months.params_[f"{label}:age"]) == pytest.approx(factor / 12, rel=1e-4)
        error = years.standard_errors_[f"{label}:age"] / years.params_[f"{label}:age"]
        other = months.standard_errors_[f"{label}:age"] / months.params_[f"{label}:age"]
        assert other == pytest.approx(error / 12, rel=1e-4)


def test_a_model_with_covariates_reads_back_and_values_customers(drawn):
    rows, covariates = drawn[BGNBD]
    fitted = BGNBD().fit(*rows, covariates=covariates)
    saved = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    loaded = value_model_from_dict(saved)
    assert loaded.to_dict() == fitted.to_dict()
    spent = np.random.default_rng(0).gamma(3.0, 10.0, len(rows[0]))
    spend = GammaGamma().fit(rows[0], spent)
    columns = covariates[["age", "plus"]]  # in another order
    x, last, end = rows
    worth = lifetime_value(
        loaded, spend, x, last, end, spent, rate=0.01, horizon=20.0, draws=5, covariates=columns
    )
    wanted = fitted.discounted_expected_purchases(
        *rows, rate=0.01, horizon=20.0, covariates=covariates
    )
    np.testing.assert_allclose(worth.purchases, wanted, rtol=1e-12)
    assert (worth.low <= worth.high).all()
    again = loaded.fit(*rows)
    assert again.covariates_ == ()
    assert set(again.params_) == set(BASE[BGNBD])
    for change in ({"covariates": [1]}, {"covariates": "plus"}, {"covariates": ["plus"]}):
        with pytest.raises(BundleError, match=r"covariates|keys"):
            value_model_from_dict(saved | change)


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        ({"plus": ["a", "b", "a", "b"]}, "'plus' must be numeric or boolean"),
        ({"plus": [1, None, 0, 1]}, "'plus' is missing or infinite in 1 rows"),
        ({"plus": [1, 0, 1]}, "must have 4 rows, got 3"),
        ({"other": [1, 0, 1, 0]}, "no column plus"),
        (None, "pass covariates with plus"),
    ],
)
def test_covariates_that_do_not_fit_are_refused_by_name(covariates, message):
    with pytest.raises(ModelDataError, match=message):
        model_at(BGNBD).probability_alive(
            *ROWS, covariates=None if covariates is None else pd.DataFrame(covariates)
        )


def test_covariates_without_information_are_refused_by_name(buyers):
    size = buyers.shape[1]
    one, random = np.ones(size), np.random.default_rng(0).random(size)
    with pytest.raises(ModelDataError, match="'same' has the same value"):
        BGNBD().fit(*buyers, covariates=pd.DataFrame({"same": one}))
    with pytest.raises(ModelDataError, match="linearly dependent"):
        BGNBD().fit(*buyers, covariates=pd.DataFrame({"yes": random > 0.5, "no": random <= 0.5}))
    with pytest.raises(ModelDataError, match="fitted without covariates"):
        BGNBD().fit(*buyers).probability_alive(*buyers, covariates=pd.DataFrame({"same": one}))

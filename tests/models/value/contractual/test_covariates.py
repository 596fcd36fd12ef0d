"""sBG and BdW with covariates, against published cohorts and the likelihood that scipy maximizes."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from scipy.special import betaln

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.value import BetaDiscreteWeibull, ShiftedBetaGeometric, value_model_from_dict
from churnkit.models.value.contractual.tenures import read_tenures

# Fader and Hardie (2007), table 1: percent of customers who survive years 0 to 7.
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1]
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1]
MODELS = [ShiftedBetaGeometric, BetaDiscreteWeibull]
BASE = {"alpha": 1.2, "beta": 4.0}
FACTORS = {"alpha:plus": 1.7, "beta:plus": 0.6}


def cohort_rows(survivors, regular):
    """Return the rows of one cohort: duration, churned, weight, covariate."""
    left = np.r_[-np.diff(survivors), survivors[-1]]
    last = len(survivors) - 1
    duration, churned = np.r_[1 : last + 1, last], np.r_[np.ones(last), 0]
    return np.array([duration, churned, left, np.full(last + 1, regular)])


def drawn_customers(size, seed):
    """Draw customers with a binary covariate, and a column that changes nothing."""
    rng = np.random.default_rng(seed)
    plus, age = rng.random(size) < 0.4, rng.normal(50.0, 10.0, size)
    alpha = BASE["alpha"] * FACTORS["alpha:plus"] ** plus
    beta = BASE["beta"] * FACTORS["beta:plus"] ** plus
    leaves = rng.geometric(np.maximum(rng.beta(alpha, beta), 1e-12))
    observed = rng.integers(1, 13, size)
    covariates = pd.DataFrame({"plus": plus, "age": age})
    return np.minimum(leaves, observed), leaves <= observed, covariates


def at(model, names=("plus",), **values):
    fitted = model()
    fitted.covariates_ = names
    fitted.params_ = BASE | ({"c": 1.3} if model is BetaDiscreteWeibull else {}) | values
    return fitted


def test_one_fit_of_both_published_cohorts_gives_the_parameters_of_each():
    rows = np.hstack([cohort_rows(HIGH_END, 0), cohort_rows(REGULAR, 1)])
    model = ShiftedBetaGeometric().fit(
        rows[0], rows[1], sample_weight=rows[2], covariates=pd.DataFrame({"regular": rows[3]})
    )
    params = model.params_
    assert params["alpha"] == pytest.approx(0.668, abs=5e-4)
    assert params["beta"] == pytest.approx(3.806, abs=5e-4)
    assert params["alpha"] * params["alpha:regular"] == pytest.approx(0.704, abs=5e-4)
    assert params["beta"] * params["beta:regular"] == pytest.approx(1.182, abs=5e-4)
    apart = [ShiftedBetaGeometric().fit_survivors(cohort) for cohort in (HIGH_END, REGULAR)]
    assert model.log_likelihood_ == pytest.approx(sum(one.log_likelihood_ for one in apart))


def test_the_fit_is_the_maximum_that_scipy_finds_of_the_published_likelihood():
    duration, churned, covariates = drawn_customers(1500, seed=3)
    columns = np.column_stack([np.ones(1500), covariates["plus"], (covariates["age"] - 50) / 10])

    def negative_log_likelihood(coefficients):
        alpha, beta = np.exp(columns @ coefficients.reshape(2, 3).T).T
        gone = betaln(alpha + 1, beta + duration - 1) - betaln(alpha, beta)
        here = betaln(alpha, beta + duration) - betaln(alpha, beta)
        return -np.where(churned, gone, here).sum()

    result = optimize.minimize(
        negative_log_likelihood, np.zeros(6), method="BFGS", options={"gtol": 1e-5}
    )
    model = ShiftedBetaGeometric().fit(duration, churned, covariates=covariates)
    assert model.log_likelihood_ == pytest.approx(-result.fun, rel=1e-9)
    logs = {name: np.log(value) for name, value in model.params_.items()}
    for place, name in enumerate(("alpha", "beta")):
        intercept, plus, age = result.x.reshape(2, 3)[place]
        assert logs[name] == pytest.approx(intercept - 5 * age, abs=2e-3)
        assert logs[f"{name}:plus"] == pytest.approx(plus, abs=5e-4)
        assert logs[f"{name}:age"] == pytest.approx(age / 10, abs=5e-5)
    # The standard errors are those of the second differences of the same function.
    step = 1e-3 * np.eye(6)
    value = negative_log_likelihood
    curvature = [
        [
            value(result.x + a + b)
            - value(result.x + a - b)
            - value(result.x - a + b)
            + value(result.x - a - b)
            for b in step
        ]
        for a in step
    ]
    errors = np.sqrt(np.diag(np.linalg.inv(np.array(curvature) / 4e-6))).reshape(2, 3)
    for place, name in enumerate(("alpha", "beta")):
        for column, error in (("plus", errors[place, 1]), ("age", errors[place, 2] / 10)):
            key = f"{name}:{column}"
            relative = model.standard_errors_[key] / model.params_[key]
            assert relative == pytest.approx(error, rel=2e-3)


@pytest.mark.parametrize("model", MODELS)
def test_the_factors_of_the_process_lie_in_their_intervals(model):
    duration, churned, covariates = drawn_customers(20_000, seed=0)
    fitted = model().fit(duration, churned, covariates=covariates)
    truth = BASE | FACTORS | {"c": 1.0, "alpha:age": 1.0, "beta:age": 1.0}
    for name, interval in fitted.intervals(level=0.999).items():
        assert interval.low < truth[name] < interval.high, name
    # Each group renews as often as expected, which a model without covariates misses.
    group = covariates["plus"].to_numpy()
    renewed = 1 - (churned & (duration == 1))[group].mean()
    expected = fitted.retention(np.ones(group.sum()), covariates=covariates[group]).mean()
    assert renewed == pytest.approx(expected, abs=0.02)
    assert abs(renewed - model().fit(duration, churned).retention(1)[0]) > 0.05


@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_is_that_of_the_likelihood(model):
    rows = read_tenures([1, 3, 4, 6], [1, 1, 0, 0], [0, 1, 0, 2])
    rows = rows._replace(covariates=np.random.default_rng(0).normal(size=(4, 2)))
    factors = {"alpha:a": 1.7, "alpha:b": 0.8, "beta:a": 0.6, "beta:b": 1.1}
    values = np.array(list(at(model, ("a", "b"), **factors).params_.values()))
    _, gradient = model()._log_likelihood(values, rows)
    for place in range(len(values)):
        step = np.zeros(len(values))
        step[place] = 1e-5 * values[place]
        ahead, behind = (model()._log_likelihood(values + s * step, rows)[0] for s in (1, -1))
        slope = (ahead - behind) / (2 * step[place])
        np.testing.assert_allclose(gradient[place], slope, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_each_customer_has_the_figures_of_its_own_parameters(model):
    fitted = at(model, **FACTORS)
    plus = np.array([1, 0, 1, 1])
    figures = {
        "survival": (([1, 2, 5, 5],), {}),
        "retention": (([1, 1, 4, 4],), {}),
        "conditional_survival": ((3, [0, 2, 2, 5]), {}),
        "expected_residual_lifetime": (([0, 0, 3, 3],), {}),
        "discounted_residual_lifetime": (([0, 0, 3, 3],), {"rate": 0.05}),
    }
    for name, (columns, settings) in figures.items():
        found = getattr(fitted, name)(*columns, covariates=[{"plus": z} for z in plus], **settings)
        for row, z in enumerate(plus):
            own = {key: BASE[key] * FACTORS[f"{key}:plus"] ** z for key in BASE}
            arguments = [np.broadcast_to(column, 4)[[row]] for column in columns]
            wanted = getattr(at(model, (), **own), name)(*arguments, **settings)
            np.testing.assert_allclose(found[row], wanted[0], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("model", MODELS)
def test_covariates_without_effect_change_no_figure(model):
    factors = dict.fromkeys(FACTORS, 1.0)
    with_column, without, zero = at(model, **factors), at(model, ()), at(model, **FACTORS)
    for fitted, value in ((with_column, 3), (zero, 0)):
        columns = [{"plus": value}] * 3
        for name, arguments in (
            ("survival", ([1, 4, 9],)),
            ("retention", ([1, 4, 9],)),
            ("expected_residual_lifetime", ([0, 4, 9],)),
        ):
            np.testing.assert_array_equal(
                getattr(fitted, name)(*arguments, covariates=columns),
                getattr(without, name)(*arguments),
            )


@pytest.mark.parametrize("model", MODELS)
def test_a_model_with_covariates_reads_back(model):
    duration, churned, covariates = drawn_customers(800, seed=1)
    fitted = model().fit(duration, churned, covariates=covariates)
    saved = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    loaded = value_model_from_dict(saved)
    assert loaded.to_dict() == fitted.to_dict()
    np.testing.assert_array_equal(
        loaded.survival(duration, covariates=covariates[["age", "plus"]]),
        fitted.survival(duration, covariates=covariates),
    )
    for change in ({"covariates": [1]}, {"covariates": "plus"}, {"covariates": ["plus"]}):
        with pytest.raises(BundleError, match=r"covariates|keys"):
            value_model_from_dict(saved | change)
    # A later fit without covariates forgets them.
    again = loaded.fit_survivors([1000, 869, 743, 653, 593])
    assert again.to_dict() == model().fit_survivors([1000, 869, 743, 653, 593]).to_dict()


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (None, "pass covariates with plus"),
        ({"plus": [1, 0, 1]}, "must have 2 rows, got 3"),
        ({"plus": [1, None]}, "'plus' is missing or infinite in 1 rows"),
        ({"other": [1, 0]}, "no column plus"),
    ],
)
def test_covariates_that_do_not_fit_are_refused_by_name(covariates, message):
    table = None if covariates is None else pd.DataFrame(covariates)
    with pytest.raises(ModelDataError, match=message):
        at(ShiftedBetaGeometric, **FACTORS).survival([1, 2], covariates=table)
    with pytest.raises(ModelDataError, match="fitted without covariates"):
        at(ShiftedBetaGeometric, ()).survival([1, 2], covariates=pd.DataFrame({"plus": [1, 0]}))

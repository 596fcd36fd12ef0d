"""What all value models share: clone, save and load, lazy import, and the same bytes again."""

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from churnkit.errors import BundleError
from churnkit.models import value
from churnkit.models.errors import ModelDataError

SPENT = np.random.default_rng(0).gamma(3.0, 10.0, 1500)


def fits(buyers):
    return {
        "BGNBD": lambda m: m.fit(*buyers),
        "MBGNBD": lambda m: m.fit(*buyers),
        "ParetoNBD": lambda m: m.fit(*buyers),
        "GammaGamma": lambda m: m.fit(buyers[0], SPENT),
        "ShiftedBetaGeometric": lambda m: m.fit_survivors([1000, 869, 743, 653, 593, 551]),
        "BetaDiscreteWeibull": lambda m: m.fit_survivors([1000, 869, 743, 653, 593, 551]),
    }


NAMES = list(fits(np.zeros((3, 1))))


@pytest.fixture(scope="module")
def fitted(buyers):
    return {name: fit(getattr(value, name)()) for name, fit in fits(buyers).items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_reads_back_from_json_exactly(name, fitted):
    saved = json.loads(json.dumps(fitted[name].to_dict(), allow_nan=False))
    loaded = value.value_model_from_dict(saved)
    assert type(loaded) is type(fitted[name])
    assert loaded.to_dict() == fitted[name].to_dict()
    assert loaded.intervals() == fitted[name].intervals()
    np.testing.assert_array_equal(
        loaded.draw_parameters(5, seed=1), fitted[name].draw_parameters(5, seed=1)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_model_fitted_again_is_the_same(name, fitted, buyers):
    again = fits(buyers)[name](clone(fitted[name]))
    assert json.dumps(again.to_dict()) == json.dumps(fitted[name].to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_standard_errors_are_those_of_a_bootstrap(name, fitted):
    model = fitted[name]
    drawn = model.draw_parameters(4000, seed=0)
    spread = np.log(drawn).std(axis=0)
    wanted = np.array([model.standard_errors_[key] / model.params_[key] for key in model.params_])
    np.testing.assert_allclose(spread, wanted, rtol=0.08)
    for key, interval in model.intervals().items():
        assert interval.low < model.params_[key] < interval.high


@pytest.mark.parametrize("name", NAMES)
def test_an_unfitted_model_says_so(name):
    with pytest.raises(NotFittedError):
        getattr(value, name)().to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format"),
        ({"model": "os.system"}, "model"),
        ({"params": {"r": 1.0}}, "must have the keys"),
        ({"params": {"r": 1.0, "alpha": -1.0, "a": 1.0, "b": 1.0}}, "above 0"),
        ({"params": {"r": 1.0, "alpha": "2", "a": 1.0, "b": 1.0}}, "alpha"),
        ({"params": {"r": 1.0, "alpha": float("nan"), "a": 1.0, "b": 1.0}}, "alpha"),
        ({"params": None}, "params"),
        ({"covariance": [[1.0]]}, "covariance"),
        ({"covariance": "none"}, "covariance"),
        ({"covariance": np.diag([1.0, 1.0, 1.0, -1.0]).tolist()}, "not positive definite"),
        ({"log_likelihood": None}, "log_likelihood"),
        ({"n_customers": 0}, "n_customers"),
        ({"at_edge": ["x"]}, "at_edge"),
    ],
)
def test_an_invalid_saved_model_is_refused_by_name(change, message, fitted):
    with pytest.raises(BundleError, match=message):
        value.value_model_from_dict(fitted["BGNBD"].to_dict() | change)


def test_a_flat_likelihood_is_saved_too(fitted):
    loaded = value.BGNBD.from_dict(fitted["BGNBD"].to_dict() | {"covariance": None})
    assert np.isnan(loaded.covariance_).all()
    assert loaded.to_dict()["covariance"] is None


def test_a_senseless_level_is_refused(fitted):
    with pytest.raises(ModelDataError, match="level"):
        fitted["BGNBD"].intervals(level=95)


def test_every_public_name_loads_and_importing_loads_nothing_heavy():
    for name in value.__all__:
        assert getattr(value, name).__name__ == name
    assert dir(value) == sorted(value.__all__)
    with pytest.raises(AttributeError, match="Oracle"):
        value.Oracle  # type: ignore[attr-defined]  # noqa: B018
    program = (
        "import sys, churnkit.models.value\n"
        "print([n for n in ('scipy', 'sklearn', 'pandas', 'lightgbm') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

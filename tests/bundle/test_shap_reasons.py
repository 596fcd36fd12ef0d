"""Points of reasons on the way from the base probability to the prediction."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.bundle.shap_reasons import reasons_for
from churnkit.contracts import Column
from churnkit.models import LightGBMTrees
from churnkit.models.calibration.maps import Calibration
from tests.bundle.conftest import contract

FEATURES = [Column(f"x{number}", "number", ("feature",)) for number in range(20)]
MAPS = [
    Calibration.identity(),
    Calibration.parametric("beta", 0.8, 1.3, -0.2),
    Calibration.isotonic([-3.0, 0.0, 2.0], [-4.0, -1.0, 3.0], below=0.5, above=2.0),
]


def explain(contributions, bias, calibration):
    rows = np.append(contributions, bias)[None, :]
    return reasons_for(FEATURES, np.zeros((1, 20)), rows, calibration, top=20)[0]


@pytest.mark.parametrize("calibration", MAPS)
@pytest.mark.parametrize("probability", [0.0025, 0.03, 0.265, 0.7, 0.9996])
@pytest.mark.parametrize("seed", range(3))
def test_points_of_all_features_are_the_way_from_base_to_prediction(calibration, probability, seed):
    # A customer with twenty reasons, at 99.96% and at 0.25% too.
    rng = np.random.default_rng(seed)
    bias = logit(0.265)
    contributions = rng.normal(size=20)
    contributions += (logit(probability) - bias - contributions.sum()) / 20
    reasons = explain(contributions, bias, calibration)
    base, end = calibration.apply([bias, logit(probability)])
    assert sum(reason.points for reason in reasons) == pytest.approx(100 * (end - base), abs=1e-6)


@pytest.mark.parametrize("probability", [0.0025, 0.5, 0.9996])
def test_points_are_aumann_shapley_values_on_the_straight_line(probability):
    # Integrated gradients of the logistic function along the line from the base to the score.
    bias = logit(0.2)
    contributions = np.linspace(-1.0, 1.0, 20) + (logit(probability) - bias) / 20
    total = contributions.sum()

    def density(step):
        value = expit(bias + step * total)
        return value * (1 - value)

    slope = quad(density, 0.0, 1.0, epsabs=1e-13)[0]
    by_column = {r.column: r.points for r in explain(contributions, bias, MAPS[0])}
    for number, contribution in enumerate(contributions):
        assert by_column[f"x{number}"] == pytest.approx(100 * contribution * slope, abs=1e-7)


def used_model():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 400), rng.integers(0, 60, 400), rng.random(400)])
    scorer = LightGBMTrees(rounds=5).fit(X, X[:, 1] < 20).scorer_
    return RetentionModel(ModelContents(contract(), scorer, Calibration.identity()))


def test_a_model_that_was_used_works_in_a_spawned_process_pool(customers):
    model = used_model()
    model.warm_up()
    expected = model.predict(customers)
    model.score_row(customers[1])
    model.explain(customers)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - its own bytes
    assert copy.predict(customers) == expected
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(model.predict, customers).result() == expected

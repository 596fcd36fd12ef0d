"""Rows drawn with more churners than the population has: the odds come back to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.evaluation import calibration_error, log_loss
from churnkit.models import (
    Calibration,
    ChurnClassifier,
    LightGBMTrees,
    LogisticModel,
    ModelDataError,
)
from churnkit.models.calibration.fit import fit_calibration
from churnkit.models.calibration.maps import METHODS
from churnkit.models.calibration.prior_correction import log_odds, population_weights, prior_shift


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_the_shift_is_bayes_rule(chance, rate, share):
    # P(churn | x) in the population, when each class was drawn at its own rate.
    churned, stayed = chance * rate / share, (1 - chance) * (1 - rate) / (1 - share)
    shifted = Calibration.identity().shifted(prior_shift(rate, share)).apply(log_odds([chance]))
    assert shifted[0] == pytest.approx(churned / (churned + stayed), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_every_map_can_be_shifted_and_saved(method):
    rng = np.random.default_rng(0)
    raw = rng.normal(size=400)
    left = (rng.random(400) < 1 / (1 + np.exp(-2 * raw))).astype(float)
    fitted = fit_calibration(raw, left, method=method)
    moved = fitted.shifted(-1.25)
    assert log_odds(moved.apply(raw)) == pytest.approx(log_odds(fitted.apply(raw)) - 1.25)
    again = Calibration.from_arrays(*moved.to_arrays())
    np.testing.assert_array_equal(again.apply(raw), moved.apply(raw))
    assert again.apply_one(0.3) == moved.apply(np.array([0.3]))[0]


def test_weights_bring_the_share_back_and_keep_the_number_of_rows():
    y = np.array([1, 0, 1, 0, 0], dtype=np.int8)
    weight = population_weights(0.02, y)
    assert weight.sum() == pytest.approx(5.0)
    assert np.average(y, weights=weight) == pytest.approx(0.02)


def test_a_draw_with_more_churners_predicts_the_population(customers):
    X, churned, _ = customers(9000, seed=1)
    rate = float(churned.mean())
    stayed = np.flatnonzero(churned == 0)[::6]
    drawn = np.sort(np.concatenate([np.flatnonzero(churned == 1), stayed]))
    candidates = [("logistic", LogisticModel(C=1.0)), ("trees", LightGBMTrees(max_rounds=100))]

    def fitted(**settings):
        model = ChurnClassifier(candidates=candidates, categorical_features=(2,), **settings)
        return model.fit(X[drawn], churned[drawn])

    plain, known = fitted(), fitted(population_rate=rate)
    fresh, came, chance = customers(20_000, seed=9)
    guess = known.predict_proba(fresh)[:, 1]
    assert calibration_error(came, plain.predict_proba(fresh)[:, 1]) > 0.1
    assert calibration_error(came, guess) < 0.03
    assert log_loss(came, guess) < log_loss(came, chance) + 0.03
    assert known.held_out_probability_.mean() < plain.held_out_probability_.mean()
    order = plain.predict_proba(fresh)[:, 1].argsort(kind="stable")
    assert (np.diff(guess[order]) >= 0).all()


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.2, float("nan")])
def test_a_rate_that_is_none_is_refused(customers, rate):
    X, churned, _ = customers(300)
    with pytest.raises(ModelDataError, match=r"population_rate must be between 0 and 1"):
        ChurnClassifier("fast", population_rate=rate).fit(X, churned)

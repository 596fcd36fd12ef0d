"""What a scorer has learnt."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.models import LightGBMTrees, ModelDataError
from churnkit.models.inspection import importance, partial_dependence


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 4))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(2 * X[:, 2] + X[:, 0]) + rng.normal(size=800) > 0).astype(int)
    return LightGBMTrees(rounds=40).fit(X, y), X


def test_importance_is_the_mean_of_the_absolute_shapley_values(fitted):
    model, X = fitted
    found = importance(model.scorer_, X, calibration=model.calibration_)
    expected = np.abs(model.booster_.predict(X, pred_contrib=True)[:, :-1]).mean(axis=0)
    np.testing.assert_allclose(found.log_odds, expected, atol=1e-12)
    assert found.order[:2].tolist() == [2, 0]
    assert found.points[2] > found.points[0] > found.points[1]


def test_weights_count_as_repetitions(fitted):
    model, X = fitted
    weight = np.arange(len(X)) % 3
    weighted = importance(model.scorer_, X, calibration=model.calibration_, sample_weight=weight)
    repeated = importance(
        model.scorer_, np.repeat(X, weight, axis=0), calibration=model.calibration_
    )
    np.testing.assert_allclose(weighted.points, repeated.points)


def test_dependence_is_the_mean_prediction_with_the_column_set(fitted):
    model, X = fitted
    values = [-1.0, 0.5, np.nan]
    found = partial_dependence(model.scorer_, X, 2, values, calibration=model.calibration_)
    for value, mean in zip(values, found, strict=True):
        changed = X.copy()
        changed[:, 2] = value
        assert mean == pytest.approx(model.predict_proba(changed)[:, 1].mean())
    assert found[1] > found[0]


def test_the_customers_are_left_as_they_were(fitted):
    model, X = fitted
    before = X.copy()
    partial_dependence(model.scorer_, X, 0, [3.0], calibration=model.calibration_)
    np.testing.assert_array_equal(before, X)


def test_what_cannot_be_asked_is_refused(fitted):
    model, X = fitted
    with pytest.raises(ModelDataError, match="no rows"):
        importance(model.scorer_, X[:0], calibration=model.calibration_)
    with pytest.raises(ModelDataError, match="no column 9"):
        partial_dependence(model.scorer_, X, 9, [0.0], calibration=model.calibration_)

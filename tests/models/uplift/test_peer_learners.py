"""Estimators of econml and causalml as learners of an uplift model (extra ``test-peers``)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from churnkit.models import UpliftModel
from churnkit.models.uplift.scorer import UpliftScorer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the other libraries
    reason = "the extra 'test-peers' is not installed"
    dml = pytest.importorskip("econml.dml", reason=reason)
    metalearners = pytest.importorskip("econml.metalearners", reason=reason)
    meta = pytest.importorskip("causalml.inference.meta", reason=reason)

N = 3000


def experiment(seed):
    """Draw two actions: the first works where x0 is high, the second for all, a little."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 3))
    effect = np.column_stack([np.where(X[:, 0] > 0, 1.0, 0.0), np.full(N, 0.3)])
    arm = rng.integers(0, 3, N)
    y = X[:, 1] + np.column_stack([np.zeros(N), effect])[np.arange(N), arm] + rng.normal(size=N)
    return X, y, arm, effect


def fit_and_compare(learner):
    X, y, arm, _ = experiment(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other library
        model = UpliftModel(learner, pairs=1, folds=2).fit(
            X, y, treatment=arm, propensity=np.full(N, 1 / 3)
        )
    again, _, _, effect = experiment(1)
    found = model.predict(again)
    assert model.learner_ == type(learner).__name__
    assert isinstance(model.scorer_, UpliftScorer)  # trees, and nothing of the other library
    assert found.shape == effect.shape
    assert np.corrcoef(found[:, 0], effect[:, 0])[0, 1] > 0.7
    assert found.mean(axis=0) == pytest.approx(effect.mean(axis=0), abs=0.15)


@pytest.mark.parametrize("name", ["LinearDML", "CausalForestDML", "XLearner"])
def test_an_estimator_of_econml_is_a_learner(name):
    models = {"model_y": LinearRegression(), "model_t": LogisticRegression()}
    settings = {**models, "discrete_treatment": True, "random_state": 0}
    trees = GradientBoostingRegressor(n_estimators=20, random_state=0)
    learners = {
        "LinearDML": lambda: dml.LinearDML(**settings),
        "CausalForestDML": lambda: dml.CausalForestDML(**settings, n_estimators=48, n_jobs=1),
        "XLearner": lambda: metalearners.XLearner(
            models=trees, propensity_model=LogisticRegression()
        ),
    }
    fit_and_compare(learners[name]())


@pytest.mark.parametrize("name", ["BaseXRegressor", "BaseTRegressor", "BaseSRegressor"])
def test_an_estimator_of_causalml_is_a_learner(name):
    trees = GradientBoostingRegressor(n_estimators=60, random_state=0)
    fit_and_compare(getattr(meta, name)(learner=trees, control_name="control"))

"""Estimators as learners: actions must not be read as doses of one treatment."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.models import UpliftModel
from churnkit.models.errors import ModelDataError

N = 600


class DoseEstimator:
    """The difference in means per dose, as econml's estimators fit it by default."""

    def __init__(self, *, discrete_treatment):
        self.discrete_treatment = discrete_treatment

    def fit(self, Y, T, X):
        self.slope = np.polyfit(T, Y, 1)[0]
        return self

    def effect(self, X, T0, T1):
        return np.full(len(X), self.slope * (T1 - T0))


def fit(learner, arms):
    rng = np.random.default_rng(0)
    X, arm = rng.normal(size=(N, 2)), rng.integers(0, arms, N)
    y = 0.5 * (arm > 0) + 0.1 * rng.normal(size=N)
    model = UpliftModel(learner, pairs=1, folds=2)
    return model.fit(X, y, treatment=arm, propensity=np.full(N, 1 / arms)), X


def test_an_estimator_that_reads_several_actions_as_doses_is_refused():
    with pytest.raises(ModelDataError, match=r"^learner DoseEstimator .* discrete_treatment=True"):
        fit(DoseEstimator(discrete_treatment=False), 3)


@pytest.mark.parametrize(("discrete_treatment", "arms"), [(False, 2), (True, 3)])
def test_one_action_or_discrete_actions_are_accepted(discrete_treatment, arms):
    model, X = fit(DoseEstimator(discrete_treatment=discrete_treatment), arms)
    assert model.learner_ == "DoseEstimator"
    if arms == 2:
        assert model.predict(X).mean() == pytest.approx(0.5, abs=0.05)

"""Checks between a fitted model and its bundle."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.errors import BundleError
from churnkit.evaluation import evaluate
from churnkit.models import LightGBMTrees
from churnkit.pipeline.training.fit import Fitted


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 4))
    y = (X[:, 0] + generator.normal(size=300) > 0.5).astype(int)
    model = LightGBMTrees(rounds=5).fit(X, y)
    probability = model.predict_proba(X)[:, 1]
    return Fitted(model, model, probability, probability, "", evaluate(y, probability)), X


def test_trees_that_score_as_lightgbm_does_are_saved(fitted):
    model, X = fitted
    model.refuse_disparity(X)
    assert np.isfinite(model.model.scorer_.raw_score(X)).all()


def test_a_single_bit_between_the_trees_and_lightgbm_is_refused(fitted, monkeypatch):
    model, X = fitted
    scores = model.model.scorer_.raw_score(X)
    scores[17] = np.nextafter(scores[17], np.inf)
    monkeypatch.setattr(type(model.model.scorer_), "raw_score", lambda self, rows: scores)
    with pytest.raises(BundleError, match="nothing was saved"):
        model.refuse_disparity(X)

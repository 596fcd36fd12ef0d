"""The estimators beside skrub, and their contributions in the plots of shap (extra ``test-peers``)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from churnkit.models import LightGBMTrees

skrub = pytest.importorskip("skrub")
shap = pytest.importorskip("shap")
plt = pytest.importorskip("matplotlib.pyplot")


def trees():
    return LightGBMTrees(rounds=20, num_leaves=4)


def test_a_vectorizer_of_skrub_comes_before_an_estimator(text_customers):
    X, y = text_customers
    pipeline = make_pipeline(skrub.TableVectorizer(), trees()).fit(X, y)
    assert pipeline.predict_proba(X).shape == (400, 2)


def test_shap_draws_the_exact_contributions(text_customers):
    X, y = text_customers
    numbers = X[["months", "spend"]]
    scorer = trees().fit(numbers, y).scorer_
    parts = scorer.contributions(numbers.to_numpy())
    explanation = shap.Explanation(
        parts[:, :-1],
        base_values=parts[:, -1],
        data=numbers.to_numpy(),
        feature_names=["months", "spend"],
    )
    shap.plots.beeswarm(explanation, show=False)
    labels = [label.get_text() for label in plt.gca().get_yticklabels()]
    plt.close("all")
    assert set(labels) >= {"months", "spend"}
    sums = parts[:, :-1].sum(axis=1) + parts[:, -1]
    assert np.allclose(sums, scorer.raw_score(numbers.to_numpy()), rtol=0, atol=1e-12)

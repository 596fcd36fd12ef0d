"""The estimators inside tools of others: pipelines, searches, skrub, and plots of shap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from churnkit.models import LightGBMTrees, LogisticModel


@pytest.fixture(scope="module")
def customers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "plan": rng.choice(["basic", "pro"], 400),
            "months": rng.integers(0, 60, 400).astype(float),
            "spend": rng.normal(50, 10, 400),
        }
    )
    risk = 1 / (1 + np.exp(0.08 * frame["months"] - 1.5))
    return frame, (rng.random(400) < risk).to_numpy()


def trees():
    return LightGBMTrees(rounds=20, num_leaves=4)


def test_a_search_tunes_an_estimator_in_a_pipeline(customers):
    X, y = customers
    pipeline = make_pipeline("passthrough", trees())
    grid = {"lightgbmtrees__num_leaves": [2, 4]}
    search = GridSearchCV(pipeline, grid, scoring="roc_auc", cv=2).fit(X, y)
    assert search.best_score_ > 0.7
    assert search.predict_proba(X).shape == (400, 2)


def test_cross_validation_scores_frames_with_text_columns(customers):
    X, y = customers
    assert cross_val_score(LogisticModel(cv=2), X, y, scoring="roc_auc", cv=2).mean() > 0.7


def test_a_vectorizer_of_skrub_comes_before_an_estimator(customers):
    skrub = pytest.importorskip("skrub", reason="the extra 'test-peers' is not installed")
    X, y = customers
    pipeline = make_pipeline(skrub.TableVectorizer(), trees()).fit(X, y)
    assert pipeline.predict_proba(X).shape == (400, 2)


def test_shap_draws_the_exact_contributions(customers):
    shap = pytest.importorskip("shap", reason="the extra 'test-peers' is not installed")
    plt = pytest.importorskip("matplotlib.pyplot", reason="the extra 'plot' is not installed")
    X, y = customers
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

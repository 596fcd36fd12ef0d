"""The estimators in pipelines and searches of scikit-learn."""

from __future__ import annotations

from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from churnkit.models import LightGBMTrees, LogisticModel


def trees():
    return LightGBMTrees(rounds=20, num_leaves=4)


def test_a_search_tunes_an_estimator_in_a_pipeline(text_customers):
    X, y = text_customers
    pipeline = make_pipeline("passthrough", trees())
    grid = {"lightgbmtrees__num_leaves": [2, 4]}
    search = GridSearchCV(pipeline, grid, scoring="roc_auc", cv=2).fit(X, y)
    assert search.best_score_ > 0.7
    assert search.predict_proba(X).shape == (400, 2)


def test_cross_validation_scores_frames_with_text_columns(text_customers):
    X, y = text_customers
    assert cross_val_score(LogisticModel(cv=2), X, y, scoring="roc_auc", cv=2).mean() > 0.7

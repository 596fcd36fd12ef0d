"""Differences over repeated folds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from churnkit.evaluation import EvaluationError, compare_models, corrected_interval
from churnkit.evaluation.classification.repeated_cv import repeated_folds
from churnkit.models import LogisticModel


def test_the_interval_is_nadeau_and_bengios():
    differences = np.random.default_rng(0).normal(0.1, 1.0, 10)
    result = corrected_interval(differences, test_share=0.2)
    scale = np.sqrt((1 / 10 + 0.25) * differences.var(ddof=1))
    low, high = stats.t.interval(0.95, 9, loc=differences.mean(), scale=scale)
    assert result.low == pytest.approx(low)
    assert result.high == pytest.approx(high)


def test_it_is_wider_than_the_plain_one_by_what_the_overlap_costs():
    differences = np.arange(10.0)
    result = corrected_interval(differences, test_share=0.2)
    plain = stats.t.interval(0.95, 9, loc=4.5, scale=differences.std(ddof=1) / np.sqrt(10))
    ratio = (result.high - result.low) / (plain[1] - plain[0])
    assert ratio == pytest.approx(np.sqrt((0.1 + 0.25) / 0.1))


def test_folds_hold_each_row_once_and_both_kinds_evenly():
    y = np.repeat([0, 1], [80, 20])
    tests = [test for _, test in repeated_folds(y, folds=5, repeats=2, seed=0)]
    assert sorted(np.concatenate(tests[:5])) == list(range(100))
    assert all(y[test].sum() == 4 for test in tests)
    assert not np.array_equal(tests[0], tests[5])


def test_all_rows_of_a_customer_are_in_one_fold():
    customer = np.repeat(np.arange(50), 3)
    y = (customer < 15) & (np.arange(150) % 3 == 2)
    for train, test in repeated_folds(y, folds=5, repeats=1, groups=customer, seed=0):
        assert not set(customer[train]) & set(customer[test])
        assert y[test].sum() == 3


def test_a_column_that_matters_makes_a_model_better_and_noise_makes_no_difference():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    y = X[:, 0] + rng.normal(size=600) > 0

    class Without(LogisticModel):
        def fit(self, X, y, sample_weight=None):
            return super().fit(self._cut(X), y, sample_weight)

        def predict_proba(self, X):
            return super().predict_proba(self._cut(X))

        def _cut(self, X):
            return np.asarray(X)[:, 1:]

    better = compare_models(LogisticModel(C=1.0), Without(C=1.0), X, y)
    assert better.verdict == "better"
    same = compare_models(LogisticModel(C=1.0), LogisticModel(C=1.2), X, y, metric="auc")
    assert str(same).startswith("no detectable difference")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"metric": "x"}, "no metric 'x'"), ({"folds": 90}, "too few"), ({"folds": 1}, "at least 2")],
)
def test_invalid_settings_are_refused(changes, message):
    X, y = np.zeros((100, 1)), np.repeat([0, 1], 50)
    with pytest.raises(EvaluationError, match=message):
        compare_models(LogisticModel(), LogisticModel(), X, y, **changes)

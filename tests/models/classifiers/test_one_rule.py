"""The rule baseline: one column, its rates, and the sentence that says it."""

import numpy as np
import pytest

from churnkit.evaluation import auc
from churnkit.models import ModelDataError, SingleFeatureRule, load_scorer


def test_the_column_that_tells_most_is_found():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 5))
    y = (rng.random(1000) < 1 / (1 + np.exp(-2 * X[:, 3]))).astype(int)
    assert SingleFeatureRule().fit(X, y).feature_ == 3


def test_a_number_of_noise_with_many_values_does_not_win(customers):
    X, churned, _ = customers(600)
    ids = np.arange(600.0)
    codes = np.random.default_rng(0).permutation(600).astype(float)
    rule = SingleFeatureRule(categorical_features=(2, 5)).fit(
        np.column_stack([X, ids, codes]), churned
    )
    assert rule.feature_ in {0, 2}


def test_the_rates_are_those_of_the_bins_shrunken_to_the_overall_rate():
    codes = np.repeat([0.0, 1.0], 50)
    y = np.concatenate([np.tile([1, 0], 25), np.tile([1, 0, 0, 0, 0], 10)])
    rule = SingleFeatureRule(categorical_features=(0,), shrinkage=20).fit(codes[:, None], y)
    assert rule.table_.rate[:2] == pytest.approx([(25 + 7) / 70, (10 + 7) / 70])
    chance = rule.predict_proba([[0.0], [1.0], [np.nan], [9.0]])[:, 1]
    assert chance == pytest.approx([32 / 70, 17 / 70, 0.35, 0.35])


def test_missing_values_are_a_bin_of_their_own():
    rng = np.random.default_rng(1)
    missing = rng.random(600) < 0.3
    X = np.where(missing, np.nan, rng.normal(size=600))[:, None]
    y = (rng.random(600) < np.where(missing, 0.9, 0.1)).astype(int)
    rule = SingleFeatureRule().fit(X, y)
    assert auc(y, rule.predict_proba(X)[:, 1]) > 0.85
    assert rule.describe(["last visit"]).startswith("Churn is ")
    assert "where last visit is missing" in rule.describe(["last visit"])


def test_a_value_on_an_edge_is_scored_as_it_was_counted():
    X = np.tile(np.arange(10.0), 30)[:, None]
    y = np.tile([1, 1, 1, 0, 0, 0, 0, 0, 0, 1], 30)
    rule = SingleFeatureRule().fit(X, y)
    rates = rule.table_.rate[rule.table_.bins(X[:, 0])]
    np.testing.assert_allclose(rule.predict_proba(X)[:, 1], rates, rtol=1e-9)
    assert ((rates > 0.5) == (y == 1)).all()


@pytest.mark.parametrize(
    ("values", "churned", "expected"),
    [
        (
            [1.0, 2.0],
            [1, 0],
            "Churn is 75% where tenure is below 2, and 25% where it is 2 or more.",
        ),
        ([5.0, 5.0], [1, 0], "No column separates churners: churn is 50%."),
    ],
)
def test_the_rule_is_said_in_a_sentence(values, churned, expected):
    X = np.tile(values, 20)[:, None]
    assert SingleFeatureRule().fit(X, np.tile(churned, 20)).describe(["tenure"]) == expected


def test_categories_are_said_in_their_own_words(customers):
    X, churned, _ = customers()
    rule = SingleFeatureRule(categorical_features=(2,)).fit(X[:, [2, 2, 2]], churned)
    assert rule.feature_ == 0
    rule = SingleFeatureRule(categorical_features=(0,)).fit(X[:, [2]], churned)
    said = rule.describe(["contract"], levels={0: ["monthly", "one year", "two years"]})
    assert "where contract is monthly" in said
    assert said.endswith("where it is two years.")
    assert "contract is 0" in rule.describe(["contract"])


def test_flags_are_said_as_yes_and_no():
    flag = np.arange(40.0) % 2
    rule = SingleFeatureRule().fit(flag[:, None], flag)
    said = rule.describe(["may be called"], levels={0: ("no", "yes")})
    assert said == "Churn is 75% where may be called is yes, and 25% where it is no."


def test_a_saved_rule_comes_back_the_same_and_explains_itself(customers):
    X, churned, _ = customers()
    scorer = SingleFeatureRule(categorical_features=(2,)).fit(X, churned).scorer_
    loaded = load_scorer(scorer.kind, *scorer.to_arrays())
    np.testing.assert_array_equal(loaded.raw_score(X), scorer.raw_score(X))
    assert np.count_nonzero(np.abs(scorer.contributions(X)[:, :-1]).sum(axis=0)) == 1


@pytest.mark.parametrize("settings", [{"bins": 0}, {"shrinkage": 0.0}])
def test_settings_that_make_no_rule_are_refused(settings):
    with pytest.raises(ModelDataError, match="bins must be"):
        SingleFeatureRule(**settings).fit([[1.0], [2.0]], [0, 1])


def test_fewer_churners_than_folds_are_refused():
    with pytest.raises(ModelDataError, match="2 churners are too few"):
        SingleFeatureRule().fit(np.arange(20.0)[:, None], [1, 1] + [0] * 18)

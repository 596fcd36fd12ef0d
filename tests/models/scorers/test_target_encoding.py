"""Categories of many levels as numbers: shrunken, learned on other rows, saved and explained."""

import numpy as np
import pytest

from churnkit.errors import BundleError
from churnkit.models import LightGBMTrees, LogisticModel, load_scorer
from churnkit.models.scorers.fold_encoding import cross_encode
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.models.scorers.target_encoding import LevelTable, TargetEncoding
from churnkit.models.training_rows import TrainingRows


@pytest.fixture(scope="module")
def cities():
    """Draw customers of 300 cities, of which each has a churn rate of its own."""
    rng = np.random.default_rng(0)
    city = rng.zipf(1.4, 6000) % 300
    effect = rng.normal(0, 1.2, 300)
    number = rng.normal(size=6000)
    chance = 1 / (1 + np.exp(1.5 - effect[city] - 0.5 * number))
    churned = (rng.random(6000) < chance).astype(float)
    city = city.astype(float)
    city[:100] = np.nan
    return np.column_stack([number, city]), churned, chance


def test_rates_are_those_of_a_slow_count_shrunken_to_the_overall_rate(cities):
    X, churned, _ = cities
    rows = TrainingRows.from_arrays(X, churned)
    table = TargetEncoding.fit(rows, [1]).tables[0]
    overall = churned.mean()
    prior = {
        (churned[X[:, 1] == code].sum() - table.rate[code] * (X[:, 1] == code).sum())
        / (table.rate[code] - overall)
        for code in range(20)
    }
    # One number of customers joins every level, and it lies where the cities' spread puts it.
    assert np.ptp(list(prior)) < 1e-6
    assert 1 < min(prior) < 20
    assert table.frequency[3] == pytest.approx(np.log1p((X[:, 1] == 3).sum()))


def test_levels_that_only_chance_tells_apart_are_all_but_pooled():
    rng = np.random.default_rng(0)
    column = rng.integers(0, 200, 4000).astype(float)
    churned = (rng.random(4000) < 0.3).astype(float)
    table = LevelTable.fit(column, churned, np.ones(4000), levels=200, overall=churned.mean())
    assert np.ptp(table.rate) < 0.1


def test_a_training_rows_rate_does_not_know_its_own_outcome():
    rng = np.random.default_rng(0)
    # Each code once: all that a level says is its row's outcome.
    codes = np.arange(2000.0)[:, None]
    churned = (rng.random(2000) < 0.3).astype(float)
    encoded = cross_encode(TrainingRows.from_arrays(codes, churned), [0], seed=0)
    assert abs(np.corrcoef(encoded[:, 0], churned)[0, 1]) < 0.05 or np.ptp(encoded[:, 0]) < 1e-12
    assert (encoded[:, 1] == 0).all()


@pytest.mark.parametrize(
    "model",
    [
        LightGBMTrees(rounds=30, target_encoding_threshold=50, categorical_features=(1,)),
        LogisticModel(C=1.0, target_encoding_threshold=50, categorical_features=(1,)),
    ],
)
def test_what_a_bundle_saves_scores_the_same_and_explains_itself(cities, model):
    X, churned, _ = cities
    scorer = model.fit(X, churned).scorer_
    assert scorer.kind == "statistics"
    odd = np.array([[0.0, np.nan], [0.0, 5000.0], [0.0, 3.5], [0.0, -1.0], [np.nan, 7.0]])
    rows = np.vstack([X[:50], odd])
    saved = load_scorer(scorer.kind, *scorer.to_arrays())
    np.testing.assert_array_equal(saved.raw_score(rows), scorer.raw_score(rows))
    one = [saved.raw_score_row(row) for row in rows.tolist()]
    np.testing.assert_array_equal(one, scorer.raw_score(rows))
    parts = saved.contributions(rows)
    assert parts.shape == (len(rows), 3)
    np.testing.assert_allclose(parts.sum(axis=1), scorer.raw_score(rows), atol=1e-9)


def test_statistics_tell_cities_apart_better_than_reading_them_one_by_one(cities):
    X, churned, chance = cities
    train, test = slice(0, 4000), slice(4000, None)

    def error(levels):
        model = LightGBMTrees(target_encoding_threshold=levels, categorical_features=(1,), cv=3)
        guess = model.fit(X[train], churned[train]).predict_proba(X[test])[:, 1]
        return float(np.mean((guess - chance[test]) ** 2))

    assert error(50) < error(None)


def test_a_hundred_thousand_levels_are_read_in_seconds():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=20_000), rng.integers(0, 100_000, 20_000)])
    churned = rng.random(20_000) < 0.2
    model = LightGBMTrees(rounds=20, target_encoding_threshold=24, categorical_features=(1,))
    guess = model.fit(X, churned).predict_proba(X)[:, 1]
    # Nothing is to be learned, and nothing is.
    assert guess.std() < 0.05


@pytest.mark.parametrize(
    "spoil",
    [
        lambda settings, arrays: settings.pop("inner"),
        lambda settings, arrays: settings["inner"].update(kind="statistics"),
        lambda settings, arrays: settings["inner"].update(kind="ensemble"),
        lambda settings, arrays: settings.update(n_features=7),
        lambda settings, arrays: arrays.update(columns=np.array([5])),
        lambda settings, arrays: arrays.update(sizes=np.array([2**62])),
        lambda settings, arrays: arrays.update(rate=np.append(arrays["rate"][:-1], np.nan)),
        lambda settings, arrays: arrays.update(missing=np.zeros(3)),
        lambda settings, arrays: arrays.pop("inner_knots"),
    ],
)
def test_damaged_arrays_are_refused(cities, spoil):
    X, churned, _ = cities
    model = LogisticModel(C=1.0, target_encoding_threshold=50, categorical_features=(1,))
    settings, arrays = model.fit(X, churned).scorer_.to_arrays()
    spoil(settings, arrays)
    with pytest.raises(BundleError):
        TargetEncodedScorer.from_arrays(settings, arrays)

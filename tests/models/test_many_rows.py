"""Many rows, moments, interrupts: what a contest says before, and what it keeps."""

import numpy as np
import pytest

from churnkit.evaluation import log_loss
from churnkit.models import (
    ChurnClassifier,
    LightGBMTrees,
    LogisticModel,
    ModelDataError,
    churn_classifier,
)
from churnkit.models.classifiers.logistic_encoding import design_width, encode_columns, limit_knots
from churnkit.models.folds import forward_folds, make_folds
from churnkit.models.selection.cost_estimate import estimate_cost, measure_pace
from churnkit.models.selection.presets import profile_candidates
from churnkit.models.training_rows import TrainingRows, subsample

QUICK = [
    ("logistic", LogisticModel(C=1.0)),
    ("trees", LightGBMTrees(learning_rate=0.1, max_rounds=100)),
]


def test_a_sample_keeps_the_churn_rate_by_its_weights_whatever_it_draws():
    rng = np.random.default_rng(0)
    outcome = (rng.random(200_000) < 0.02).astype(float)
    rows = TrainingRows.from_arrays(rng.normal(size=(200_000, 2)), outcome)
    few, at = subsample(rows, 5_000, seed=0)
    assert few.outcome.sum() == 2_000
    assert few.weight @ few.outcome / few.weight.sum() == pytest.approx(outcome.mean(), rel=1e-9)
    assert few.weight.sum() == pytest.approx(5_000)
    np.testing.assert_array_equal(few.matrix, rows.matrix[at])
    assert (np.diff(at) > 0).all()
    np.testing.assert_array_equal(subsample(rows, 5_000, seed=0)[1], at)


def test_a_contest_on_a_sample_is_calibrated_for_all_rows(customers):
    X, churned, _ = customers(12_000)
    said: list[str] = []
    model = ChurnClassifier(candidates=QUICK, categorical_features=(2,), selection_rows=2_000)
    model.fit(X, churned, progress=said.append)
    assert "12,000 rows of 4 columns, compared on 2,000" in said[0]
    assert np.isfinite(model.held_out_probability_).sum() == 2_000
    fresh, left, chance = customers(20_000, seed=9)
    guess = model.predict_proba(fresh)[:, 1]
    assert guess.mean() == pytest.approx(left.mean(), abs=0.02)
    assert log_loss(left, guess) < log_loss(left, chance) + 0.02


def test_effort_grows_with_rows_and_with_the_profile():
    def effort(profile, rows):
        return estimate_cost(
            profile_candidates(profile, rows=rows, seed=0),
            rows=rows,
            columns=30,
            selection_rows=50_000,
            folds=5,
        )

    few, many = effort("fast", 10_000), effort("fast", 1_000_000)
    assert few.cpu_seconds < many.cpu_seconds < 3_600
    assert few.memory_bytes < many.memory_bytes < 8e9
    assert few.cpu_seconds < effort("balanced", 10_000).cpu_seconds
    assert many.to_dict()["selection_rows"] == 50_000


def test_progress_names_each_candidate_and_its_loss(customers):
    X, churned, _ = customers(500)
    said: list[str] = []
    ChurnClassifier(candidates=QUICK, cv=3).fit(X, churned, progress=said.append)
    assert "candidate 1 of 2: logistic, 3 folds" in said
    assert any(says.startswith("trees: log loss 0.") for says in said)
    assert said[-1].startswith("fitting ")


def test_an_interrupt_keeps_the_best_model_so_far(customers, monkeypatch):
    X, churned, _ = customers(500)

    def interrupted(self, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(LightGBMTrees, "cross_fit", interrupted)
    model = ChurnClassifier(candidates=QUICK, cv=3).fit(X, churned)
    assert model.interrupted_
    assert model.winner_ == "logistic"
    with pytest.raises(KeyboardInterrupt):
        ChurnClassifier(candidates=QUICK[1:], cv=3).fit(X, churned)


def test_folds_go_forward_in_whole_moments():
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 40, 1000))
    rows = TrainingRows.from_arrays(np.zeros((1000, 1)), (rng.random(1000) < 0.5).astype(float))
    folds = forward_folds(rows, times, parts=4)
    assert len(folds) == 4
    for fold in folds:
        assert times[fold.train].max() < times[fold.test].min()
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(
        range(folds[0].test.min(), 1000)
    )


def test_calibration_is_that_of_later_rows(customers):
    X, churned, _ = customers(6_000)
    rng = np.random.default_rng(3)
    month = np.arange(6_000) % 6
    # From month 2 on half of those who would have left are won back.
    churned = np.where((month >= 2) & (rng.random(6_000) < 0.5), 0, churned)
    later = ChurnClassifier(candidates=QUICK, categorical_features=(2,)).fit(
        X, churned, times=month
    )
    held = np.isfinite(later.held_out_probability_)
    assert not held[month == 0].any()
    assert held[month == 5].all()
    last = month >= 3
    guess = later.predict_proba(X[last])[:, 1]
    assert guess.mean() == pytest.approx(churned[last].mean(), abs=0.02)


def test_two_snapshot_times_are_too_few(customers):
    X, churned, _ = customers(400)
    with pytest.raises(ModelDataError, match="at least 3 snapshot times, got 2"):
        ChurnClassifier(candidates=QUICK).fit(X, churned, times=np.arange(400) % 2)


def test_folds_in_time_without_early_churners_are_refused(customers):
    X, _, _ = customers(400)
    late = np.append(np.zeros(390), np.ones(10))
    with pytest.raises(ModelDataError, match="fewer than 2 folds forward in time"):
        ChurnClassifier(candidates=QUICK).fit(X, late, times=np.arange(400) // 100)


def test_a_hundred_thousand_categories_are_a_sound_result():
    rng = np.random.default_rng(0)
    codes = rng.permutation(100_000)[:4_000].astype(float)
    X = np.column_stack([rng.normal(size=4_000), codes])
    chance = 1 / (1 + np.exp(1 - X[:, 0]))
    churned = (rng.random(4_000) < chance).astype(int)
    model = ChurnClassifier("fast", cv=3, categorical_features=(1,)).fit(X[:3000], churned[:3000])
    guess = model.predict_proba(X[3000:])[:, 1]
    assert log_loss(churned[3000:], guess) < log_loss(churned[3000:], chance[3000:]) + 0.03


def test_the_cost_of_a_wide_table_is_that_of_its_cells():
    def effort(columns, **settings):
        candidates = profile_candidates("balanced", rows=1_000, seed=0)
        settings |= {"rows": 1_000, "selection_rows": 1_000, "folds": 5}
        return estimate_cost(candidates, columns=columns, **settings)

    narrow, wide = effort(40), effort(400)
    assert wide.cpu_seconds < 15 * narrow.cpu_seconds
    # Wide categories and later fits cost something too, and it is announced.
    categories = effort(400, levels=[20] * 80)
    assert wide.seconds_by_candidate[0] < categories.seconds_by_candidate[0]
    assert categories.cpu_seconds < effort(400, levels=[20] * 80, later_fits=4.0).cpu_seconds
    # The rest is the winner's fit to all rows.
    assert 1 < wide.cpu_seconds / sum(wide.seconds_by_candidate) < 1.2
    # Twice the expected time so far doubles the rest.
    spent = [2 * wide.seconds_by_candidate[0]]
    assert wide.remaining(spent) == pytest.approx(2 * sum(wide.seconds_by_candidate[1:]))


def test_the_pilot_finds_that_a_table_needs_more_trees_than_another():
    """Noise needs no tree; steps of six columns need hundreds, with the same rows and columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 12))
    log_odds = 6 * np.sign(np.sin(4 * X[:, :6])).sum(axis=1)
    paces = []
    for outcome in (rng.random(2_000) < 0.3, rng.random(2_000) < 1 / (1 + np.exp(-log_odds))):
        rows = TrainingRows.from_arrays(X, outcome.astype(float))
        folds = make_folds(5, rows, groups=None, seed=0)
        paces.append(measure_pace([QUICK[0], ("trees", LightGBMTrees())], rows, folds))
    assert 0.2 <= paces[0] < paces[1] <= 10
    assert measure_pace(QUICK[:1], rows, folds) == 1.0


def test_a_pace_is_that_of_boosted_trees_alone():
    def effort(pace):
        candidates = profile_candidates("balanced", rows=1_000, seed=0)
        return estimate_cost(
            candidates, rows=1_000, columns=40, selection_rows=1_000, folds=5, pace=pace
        )

    usual, slow = effort(1.0).seconds_by_candidate, effort(3.0).seconds_by_candidate
    assert slow[1] == pytest.approx(3 * usual[1])
    # The regression and the forest.
    assert (slow[0], slow[-1]) == (usual[0], usual[-1])


def test_no_pilot_is_fitted_where_nobody_reads_the_messages(customers, monkeypatch):
    X, churned, _ = customers(500)
    monkeypatch.setattr(churn_classifier, "measure_pace", lambda *_: pytest.fail("a pilot"))
    ChurnClassifier(candidates=QUICK, cv=3).fit(X, churned)


@pytest.mark.parametrize(("rows", "columns"), [(300, 12), (2_000, 12), (2_000, 120)])
def test_the_width_of_a_regression_is_known_before_its_columns_are_encoded(rows, columns):
    rng = np.random.default_rng(0)
    levels = [3, 40, 90]
    X = rng.normal(size=(rows, columns))
    X[rng.random(rows) < 0.2, 1] = np.nan
    codes = [rng.permutation(np.arange(rows) % count) for count in levels]
    encodings = encode_columns(
        np.column_stack([X, *codes]),
        np.ones(rows),
        categories=[columns, columns + 1, columns + 2],
        n_knots=limit_knots(9, rows=rows, numbers=columns),
        max_levels=256,
    )
    width = design_width(9, rows=rows, numbers=columns, missing=1, levels=levels)
    assert width == 1 + sum(encoding.width for encoding in encodings)

"""Searching settings: within a budget, the same each time, and going on where it stopped."""

import numpy as np
import pytest

from churnkit.models import ChurnClassifier, LightGBMTrees, LogisticModel, ModelDataError, Tuning
from churnkit.models.folds import make_folds
from churnkit.models.selection.optuna_search import search
from churnkit.models.training_rows import TrainingRows

pytest.importorskip("optuna")

QUICK = [("logistic", LogisticModel(C=1.0))]
BASE = LightGBMTrees(max_rounds=30)


@pytest.fixture(scope="module")
def rows(customers):
    X, churned, _ = customers(400)
    return TrainingRows.from_arrays(X, churned.astype(float))


@pytest.fixture(scope="module")
def folds(rows):
    return make_folds(3, rows, groups=None, seed=0)


def settings_of(tuned):
    return [(trial.settings, trial.log_loss) for trial in tuned.trials]


def test_a_search_that_goes_on_is_the_search_that_was_never_interrupted(rows, folds, tmp_path):
    kept = f"sqlite:///{tmp_path / 'tuning.db'}"
    search(BASE, rows, folds, Tuning(trials=2, storage=kept), seed=0)
    on = search(BASE, rows, folds, Tuning(trials=4, storage=kept), seed=0)
    unbroken = search(BASE, rows, folds, Tuning(trials=4), seed=0)
    assert len(on.trials) == 4
    assert settings_of(on) == settings_of(unbroken)
    assert on.estimator.get_params() == unbroken.estimator.get_params()
    best = min(on.trials, key=lambda trial: trial.log_loss)
    assert on.estimator.num_leaves == best.settings["num_leaves"]


def test_trials_of_another_table_are_not_taken_for_this_ones(rows, folds, tmp_path):
    tuning = Tuning(trials=1, storage=f"sqlite:///{tmp_path / 'tuning.db'}")
    first = search(BASE, rows, folds, tuning, seed=0)
    other = search(BASE, rows._replace(matrix=rows.matrix + 1e-3), folds, tuning, seed=0)
    assert len(first.trials) == len(other.trials) == 1
    assert first.trials[0].to_dict()["number"] == 0


def test_seconds_end_a_search_after_one_trial_at_least(rows, folds):
    assert len(search(BASE, rows, folds, Tuning(seconds=1e-9), seed=0).trials) == 1


@pytest.mark.parametrize(
    ("budget", "says"),
    [({}, "needs a budget"), ({"trials": 0}, "above 0"), ({"seconds": -1.0}, "above 0")],
)
def test_no_budget_is_refused(budget, says):
    with pytest.raises(ModelDataError, match=says):
        Tuning(**budget)


def test_what_was_found_takes_part_in_the_contest(customers):
    X, churned, _ = customers(400)
    said: list[str] = []
    model = ChurnClassifier(candidates=QUICK, cv=3, tuning=Tuning(trials=2))
    model.fit(X, churned, progress=said.append)
    assert {each.candidate for each in model.candidates_.results} == {
        "logistic",
        "trees, tuned",
        "blend",
    }
    assert [trial.number for trial in model.trials_] == [0, 1]
    assert any(says.startswith("trial 2: best log loss") for says in said)


def test_an_interrupted_search_keeps_its_best(customers, monkeypatch):
    X, churned, _ = customers(400)
    whole, times = LightGBMTrees.cross_fit, []

    def interrupted(self, *given):
        times.append(1)
        if len(times) == 3:
            raise KeyboardInterrupt
        return whole(self, *given)

    monkeypatch.setattr(LightGBMTrees, "cross_fit", interrupted)
    model = ChurnClassifier(candidates=QUICK, cv=3, tuning=Tuning(trials=50)).fit(X, churned)
    assert model.interrupted_
    assert len(model.trials_) == 2
    assert "trees, tuned" in set(model.candidates_.to_frame()["candidate"])
    assert np.isfinite(model.predict_proba(X)).all()

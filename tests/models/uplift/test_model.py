"""Uplift: effects found again, intervals that hold them, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnkit.errors import BundleError
from churnkit.models import (
    ModelDataError,
    OverlapError,
    OverlapWarning,
    UpliftModel,
    UpliftScorer,
)
from churnkit.models.uplift.blend.scorer import BlendScorer, scorer_from_arrays
from churnkit.models.uplift.calibration import fit_curve
from churnkit.models.uplift.meta_learners import LEARNERS
from churnkit.models.uplift.policy_choice import POLICIES


def experiment(seed=0, n=4000, *, binary=True):
    """Draw two actions: the first works where x0 is high, the second for all, a little."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    effect = np.column_stack([0.3 * (X[:, 0] > 0), np.full(n, 0.1)])
    chance = np.tile([0.4, 0.3, 0.3], (n, 1))
    chance[X[:, 1] > 0] = [0.3, 0.4, 0.3]
    arm = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
    mean = 0.3 + 0.1 * (X[:, 1] > 0) + np.column_stack([np.zeros(n), effect])[np.arange(n), arm]
    y = (rng.random(n) < mean).astype(float) if binary else mean * 10 + rng.normal(0, 3, n)
    return X, y, arm, chance[np.arange(n), arm], effect


@pytest.fixture(scope="module")
def fitted():
    X, y, arm, chance, _ = experiment(n=8000)
    return UpliftModel("dr", pairs=2).fit(X, y, treatment=arm, propensity=chance)


@pytest.mark.parametrize(
    "learner", [name for name in LEARNERS if name not in {"average", "response"}]
)
def test_every_learner_finds_whom_the_action_helps(learner):
    X, y, arm, chance, effect = experiment(n=6000)
    model = UpliftModel(learner, pairs=1, folds=2).fit(X, y, treatment=arm, propensity=chance)
    found = model.predict(experiment(1)[0])
    true = experiment(1)[4]
    assert found.shape == true.shape
    assert np.corrcoef(found[:, 0], true[:, 0])[0, 1] > 0.7
    assert found.mean(axis=0) == pytest.approx(effect.mean(axis=0), abs=0.05)


class EconmlLike:
    """Effects of the first action where x0 is high, as econml's estimators give them."""

    def fit(self, Y, T, *, X):
        self.effect_ = [Y[arm == T].mean() - Y[T == 0].mean() for arm in (1, 2)]
        return self

    def effect(self, X, T0, T1):
        return self.effect_[T1 - 1] * np.where(X[:, 0] > 0, 2.0, 0.0)[:, None]


class CausalmlLike:
    """The same as causalml's estimators give them: one column for each sorted group."""

    control_name = "control"

    def fit(self, X, treatment, y):
        names = sorted(set(treatment) - {"control"})
        self.effect_ = [
            y[treatment == name].mean() - y[treatment == "control"].mean() for name in names
        ]

    def predict(self, X):
        return np.where(X[:, :1] > 0, 2.0, 0.0) * self.effect_


class BrokenLearner(EconmlLike):
    def effect(self, X, T0, T1):
        return np.full(len(X), np.nan)


@pytest.mark.parametrize("learner", [EconmlLike(), CausalmlLike()], ids=["econml", "causalml"])
def test_an_estimator_of_another_library_is_a_learner_and_is_saved_as_trees(learner):
    X, y, arm, chance, _ = experiment()
    model = UpliftModel(learner, pairs=1, folds=2).fit(X, y, treatment=arm, propensity=chance)
    assert model.learner_ == type(learner).__name__
    assert not hasattr(learner, "effect_")
    again, _, _, _, effect = experiment(1)
    found = model.predict(again)
    assert np.corrcoef(found[:, 0], effect[:, 0])[0, 1] > 0.9
    saved = scorer_from_arrays(*model.scorer_.to_arrays())
    np.testing.assert_array_equal(saved.interval(again, level=0.5)[1], found)


def test_a_learner_that_fails_is_named_without_values():
    X, y, arm, chance, _ = experiment(n=500)
    with pytest.raises(ModelDataError, match="BrokenLearner must return one finite effect"):
        UpliftModel(BrokenLearner()).fit(X, y, treatment=arm, propensity=chance)
    broken: Any = EconmlLike()
    broken.effect = lambda X: X
    with pytest.raises(ModelDataError, match=r"EconmlLike failed on \d+ rows: TypeError"):
        UpliftModel(broken).fit(X, y, treatment=arm, propensity=chance)
    with pytest.raises(ModelDataError, match="unknown: use one of auto"):
        UpliftModel("forest").fit(X, y, treatment=arm, propensity=chance)


def test_money_is_an_outcome_too_and_chances_can_be_estimated():
    X, y, arm, _, effect = experiment(binary=False)
    model = UpliftModel("dr", pairs=2).fit(X, y, treatment=arm)
    assert model.scorer_.link == "identity"
    high = model.predict(X)[X[:, 0] > 0.5, 0].mean()
    assert high == pytest.approx(3.0, abs=0.7)
    for interval, true in zip(model.average_effects_, effect.mean(axis=0) * 10, strict=True):
        assert interval.low < true < interval.high


def test_the_blend_finds_for_whom_an_action_pays():
    X, y, arm, chance, _ = experiment(n=6000)
    # The first action costs what it brings on average: it pays where it works, and only there.
    model = UpliftModel(folds=3).fit(X, y, treatment=arm, propensity=chance, cost=[0.15, 0.15])
    assert set(model.contest_) == set(POLICIES)
    assert model.policy_ == "blend"
    assert isinstance(model.scorer_, BlendScorer)
    assert model.scorer_.weights.weights.max() > 0.0
    assert model.verdict_.personalize
    assert model.rates_[0].found
    assert "personalizing gains +" in str(model.verdict_)


def test_where_all_gain_alike_the_verdict_says_so():
    rng = np.random.default_rng(5)
    X, arm = rng.normal(size=(3000, 3)), rng.integers(0, 2, 3000)
    y = (rng.random(3000) < 0.3 + 0.2 * arm).astype(float)
    model = UpliftModel(folds=3).fit(X, y, treatment=arm, propensity=np.full(3000, 0.5))
    assert not model.verdict_.personalize
    assert model.verdict_.best_arm == 1
    assert "does not beat treat all beyond noise" in str(model.verdict_)
    assert "does not beat always 'mail'" in model.verdict_.in_words(["mail"])
    assert not model.rates_[0].found
    assert model.sensitivity_[0].bound > 1.5


def test_where_nothing_works_no_action_is_given_and_the_verdict_says_so():
    rng = np.random.default_rng(6)
    X, arm = rng.normal(size=(3000, 3)), rng.integers(0, 2, 3000)
    y = (rng.random(3000) < 0.8).astype(float)
    model = UpliftModel(folds=3).fit(
        X, y, treatment=arm, propensity=np.full(3000, 0.5), value=np.full(3000, 100.0), cost=[5.0]
    )
    assert model.policy_ == "none"
    assert "treat none" in str(model.verdict_)
    assert np.array_equal(model.predict(X), np.zeros((3000, 1)))


def proportional(seed=0, n=4000):
    """Draw an action that prevents 40% of each customer's risk."""
    rng = np.random.default_rng(seed)
    X, arm = rng.normal(size=(n, 3)), rng.integers(0, 2, n)
    risk = 1 / (1 + np.exp(1.2 - X[:, 0]))
    y = (rng.random(n) < 1 - risk * (1 - 0.4 * arm)).astype(float)
    return X, y, arm, risk


def test_with_a_risk_the_effect_goes_with_it_and_never_exceeds_it():
    X, y, arm, risk = proportional()
    model = UpliftModel(folds=3).fit(X, y, treatment=arm, propensity=np.full(4000, 0.5), risk=risk)
    effects = model.predict(X, risk=risk)
    assert np.corrcoef(effects[:, 0], risk)[0, 1] > 0.9
    assert effects.mean() == pytest.approx(0.4 * risk.mean(), abs=0.03)
    for part in model.predict_interval(X, level=0.999, risk=risk):
        assert (part[:, 0] <= risk).all()
        assert (part[:, 0] >= risk - 1).all()
    with pytest.raises(ModelDataError, match="risk is missing"):
        model.predict(X)
    with pytest.raises(ModelDataError, match="outside 0 to 1"):
        model.predict(X, risk=risk + 1)


def test_a_blend_saved_and_loaded_gives_the_same_bits_row_by_row_too():
    X, y, arm, _, _ = experiment(n=5000)
    model = UpliftModel(folds=3).fit(X, y, treatment=arm)
    assert model.scorer_.trees
    loaded = scorer_from_arrays(*model.scorer_.to_arrays())
    table = loaded.interval(X[:40])
    assert np.array_equal(table[1], model.predict(X[:40]))
    for at in range(40):
        for alone, part in zip(loaded.interval(X[at : at + 1]), table, strict=True):
            assert np.array_equal(alone[0], part[at])
    settings, arrays = model.scorer_.to_arrays()
    with pytest.raises(BundleError, match="unknown candidates"):
        scorer_from_arrays(settings | {"candidates": ["magic"]}, arrays)
    with pytest.raises(BundleError, match="another number"):
        scorer_from_arrays(settings | {f"trees_{settings['candidates'][0]}": []}, arrays)


def test_a_frame_with_categories_is_taken_as_it_is():
    X, y, arm, chance, _ = experiment(n=2000)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(
        plan=pd.Categorical(np.where(X[:, 2] > 0, "gold", "basic")),
        town=np.where(X[:, 3] > 0, "Graz", "Linz"),
    )
    model = UpliftModel(folds=2).fit(frame, y, treatment=arm, propensity=chance)
    codes = frame.assign(plan=frame["plan"].cat.codes, town=(frame["town"] == "Linz") * 1.0)
    plain = UpliftModel(folds=2, categorical_features=(4, 5)).fit(
        codes.to_numpy(), y, treatment=arm, propensity=chance
    )
    assert np.array_equal(model.predict(frame), plain.predict(codes.to_numpy()))


def test_recorded_chances_of_nearly_zero_are_refused():
    X, y, arm, chance, _ = experiment(n=1000)
    chance = chance.copy()
    chance[:400] = 1e-4
    with pytest.raises(OverlapError, match=r"40\.0% of the customers"):
        UpliftModel("average", folds=2).fit(X, y, treatment=arm, propensity=chance)
    chance[60:400] = 0.3
    with pytest.warns(OverlapWarning, match=r"6\.0%"):
        UpliftModel("average", folds=2, pairs=1).fit(X, y, treatment=arm, propensity=chance)


def test_intervals_hold_the_true_effects_and_widen_with_the_level(fitted):
    X, *_, effect = experiment(2)
    low, expected, high = fitted.predict_interval(X)
    assert np.array_equal(expected, fitted.predict(X))
    assert np.mean((low <= effect) & (effect <= high)) > 0.85
    narrow = fitted.predict_interval(X, level=0.5)
    assert (narrow[0] > low).all()
    assert (narrow[2] < high).all()


def test_saved_and_loaded_it_gives_the_same_bits_row_by_row_too(fitted):
    X = experiment(3, 50)[0]
    loaded = UpliftScorer.from_arrays(*fitted.scorer_.to_arrays())
    assert np.array_equal(loaded.predict(X), fitted.predict(X))
    whole = loaded.interval(X)
    for at in range(len(X)):
        for alone, table in zip(loaded.interval(X[at : at + 1]), whole, strict=True):
            assert np.array_equal(alone[0], table[at])


def test_the_same_seed_gives_the_same_model_and_another_another():
    X, y, arm, chance, _ = experiment(n=1500)
    fit = {"treatment": arm, "propensity": chance}
    first, again, other = (
        UpliftModel("dr", pairs=1, folds=2, seed=seed).fit(X, y, **fit).predict(X)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_of_one_customer_stay_together():
    X, y, arm, chance, _ = experiment(n=1500)
    twice = [np.repeat(part, 2, axis=0) for part in (X, y, arm, chance)]
    model = UpliftModel("dr", pairs=1, folds=2).fit(
        twice[0],
        twice[1],
        treatment=twice[2],
        propensity=twice[3],
        groups=np.repeat(np.arange(1500), 2),
    )
    alone = UpliftModel("dr", pairs=1, folds=2).fit(X, y, treatment=arm, propensity=chance)
    width = [m.average_effects_[1].high - m.average_effects_[1].low for m in (model, alone)]
    assert width[0] == pytest.approx(width[1], rel=0.1)


def test_loading_and_scoring_import_neither_lightgbm_nor_scikit_learn():
    program = (
        "import sys; from churnkit.models.uplift.scorer import UpliftScorer; "
        "from churnkit.models.uplift.blend.scorer import BlendScorer; "
        "print([n for n in ('lightgbm', 'sklearn', 'pandas', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"way": "magic"}, "way"),
        ({"n_actions": 3}, "slope"),
        ({"slopes": [1.0, float("nan")]}, "slope"),
        ({"trees": []}, "another number of trees"),
        ({"n_features": 9}, "another number of columns"),
    ],
)
def test_a_damaged_model_is_refused(fitted, change, says):
    settings, arrays = fitted.scorer_.to_arrays()
    with pytest.raises(BundleError, match=says):
        UpliftScorer.from_arrays(settings | change, arrays)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"treatment": None}, "treatment is missing"),
        ({"treatment": np.zeros(60)}, "fewer than two"),
        ({"treatment": np.full(60, 0.5)}, "whole numbers"),
        ({"propensity": np.full(60, 1.5)}, "not from 0 to 1"),
        ({"propensity": np.full((60, 2), 0.7)}, "do not sum to 1"),
        ({"propensity": np.ones(3)}, "shape"),
        ({"cost": [1.0, 2.0]}, "cost has shape"),
        ({"groups": [1]}, "1 groups"),
        ({"value": np.full(60, np.nan)}, "value contains NaN"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, says):
    X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 3
    arguments = {"treatment": np.arange(60) % 2} | change
    with pytest.raises(ModelDataError, match=says):
        UpliftModel("dr").fit(X, y, **arguments)


def test_customers_who_could_not_have_had_an_arm_are_reported():
    X, y, arm, _, _ = experiment(n=600)
    chance = np.tile([0.4, 0.3, 0.3], (600, 1))
    chance[:30] = [0.001, 0.5, 0.499]
    with pytest.warns(OverlapWarning, match="5.0%"):
        model = UpliftModel("average", folds=2, pairs=1).fit(X, y, treatment=arm, propensity=chance)
    assert model.clipped_share_ == pytest.approx(0.05)
    chance[:300] = [0.001, 0.5, 0.499]
    with pytest.raises(OverlapError, match="cannot be estimated"):
        UpliftModel("average").fit(X, y, treatment=arm, propensity=chance)


@pytest.mark.parametrize("settings", [{"learner": "z"}, {"folds": 1}, {"calibration": "beta"}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ModelDataError):
        UpliftModel(**settings).fit(np.zeros((4, 1)), [0, 1, 0, 1], treatment=[0, 0, 1, 1])


def test_calibration_makes_forecasts_true_on_average():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=20_000)
    effect = np.maximum(raw, 0) / 2 + rng.normal(0, 3, 20_000)
    for method in ("linear", "isotonic"):
        got = fit_curve(raw, effect, np.ones(20_000), method=method).apply(raw)
        assert got.mean() == pytest.approx(effect.mean(), abs=0.02)
    assert abs(got[raw < -1].mean()) < 0.12
    assert got[raw > 1].mean() == pytest.approx(raw[raw > 1].mean() / 2, abs=0.12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_calibration_keeps_the_order_of_customers_whom_it_brings_near(sign):
    rng = np.random.default_rng(1)
    raw = rng.normal(size=6000)
    effect = sign * (raw + rng.normal(0, 20, 6000))
    curve = fit_curve(raw, effect, np.ones(6000), falling=sign < 0)
    grid = np.linspace(raw.min(), raw.max(), 500)
    # The noise makes bins that fall where all rise: they share a value, their customers do not.
    assert len(curve.knots) < 20
    assert (sign * np.diff(curve.apply(grid)) > 0).all()


def test_customers_of_one_forecast_are_calibrated_as_one():
    rng = np.random.default_rng(2)
    raw = rng.choice([0.0, 1.0, 3.0], 9000, p=[0.5, 0.2, 0.3])
    effect = np.array([0.0, 1.0, 0.0, 2.0])[raw.astype(int)] + rng.normal(0, 5, 9000)
    # Whatever the order of the table, also one that would make it rise among equals.
    for rows in (np.arange(9000), np.argsort(effect), np.argsort(-effect)):
        curve = fit_curve(raw[rows], effect[rows], np.ones(9000))
        for height in (0.0, 1.0, 3.0):
            there = effect[raw == height].mean()
            assert curve.apply(np.array([height]))[0] == pytest.approx(there, abs=1e-12)

"""The hazard on customers whose law of leaving is known."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from churnkit.evaluation import concordance, kaplan_meier, survival_calibration
from churnkit.models import HazardModel, ModelDataError


def few(**settings):
    return HazardModel(rounds=60, learning_rate=0.1, **settings)


@pytest.fixture(scope="module")
def draw():
    """Draw customers who leave in each month with a chance of their own, watched for a while."""

    def of(size, seed=0, months=24):
        rng = np.random.default_rng(seed)
        X = np.column_stack([rng.normal(size=size), rng.integers(0, 3, size)])
        logit = -3 + 0.8 * X[:, 0] + np.array([0.0, 0.7, -0.7])[X[:, 1].astype(int)]
        chance = 1 / (1 + np.exp(-logit))
        leaves = rng.geometric(chance).astype(float)
        ends = rng.integers(3, months + 1, size).astype(float)
        return X, np.minimum(leaves, ends), leaves <= ends, chance

    return of


@pytest.fixture(scope="module")
def fitted(draw):
    X, duration, event, _ = draw(6000)
    return HazardModel(categorical_features=(1,)).fit(X, duration, event)


def test_true_survival_is_found_at_every_horizon(fitted, draw):
    X, duration, event, chance = draw(4000, seed=1)
    times = np.array([1.0, 3.0, 6.0, 12.0])
    survival = fitted.predict_survival(X, times)
    true = (1 - chance)[:, None] ** times
    assert survival.mean(axis=0) == pytest.approx(true.mean(axis=0), abs=0.015)
    assert np.abs(survival - true).mean(axis=0).max() < 0.03
    assert survival_calibration(duration, event, survival, times).covered >= 0.8
    best = concordance(duration, event, chance)
    assert concordance(duration, event, 1 - survival[:, 2]) > best - 0.01


def test_expected_lifetimes_are_true_ones(fitted, draw):
    X, _, _, chance = draw(2000, seed=2)
    rate = -np.log1p(-chance)
    true = -np.expm1(-12 * rate) / rate
    found = fitted.predict_lifetime(X, horizon=12.0)
    assert found.mean() == pytest.approx(true.mean(), rel=0.02)
    assert np.corrcoef(found, true)[0, 1] > 0.97


def test_without_features_the_curve_is_kaplan_meiers(draw):
    _, duration, event, _ = draw(5000, seed=3)
    model = HazardModel(rounds=1).fit(np.zeros((5000, 1)), duration, event)
    times = np.arange(1.0, 20.0)
    curve = model.predict_survival([[0.0]], times)[0]
    assert curve == pytest.approx(kaplan_meier(duration, event).at(times), abs=0.01)


def test_watching_that_ends_in_mid_period_neither_raises_nor_lowers_the_hazard():
    rng = np.random.default_rng(4)
    leaves, ends = rng.exponential(30.0, 40_000), rng.uniform(0, 6, 40_000)
    model = HazardModel(rounds=1, width=1.0)
    model.fit(np.zeros((40_000, 1)), np.minimum(leaves, ends), leaves <= ends)
    assert model.predict_survival([[0.0]], [6.0])[0] == pytest.approx([np.exp(-0.2)], abs=0.01)


def test_late_entry_undoes_the_survivors_advantage():
    rng = np.random.default_rng(5)
    risky = rng.integers(0, 2, 20_000)
    leaves = rng.exponential(np.where(risky, 6.0, 24.0))
    entry = rng.uniform(0, 18, 20_000)
    seen = leaves > entry
    X, entry, leaves = risky[seen, None].astype(float), entry[seen], leaves[seen]
    ends = entry + 12.0
    data = X, np.minimum(leaves, ends), leaves <= ends
    true = np.exp(-6.0 / np.array([24.0, 6.0]))
    right = HazardModel(rounds=200).fit(*data, entry=entry).predict_survival([[0], [1]], [6.0])
    assert right[:, 0] == pytest.approx(true, abs=0.03)
    wrong = HazardModel(rounds=200).fit(*data).predict_survival([[0], [1]], [6.0])
    assert wrong[1, 0] > true[1] + 0.15


def test_features_that_change_with_time_are_read_at_their_time():
    # A customer's chance to leave jumps when the price does, at a month that differs.
    rng = np.random.default_rng(6)
    rows = []
    for each in range(3000):
        jump = int(rng.integers(1, 10))
        for at in range(10):
            leaves = rng.random() < (0.15 if at >= jump else 0.03)
            rows.append((each, at, float(at >= jump), leaves))
            if leaves:
                break
    who, month, dear, left = (np.array(each) for each in zip(*rows, strict=True))
    model = HazardModel(max_rounds=300).fit_intervals(
        dear[:, None], month, month + 1, left, customer=who
    )
    hazard = model.predict_hazard([[0.0], [1.0]], np.arange(2, 9))
    assert hazard[0] == pytest.approx(np.full(7, 0.03), abs=0.015)
    assert hazard[1] == pytest.approx(np.full(7, 0.15), abs=0.03)


def test_one_stretch_or_many_of_the_same_features_are_the_same_rows(draw):
    X, duration, event, _ = draw(300, seed=7)
    whole = few().fit(X, duration, event)
    who = np.repeat(np.arange(300), duration.astype(int))
    start = np.concatenate([np.arange(each) for each in duration])
    left = event[who] & (start + 1 == duration[who])
    parts = few().fit_intervals(X[who], start, start + 1, left, customer=who)
    assert np.array_equal(
        whole.predict_survival(X, [3.0, 9.0]), parts.predict_survival(X, [3.0, 9.0])
    )


def test_those_already_there_have_the_survival_of_the_rest_of_their_curve(fitted, draw):
    X = draw(50, seed=8)[0]
    whole = fitted.predict_survival(X, [5.0, 11.0])
    found = fitted.predict_survival(X, [6.0], age=np.full(50, 5.0))
    assert found[:, 0] == pytest.approx(whole[:, 1] / whole[:, 0])


def test_a_bounded_sample_of_person_periods_is_no_further_from_the_truth_by_much(draw):
    X, duration, event, chance = draw(6000, seed=9)
    whole = HazardModel(rounds=80).fit(X, duration, event)
    part = HazardModel(rounds=80, max_rows=whole.person_periods_ // 3).fit(X, duration, event)
    assert part.person_periods_ < whole.person_periods_ / 2.5
    assert part.sampling_fraction_ < 0.4
    true = (1 - chance) ** 6
    of_whole, of_part = (model.predict_survival(X, [6.0])[:, 0] - true for model in (whole, part))
    assert of_part.mean() == pytest.approx(of_whole.mean(), abs=0.005)
    assert np.abs(of_part).mean() < np.abs(of_whole).mean() + 0.005


def test_the_same_seed_gives_the_same_model_and_a_copy_says_the_same(draw):
    X, duration, event, _ = draw(500, seed=10)
    first, second = (few(seed=3).fit(X, duration, event) for _ in range(2))
    asked = X, [2.0, 7.0]
    assert np.array_equal(first.predict_survival(*asked), second.predict_survival(*asked))
    copied = pickle.loads(pickle.dumps(first))  # noqa: S301
    assert np.array_equal(first.predict_survival(*asked), copied.predict_survival(*asked))
    assert clone(first).get_params() == first.get_params()


def test_the_score_is_harrells_concordance(fitted, draw):
    X, duration, event, _ = draw(500, seed=11)
    expected = concordance(duration, event, -fitted.predict(X))
    assert fitted.score(X, duration, event) == expected
    assert fitted.contributions(X).shape == (500, 3)


def test_the_pull_of_todays_features_fades_where_it_does():
    # The risk of the first two months says nothing about later ones.
    rng = np.random.default_rng(13)
    risky = rng.integers(0, 2, 6000)
    early = np.where(risky[:, None] == 1, 0.12, 0.02)
    hazard = np.concatenate([np.repeat(early, 2, axis=1), np.full((6000, 10), 0.05)], axis=1)
    gone = rng.random((6000, 12)) < hazard
    left = gone.any(axis=1)
    duration = np.where(left, gone.argmax(axis=1) + 1, 12)
    model = HazardModel().fit(risky[:, None], duration, left)
    assert model.scorer_.slope[0] > model.scorer_.slope[-1]
    survival = model.predict_survival([[0], [1]], [2.0, 12.0])
    assert survival[:, 0] == pytest.approx([0.98**2, 0.88**2], abs=0.02)
    assert survival[:, 1] == pytest.approx([0.98**2 * 0.95**10, 0.88**2 * 0.95**10], abs=0.035)


def test_few_who_left_are_a_sound_curve_when_trees_are_given():
    duration, event = np.array([1.0, 2.0, 3.0]), np.array([1, 0, 0])
    model = HazardModel(rounds=5).fit([[0.0], [1.0], [2.0]], duration, event)
    survival = model.predict_survival([[0.0]], [1.0, 2.0, 3.0])
    assert ((survival > 0) & (survival < 1)).all()


def test_columns_without_information_do_no_harm(draw):
    X, duration, event, _ = draw(400, seed=12)
    empty = np.column_stack([X, np.full(400, np.nan), np.ones(400)])
    model = few().fit(empty, duration, event)
    assert np.isfinite(model.predict(empty)).all()


X3 = np.zeros((3, 1))
WORD: Any = "x"
NUMBERS: Any = [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HazardModel().fit(X3, [1, 2, 3], [0, 0, 0]), "no customer churned in 3 rows"),
        (
            lambda: HazardModel().fit(X3, [1, 2, 3], [1, 0, 0]),
            "1 churned customers .* are too few",
        ),
        (lambda: HazardModel().fit(X3, [1, 2, 3], [1, 2, 0]), "1 events are neither"),
        (lambda: HazardModel().fit(X3, [1, -2, 3], [1, 1, 0]), "1 durations are negative"),
        (lambda: HazardModel().fit(X3, [1, np.nan, 3], [1, 1, 0]), "duration contains NaN"),
        (lambda: HazardModel().fit(X3, [1, 2], [1, 1, 0]), "2 values of duration for 3 rows"),
        (lambda: HazardModel().fit(X3, ["a", "b", "c"], [1, 1, 0]), "duration has values"),
        (lambda: HazardModel().fit(X3, [1, 2, 3], entry=[0, 2, 0]), "1 durations do not exceed"),
        (lambda: HazardModel().fit(X3, [1, 2, 3], entry=[0, -2, 0]), "1 entries are negative"),
        (lambda: HazardModel(width=0).fit(X3, [1, 2, 3]), "width must be"),
        (lambda: HazardModel(horizon=0).fit(X3, [1, 2, 3]), "horizon must be positive"),
        (lambda: HazardModel(horizon=WORD).fit(X3, [1, 2, 3]), "horizon must be a number, got str"),
        (
            lambda: HazardModel(horizon=True).fit(X3, [1, 2, 3]),
            "horizon must be a number, got bool",
        ),
        (lambda: HazardModel(width=NUMBERS).fit(X3, [1, 2, 3]), "width must be a number, got list"),
        (lambda: HazardModel(l2=WORD).fit(X3, [1, 2, 3]), "l2 must be a number, got str"),
        (lambda: HazardModel(rounds=WORD).fit(X3, [1, 2, 3]), "rounds must be a number, got str"),
        (lambda: HazardModel(cv=1).fit(X3, [1, 2, 3]), "cv must be at least 2, got 1"),
        (lambda: HazardModel(width=1e-5).fit(X3, [1, 2, 3]), "increase width"),
        (lambda: HazardModel(categorical_features=(4,)).fit(X3, [1, 2, 3]), "from 0 to 0"),
        (lambda: HazardModel().fit(X3 + np.inf, [1, 2, 3]), "infinity"),
        (lambda: HazardModel().fit(X3, [1, 2, 3], sample_weight=[1, -1, 1]), "1 weights"),
        (
            lambda: HazardModel().fit_intervals(
                X3, [0, 1, 0], [2, 3, 1], [0, 0, 1], customer=[7, 7, 8]
            ),
            "1 rows overlap",
        ),
        (
            lambda: HazardModel().fit_intervals(
                X3, [0, 2, 0], [2, 3, 1], [1, 0, 1], customer=[7, 7, 8]
            ),
            "1 rows follow",
        ),
        (
            lambda: HazardModel().fit_intervals(X3, [0] * 3, [1] * 3, [1] * 3, customer=[7]),
            "1 customers for 3 rows",
        ),
    ],
)
def test_rows_that_identify_no_hazard_are_refused(call, message):
    with pytest.raises(ModelDataError, match=message):
        call()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("churn_month", "follow_up", "share"),
    [(12, 18, 0.3), (12, 13, 0.3), (1, 12, 0.51), (1, 3, 0.51)],
)
def test_a_spike_of_churn_is_followed_by_the_survival_of_the_others(
    churn_month, follow_up, share, seed
):
    # 30% of annual contracts end at month 12, or half of the customers after one month; nobody
    # else leaves, so survival is 1 before and one minus the share from then on.
    rng = np.random.default_rng(seed)
    churned = rng.permutation(800) < share * 800
    duration = np.where(churned, float(churn_month), float(follow_up))
    model = HazardModel(seed=seed).fit(rng.normal(size=(800, 2)), duration, churned)
    times = np.array([churn_month - 1, churn_month, churn_month + 1, follow_up])
    survival = model.predict_survival(rng.normal(size=(200, 2)), times).mean(axis=0)
    expected = np.where(times < churn_month, 1.0, 1 - share)
    np.testing.assert_allclose(survival, expected, atol=0.012)


@pytest.mark.parametrize("seed", range(4))
def test_without_informative_features_survival_is_the_kaplan_meier_curve(seed):
    # Hazards between 0 and 60% that jump from period to period, censoring and late entry.
    rng = np.random.default_rng(seed)
    hazard = np.where(rng.random(15) < 0.3, rng.uniform(0.1, 0.6, 15), rng.uniform(0, 0.02, 15))
    survival = np.append(1.0, np.cumprod(1 - hazard))
    month = 1.0 + np.argmax(rng.random((3000, 1)) * np.ones(15) > survival[1:], axis=1)
    month = np.where(rng.random(3000) < survival[-1], np.inf, month)
    entry = rng.integers(0, 4, 3000).astype(float)
    censored = entry + rng.integers(3, 13, 3000)
    seen = month > entry
    duration, event = np.minimum(month, censored)[seen], (month <= censored)[seen]
    X = rng.normal(size=(seen.sum(), 2))
    model = HazardModel(rounds=20, seed=seed).fit(X, duration, event, entry=entry[seen])
    times = np.arange(1.0, 13.0)
    expected = kaplan_meier(duration, event, entry=entry[seen]).at(times)
    np.testing.assert_allclose(model.predict_survival(X, times).mean(axis=0), expected, atol=0.02)


def exponential_customers(kind, size, seed):
    """Return customers with constant hazards and log-linear effects, and their true rates."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(size, 6))
    rate = np.exp(0.8 * X[:, 0] + 0.5 * X[:, 1] + 0.4 * (X[:, 2] > 0.5))
    rate *= 0.006 if kind == "censored" else 0.03
    churn = rng.exponential(1 / rate)
    entry = np.zeros(size) if kind == "censored" else rng.uniform(0, 18, size)
    end = entry + (rng.uniform(6, 24, size) if kind == "censored" else rng.uniform(3, 12, size))
    seen = churn > entry
    return X[seen], np.minimum(churn, end)[seen], (churn <= end)[seen], entry[seen], rate[seen]


@pytest.mark.parametrize("kind", ["censored", "late entry"])
def test_the_lowest_and_highest_tenth_hold_the_true_risk(kind):
    # 86% censored, or observed from a random age on; trees alone are 1.4 to 1.8 times too high
    # in the lowest tenth.
    ratios = []
    for seed in range(2):
        X, duration, event, entry, _ = exponential_customers(kind, 5000, seed)
        model = HazardModel(seed=seed).fit(X, duration, event, entry=entry)
        new, *_, rate = exponential_customers("censored", 10_000, 100 + seed)
        if kind == "late entry":
            rate = 5 * rate
        churn = 1 - model.predict_survival(new, [12.0])[:, 0]
        truth = 1 - np.exp(-12 * rate)
        tenths = np.array_split(np.argsort(churn), 10)
        ratios.append([churn[rows].mean() / truth[rows].mean() for rows in tenths])
    mean = np.mean(ratios, axis=0)
    assert mean[0] == pytest.approx(1.0, abs=0.2)
    assert mean[-1] == pytest.approx(1.0, abs=0.12)
    assert mean == pytest.approx(np.ones(10), abs=0.2)


@pytest.mark.slow
def test_in_a_simulated_business_intervals_hold_the_truth():
    # The benchmark of the same name runs 20 pairs of businesses; this is two of them.
    from benchmarks.hazard import evaluate, share
    from churnkit.contracts import Contract
    from schemas.demo import Demo

    contract = Contract.from_schema(Demo)
    runs = [evaluate(5000, seed, contract) for seed in (50, 51)]
    for months in ("1", "3", "6", "12"):
        parts = [run["months"][months] for run in runs]
        # Of 20 intervals of 95%, fewer than 16 hold by chance in 3 of 1,000 cases.
        assert share(parts, "truth_covered") >= 0.8
        assert share(parts, "prediction_covered") >= 0.7
        assert np.mean([part["ratio"] for part in parts]) == pytest.approx(1.0, abs=0.12)
    for run in runs:
        assert run["integrated_brier"] < 0.95 * run["integrated_brier_of_kaplan_meier"]

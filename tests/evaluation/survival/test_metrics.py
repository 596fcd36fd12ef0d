"""Survival measures against other packages' values, textbooks and slow sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.evaluation import (
    EvaluationError,
    concordance,
    integrated_brier,
    kaplan_meier,
    kaplan_meier_by,
    survival_brier,
    survival_calibration,
)


@pytest.fixture(scope="module")
def monthly():
    """60 customers on whole months, full of ties; lifelines saw the same."""
    rng = np.random.default_rng(11)
    leaves = np.ceil(rng.exponential(6, 60))
    watched = np.ceil(rng.uniform(1, 12, 60))
    duration, event = np.minimum(leaves, watched), (leaves <= watched).astype(int)
    entry = np.floor(rng.uniform(0, 1, 60) * np.minimum(duration - 1, 3))
    risk = np.round(-leaves + rng.normal(0, 5, 60))
    return duration, event, entry, risk


@pytest.fixture(scope="module")
def daily():
    """120 customers on a fine clock; scikit-survival saw the same."""
    rng = np.random.default_rng(12)
    x = rng.normal(size=120)
    leaves, watched = rng.exponential(np.exp(-x) * 6), rng.uniform(2, 12, 120)
    times = np.array([1.0, 3.0, 5.0, 7.0])
    survival = np.exp(-np.outer(np.exp(0.7 * x), times) / 6)
    return np.minimum(leaves, watched), leaves <= watched, x, times, survival


def test_kaplan_meier_agrees_with_the_leukemia_trial():
    # 6-mercaptopurine arm of Freireich et al. (1963), as printed in Kalbfleisch and Prentice,
    # The Statistical Analysis of Failure Time Data, and in Collett: S and Greenwood's error.
    times = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    event = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    curve = kaplan_meier(times, event)
    printed = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve.time.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.survival == pytest.approx(printed, abs=5e-5)
    errors = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    assert np.sqrt(curve.variance) == pytest.approx(errors, abs=5e-5)
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.median == 23


def test_kaplan_meier_and_its_interval_agree_with_lifelines(monthly):
    # lifelines 0.30.3: KaplanMeierFitter().fit(duration, event), at months 1, 3, 6 and 9.
    duration, event, _, _ = monthly
    curve = kaplan_meier(duration, event)
    at = np.searchsorted(curve.time, [1, 3, 6, 9])
    assert curve.survival[at] == pytest.approx(
        [0.8166666666666668, 0.5544117647058824, 0.2856872217486028, 0.1224373807494012]
    )
    low = [0.6934550288575486, 0.41706652409666595, 0.15583302477843894, 0.03467651309560238]
    high = [0.8940042974912256, 0.6717654089405927, 0.42982951164763633, 0.2692719383633625]
    assert curve.low[at] == pytest.approx(low)
    assert curve.high[at] == pytest.approx(high)


def test_late_entry_agrees_with_lifelines(monthly):
    # lifelines 0.30.3: the same with entry=entry.
    duration, event, entry, _ = monthly
    assert entry.sum() == 28
    curve = kaplan_meier(duration, event, entry=entry)
    expected = [0.7317073170731707, 0.468077474892396, 0.2411993429397209, 0.10337114697416612]
    assert curve.at([1, 3, 6, 9]) == pytest.approx(expected)


def test_the_plain_interval_is_greenwoods(monthly):
    duration, event, _, _ = monthly
    curve = kaplan_meier(duration, event, interval="plain")
    half = 1.959963984540054 * np.sqrt(curve.variance)
    inside = curve.survival > 0
    assert curve.high[inside] == pytest.approx(np.minimum(curve.survival + half, 1)[inside])
    assert curve.low[inside] == pytest.approx(np.maximum(curve.survival - half, 0)[inside])


def test_a_group_has_the_curve_that_it_has_alone(monthly):
    duration, event, _, _ = monthly
    group = np.where(np.arange(60) % 3 == 0, "annual", "monthly")
    curves = kaplan_meier_by(group, duration, event)
    assert list(curves) == ["annual", "monthly"]
    alone = kaplan_meier(duration[group == "annual"], event[group == "annual"])
    assert curves["annual"].to_dict() == alone.to_dict()


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (["a", None, "b"], "missing in 1 of 3"),
        ([np.nan, 2.0, np.nan], "missing in 2 of 3"),
        (np.array(["secret", 1, "b"], object), "texts and numbers"),
    ],
)
def test_groups_that_are_missing_or_mixed_are_refused_without_their_names(group, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        kaplan_meier_by(np.asarray(group), [1, 2, 3], [1, 1, 0])
    assert "secret" not in str(caught.value)


def test_a_weight_is_so_many_customers(monthly):
    duration, event, _, _ = monthly
    counts = np.random.default_rng(0).integers(0, 3, 60)
    repeated = np.repeat(np.arange(60), counts)
    weighted = kaplan_meier(duration, event, sample_weight=counts)
    assert weighted.survival == pytest.approx(
        kaplan_meier(duration[repeated], event[repeated]).survival
    )


def test_the_curve_is_unknown_after_the_follow_up():
    curve = kaplan_meier([2.0, 5.0], [1, 0])
    assert curve.at([5.0]).tolist() == [0.5]
    assert np.isnan(curve.at([5.1])).all()


def test_brier_scores_agree_with_scikit_survival(daily):
    # scikit-survival 0.28.0: brier_score and integrated_brier_score, censoring from the same rows.
    duration, event, _, times, survival = daily
    expected = [0.16433288099300428, 0.17620769991508461, 0.1658521631767611, 0.14986626600009129]
    assert survival_brier(duration, event, survival, times) == pytest.approx(expected)
    assert integrated_brier(duration, event, survival, times) == pytest.approx(0.16638647886279787)


def test_unos_concordance_agrees_with_scikit_survival(daily):
    # scikit-survival 0.28.0: concordance_index_ipcw(..., tau=8.0).
    duration, event, x, _, _ = daily
    result = concordance(duration, event, x, kind="uno", until=8.0)
    assert result == pytest.approx(0.7617742305876781)


def test_harrells_concordance_agrees_with_lifelines(monthly):
    # lifelines 0.30.3: concordance_index(duration, -risk, event).
    duration, event, _, risk = monthly
    assert concordance(duration, event, risk) == pytest.approx(0.7193338748984566)


@given(seed=st.integers(0, 10_000), size=st.integers(2, 40))
def test_concordance_is_the_share_of_pairs(seed, size):
    rng = np.random.default_rng(seed)
    duration, risk = rng.integers(1, 8, size), rng.integers(0, 5, size)
    event = rng.integers(0, 2, size)
    duration[:2], event[:2] = (1, 9), (1, 0)
    right = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(size):
            if duration[j] > duration[i] or (duration[j] == duration[i] and not event[j]):
                pairs += 1
                right += (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])
    assert concordance(duration, event, risk) == pytest.approx(right / pairs)


def test_without_censoring_the_brier_score_is_the_ordinary_one():
    rng = np.random.default_rng(0)
    duration, survival = rng.integers(1, 9, 50), rng.random((50, 1))
    result = survival_brier(duration, np.ones(50), survival, [4])
    assert result == pytest.approx([np.mean(((duration > 4) - survival[:, 0]) ** 2)])


def test_censoring_on_whole_months_leaves_the_brier_score_unbiased():
    # Many ties of leaving and end of watching; the score without any censoring is the target.
    rng = np.random.default_rng(5)
    leaves, ends = rng.geometric(0.2, 200_000), rng.geometric(0.1, 200_000)
    survival = np.full((200_000, 1), 0.8**3)
    full = survival_brier(leaves, np.ones(200_000), survival, [3])
    censored = survival_brier(np.minimum(leaves, ends), leaves <= ends, survival, [3])
    assert censored == pytest.approx(full, abs=2e-3)


def test_calibration_covers_true_probabilities_at_its_rate():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(40):
        chance = rng.beta(1, 12, 2000)
        leaves = rng.geometric(chance)
        ends = rng.integers(2, 15, 2000)
        survival = (1 - chance)[:, None] ** np.array([1, 6])
        result = survival_calibration(
            np.minimum(leaves, ends), leaves <= ends, survival, [1, 6], bins=5
        )
        held.append(result.covered)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_without_censoring_calibration_is_the_share_that_left():
    rng = np.random.default_rng(2)
    leaves, survival = rng.geometric(0.2, 100), rng.random((100, 1))
    result = survival_calibration(leaves, np.ones(100), survival, [3], bins=4)
    order = np.argsort(1 - survival[:, 0])
    quarters = [np.mean(leaves[part] <= 3) for part in np.split(order, 4)]
    assert result.churn_rate == pytest.approx(quarters)
    assert result.customers.tolist() == [25] * 4
    assert (result.low < result.churn_rate).all()
    assert result.to_frame().shape == (4, 7)


def test_a_tenth_without_churners_has_an_interval_above_zero():
    result = survival_calibration([5, 5, 5], [0, 0, 0], [[0.9]] * 3, [4], bins=1)
    assert result.churn_rate[0] == result.low[0] == 0.0
    assert 0.3 < result.high[0] < 0.7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaplan_meier([1.0], [2]), "1 events are neither"),
        (lambda: kaplan_meier([-1.0], [1]), "1 times are negative"),
        (lambda: kaplan_meier([1.0, np.nan], [1, 1]), "the duration is missing"),
        (lambda: kaplan_meier([1.0], [1, 1]), "2 values for 1 rows"),
        (lambda: kaplan_meier([], []), "no rows"),
        (lambda: kaplan_meier([1.0], [1], entry=[1.0]), "not above their entry"),
        (lambda: kaplan_meier([1.0], [1], interval="exact"), "must be 'log-log'"),
        (lambda: kaplan_meier([1.0], [1], sample_weight=[0.0]), "all weights are zero"),
        (lambda: concordance([1, 2], [0, 0], [1, 2]), "no pair is comparable"),
        (lambda: concordance([1, 2], [1, 1], [1, np.nan]), "1 values of the risk are missing"),
        (lambda: concordance([1, 2], [1, 1], [1, 2], kind="somers"), "must be 'harrell'"),
        (lambda: survival_brier([1, 2], [1, 1], [[0.5]] * 3, [1]), "has shape"),
        (lambda: survival_brier([1, 2], [1, 1], [[1.5]] * 2, [1]), "2 values of survival"),
        (
            lambda: survival_brier([1, 2], [1, 0], [[0.5]] * 2, [9]),
            "no customer was observed beyond 1",
        ),
        (lambda: integrated_brier([1, 2], [1, 1], [[0.5]] * 2, [1]), "times must be two or more"),
        (lambda: survival_calibration([1, 2], [1, 0], [[0.5]] * 2, [9]), "up to the horizon 9"),
        (lambda: survival_calibration([1], [1], [[0.5]], [1], bins=0), "bins must be at least 1"),
    ],
)
def test_invalid_input_is_refused(call, message):
    with pytest.raises(EvaluationError, match=message):
        call()

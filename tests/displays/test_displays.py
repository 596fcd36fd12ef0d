"""Displays draw the numbers of the results, checked against independent computations."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
matplotlib.use("Agg")

from churnkit.decisions import WhatIf  # noqa: E402
from churnkit.displays import (  # noqa: E402
    BudgetDisplay,
    CalibrationDisplay,
    DriftDisplay,
    GainsDisplay,
    OffPolicyDisplay,
    ProfitDisplay,
    QiniDisplay,
    ShapDisplay,
    SurvivalDisplay,
)
from churnkit.errors import ChurnkitError  # noqa: E402
from churnkit.evaluation import CustomerCosts, PolicyLog, evaluate_policy, qini_curve  # noqa: E402
from churnkit.evaluation.drift.profile import Profile  # noqa: E402
from churnkit.models import HazardModel, LogisticModel  # noqa: E402

N = 400
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(N, 3))
LABEL = np.where(X[:, 0] + RANDOM.normal(size=N) > 0.8, "yes", "no")
CHURNED = (LABEL == "yes").astype(float)


@pytest.fixture(autouse=True)
def closed_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model():
    return LogisticModel(C=1.0).fit(X, LABEL)


@pytest.fixture(scope="module")
def probability(model):
    return model.predict_proba(X)[:, 1]


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_calibration_points_are_the_rates_of_equal_bins(model, probability):
    display = CalibrationDisplay.from_estimator(model, X, LABEL, bins=8, color="black")
    points = display.line_.lines[0]
    order = np.argsort(probability)
    rates = CHURNED[order].reshape(8, -1).mean(axis=1)
    np.testing.assert_allclose(points.get_ydata(), rates, atol=1e-12)
    np.testing.assert_allclose(
        points.get_xdata(), probability[order].reshape(8, -1).mean(axis=1), atol=1e-12
    )
    assert points.get_color() == "black"
    assert texts(display) == ["perfect calibration", "LogisticModel"]


@pytest.mark.parametrize("kind", ["gains", "lift"])
def test_gains_are_the_churners_among_the_first(probability, kind):
    display = GainsDisplay.from_predictions(CHURNED, probability, kind=kind, name="mine")
    share, value = (np.asarray(line) for line in display.line_.get_data())
    at = int(np.flatnonzero(np.isclose(share, 0.25))[0])
    first = CHURNED[np.argsort(-probability)][: N // 4].sum() / CHURNED.sum()
    assert value[at] == pytest.approx(first if kind == "gains" else first / 0.25)
    assert texts(display) == ["random order", "mine"]
    with pytest.raises(ChurnkitError, match="kind must be"):
        display.plot(kind="area")


def test_the_highest_profit_is_marked(model, probability):
    costs = CustomerCosts(false_positive=2.0, false_negative=10.0)
    display = ProfitDisplay.from_estimator(model, X, LABEL, costs)
    ranked = CHURNED[np.argsort(-probability)]
    profit = np.append(0.0, np.cumsum(np.where(ranked == 1, 10.0, -2.0)) / N)
    (mark,) = display.maximum_.get_offsets().tolist()
    assert mark == pytest.approx([int(profit.argmax()) / N, profit.max()])


def test_survival_steps_and_the_mean_prediction():
    duration, event = RANDOM.integers(1, 13, N), RANDOM.random(N) < 0.6
    hazard = HazardModel(rounds=3).fit(X, duration, event)
    display = SurvivalDisplay.from_estimator(hazard, X, duration, event)
    share = np.array(display.lines_["observed"].get_ydata())
    expected = 1.0
    for month in range(1, 4):
        expected *= 1 - np.sum(event & (duration == month)) / np.sum(duration >= month)
    assert share[3] == pytest.approx(expected)
    times, mean = (np.asarray(line) for line in display.lines_["HazardModel"].get_data())
    np.testing.assert_allclose(mean, hazard.predict_survival(X, times).mean(axis=0))
    groups = SurvivalDisplay.from_durations(duration, event, group=np.arange(N) % 2)
    assert list(groups.lines_) == ["0", "1"]


def test_the_qini_curve_of_the_second_action_leaves_the_first_out():
    class Effects:
        def predict(self, X):
            return X[:, :2]

    arm = RANDOM.integers(0, 3, N)
    display = QiniDisplay.from_estimator(Effects(), X, CHURNED, arm, action=2)
    rows = arm != 1
    expected = qini_curve(CHURNED[rows], X[rows, 1], (arm[rows] == 2).astype(float))
    np.testing.assert_array_equal(display.line_.get_ydata(), expected.gain)
    assert texts(display) == ["random order", "Effects"]


def test_the_budget_curve_has_its_interval_and_bound():
    budget = np.array([0.0, 10.0, 20.0])
    value = np.array([0.0, 5.0, 7.0])
    curve = WhatIf(
        budget, value, value - 1, value + 1, budget, value + 2, budget.astype(int), value
    )
    display = BudgetDisplay.from_result(curve, currency="EUR")
    np.testing.assert_array_equal(display.line_.get_ydata(), value)
    np.testing.assert_array_equal(display.bound_.get_ydata(), value + 2)
    band = display.ax_.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (-1.0, 8.0)
    assert display.ax_.get_xlabel() == "budget, EUR"


def test_off_policy_estimates_stand_in_rows_with_their_intervals():
    arm = RANDOM.integers(0, 2, N)
    log = PolicyLog.from_columns(arm, np.full(N, 0.5), (RANDOM.random(N) < 0.3 + 0.2 * arm) * 1.0)
    result = evaluate_policy(log, [0.0, 1.0], reward_model="mean")
    display = OffPolicyDisplay.from_result(result)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == list(result.estimates)
    values = display.points_.lines[0].get_xdata()
    np.testing.assert_allclose(values, [result[name].value for name in labels])


def test_drift_shows_the_largest_index_first(probability):
    profile = Profile.fit(X, probability, names=["a", "b", "c"], categorical=())
    display = DriftDisplay.from_profile(profile, X + np.array([0.0, 2.0, 0.3]))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["b", "c", "a"]
    assert [bar.get_width() for bar in display.bars_] == [c.psi for c in display.columns]
    assert len(display.plot(max_columns=1).bars_) == 1


def test_contributions_of_the_strongest_features_are_points(model):
    rows = X.copy()
    rows[:20, 0] = np.nan
    display = ShapDisplay.from_estimator(model, rows, names=["fee", "age", "use"])
    expected = model.scorer_.contributions(rows)[:, :-1]
    assert display.order[0] == 0
    points = display.points_[0]
    np.testing.assert_array_equal(points.get_offsets()[:, 0], expected[:, 0])
    assert np.abs(points.get_offsets()[:, 1]).max() <= 0.35
    assert np.isnan(np.asarray(points.get_array().filled(np.nan))).sum() == 20
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0] == "fee"
    with pytest.raises(ChurnkitError, match="must agree"):
        ShapDisplay(expected, X, ["fee"])


def test_a_display_draws_on_given_axes_and_can_be_drawn_again(probability):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    display = CalibrationDisplay.from_predictions(CHURNED, probability, ax=axes)
    assert display.ax_ is axes
    assert display.figure_ is figure
    again = display.plot(name="again")
    assert again is display
    assert display.figure_ is not figure


def test_matplotlib_is_imported_only_to_draw():
    program = (
        "import sys; from churnkit.displays import CalibrationDisplay;"
        "from churnkit.evaluation import calibration_curve;"
        "CalibrationDisplay(calibration_curve([0, 1], [0.2, 0.8]));"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_without_matplotlib_the_extra_is_named(probability, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ChurnkitError, match=r"matplotlib is not installed.*extra 'plot'"):
        CalibrationDisplay.from_predictions(CHURNED, probability)

"""Results draw themselves with their display; its marks are the numbers of the result."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
matplotlib.use("Agg")

from churnkit import displays  # noqa: E402
from churnkit.core.result import PlottableResult  # noqa: E402
from churnkit.decisions import WhatIf, allocate  # noqa: E402
from churnkit.errors import ChurnkitError  # noqa: E402
from churnkit.evaluation import (  # noqa: E402
    CustomerCosts,
    Interval,
    PolicyLog,
    calibration_curve,
    cumulative_incidence,
    evaluate_policy,
    kaplan_meier,
    lift_curve,
    may_replace,
    profit_curve,
    qini_curve,
    read_experiment,
    slice_metrics,
    threshold_curve,
    toc_curve,
)
from churnkit.evaluation.experiments.holdout_report import ExperimentReport  # noqa: E402
from churnkit.insights.metrics.cohorts import Cohort, Cohorts  # noqa: E402
from churnkit.insights.metrics.revenue.mrr_movements import Movement, Movements  # noqa: E402
from churnkit.models.value import LifetimeValue, forecast_revenue  # noqa: E402
from churnkit.monitoring import MonitorReport  # noqa: E402

N = 600
RANDOM = np.random.default_rng(5)
RISK = RANDOM.uniform(0.02, 0.9, N).round(2)
LEFT = (RANDOM.random(N) < RISK).astype(float)
ARM = RANDOM.integers(0, 2, N)
STAYED = (RANDOM.random(N) < 0.4 + 0.2 * ARM).astype(float)
VALUE = RANDOM.lognormal(3, 1, N)


def month(name, opening):
    closing = opening + 20 + 5 + 10 - 4 - 12
    return Movement(name, True, 9, 1, 1, 1, 0, 10, opening, 20, 5, 10, 4, 12, closing)


def drifted():
    from churnkit.evaluation.drift.profile import Profile

    rows = RANDOM.normal(size=(N, 2))
    profile = Profile.fit(rows, RISK, names=["a", "b"], categorical=())
    return MonitorReport("m", N, 0, (), tuple(profile.compare(rows + np.array([0.0, 1.0]))), None)


BUDGET = np.array([0.0, 10.0])
LOG = PolicyLog.from_columns(ARM, np.full(N, 0.5), STAYED)
READOUT = read_experiment(STAYED, ARM == 1)
RESULTS = {
    "CalibrationCurve": lambda: calibration_curve(LEFT, RISK),
    "LiftCurve": lambda: lift_curve(LEFT, RISK),
    "ThresholdCurve": lambda: threshold_curve(LEFT, RISK),
    "ProfitCurve": lambda: profit_curve(LEFT, RISK, CustomerCosts(1.0, 5.0)),
    "SurvivalCurve": lambda: kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1]),
    "CumulativeIncidence": lambda: cumulative_incidence([1, 2, 3], ["card", "price", None]),
    "UpliftCurve": lambda: qini_curve(STAYED, RISK, ARM),
    "PolicyEvaluation": lambda: evaluate_policy(LOG, [0.0, 1.0], reward_model="mean"),
    "Replacement": lambda: may_replace(LOG, [0.0, 1.0]),
    "ExperimentReadout": lambda: READOUT,
    "ExperimentReport": lambda: ExperimentReport({"global": READOUT}, {}, N, 0, "stayed"),
    "Slices": lambda: slice_metrics(LEFT, RISK, {"plan": np.where(ARM, "a", "b")}),
    "WhatIf": lambda: WhatIf(BUDGET, BUDGET, BUDGET, BUDGET, BUDGET, BUDGET, BUDGET, BUDGET),
    "ShadowPrices": lambda: allocate(VALUE[:, None], 9.0, budget=500).shadow_prices,
    "LifetimeValue": lambda: LifetimeValue(
        VALUE, VALUE, VALUE, VALUE, VALUE, Interval(VALUE.sum(), 0, 1), 0.95
    ),
    "RevenueForecast": lambda: forecast_revenue([10.0, 20.0], [[0.9, 0.8], [0.95, 0.9]]),
    "Movement": lambda: month("2025-01", 100.0),
    "Movements": lambda: Movements((month("2025-01", 100.0), month("2025-02", 119.0))),
    "Cohorts": lambda: Cohorts(
        (
            Cohort("2025-01", 4, 40.0, (4, 3), (40.0, 30.0)),
            Cohort("2025-02", 2, 20.0, (2, None), (20.0, None)),
        ),
        "kept",
        "revenue kept",
    ),
    "MonitorReport": drifted,
}


def plottable(kind=PlottableResult):
    found = {kind} if kind.__dict__.get("_display") else set()
    return found.union(*map(plottable, kind.__subclasses__()))


@pytest.fixture(autouse=True)
def closed_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_every_result_with_a_display_is_drawn_here():
    assert {kind.__name__ for kind in plottable()} == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_draws_itself_with_its_display_on_given_axes(name):
    import matplotlib.pyplot as plt

    result = RESULTS[name]()
    assert type(result).__name__ == name
    _, axes = plt.subplots()
    display = result.plot(ax=axes)
    assert type(display).__name__ == type(result)._display
    assert display.ax_ is axes
    assert axes.has_data()
    axes.figure.canvas.draw()
    assert "<table" in result._repr_html_()


@pytest.mark.parametrize("name", displays.__all__)
def test_every_display_is_drawn_in_one_call(name):
    display = getattr(displays, name)
    made = {
        "from_result", "from_predictions", "from_durations", "from_estimator", "from_scores",
    } & {member for member, _ in inspect.getmembers(display, callable)}  # fmt: skip
    assert made
    assert inspect.signature(display.plot).parameters["ax"].kind.name == "KEYWORD_ONLY"


def test_roc_and_precision_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    weight = RANDOM.uniform(0.5, 2.0, N)
    curve = threshold_curve(LEFT, RISK, sample_weight=weight)
    rates = metrics.roc_curve(LEFT, RISK, sample_weight=weight, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, rates[0], atol=1e-12)
    np.testing.assert_allclose(curve.recall, rates[1], atol=1e-12)
    np.testing.assert_array_equal(curve.threshold, rates[2])
    precision, recall, _ = metrics.precision_recall_curve(LEFT, RISK, sample_weight=weight)
    np.testing.assert_allclose(curve.precision[::-1], precision[-len(curve.precision) :])
    assert curve.auc == pytest.approx(metrics.roc_auc_score(LEFT, RISK, sample_weight=weight))
    display = displays.RocDisplay.from_predictions(LEFT, RISK, kind="precision_recall")
    assert display.line_.get_xdata()[-1] == recall[0] == 1.0
    with pytest.raises(ChurnkitError, match="kind must be 'roc' or 'precision_recall'"):
        display.plot(kind="pr")


def test_the_incidence_of_causes_adds_up_to_those_who_left():
    display = RESULTS["CumulativeIncidence"]().plot()
    assert {cause: line.get_ydata()[-1] for cause, line in display.lines_.items()} == {
        "card": pytest.approx(1 / 3),
        "price": pytest.approx(1 / 3),
    }
    again = displays.CumulativeIncidenceDisplay.from_durations([1, 2], ["a", None])
    assert again.lines_["a"].get_ydata().tolist() == [0.0, 0.5, 0.5]


def test_the_waterfall_of_revenue_ends_where_the_next_month_begins():
    display = RESULTS["Movements"]().plot(currency="EUR")
    moved = {"opening": 100, "new": 40, "reactivation": 10, "expansion": 20}
    assert display.amounts == {**moved, "contraction": -8, "churn": -24, "closing": 138}
    bars = dict(zip(display.amounts, display.bars_, strict=True))
    assert (bars["new"].get_y(), bars["new"].get_height()) == (100, 40)
    assert (bars["churn"].get_y(), bars["churn"].get_height()) == (138, 24)
    assert display.ax_.get_ylabel() == "monthly revenue, EUR"


def test_cohorts_leave_cells_of_incomplete_months_empty():
    display = RESULTS["Cohorts"]().plot()
    cells = display.image_.get_array().filled(np.nan)
    np.testing.assert_array_equal(cells, [[1.0, 0.75], [1.0, np.nan]])
    assert [text.get_text() for text in display.ax_.texts] == ["100", "75", "100"]
    revenue = display.plot(revenue=True)
    assert revenue.ax_.get_title() == "Revenue retention by cohort"


def test_effects_by_group_are_the_differences_of_means():
    treated = RANDOM.random(N) < 0.5
    outcome = (RANDOM.random(N) < 0.3 + 0.2 * treated).astype(float)
    score = np.where(treated, outcome, -outcome) * 2  # of equal arms, without a model
    plan = np.where(np.arange(N) % 3 == 0, "pro", "free")
    display = displays.IntervalDisplay.from_scores(score, plan)
    assert list(display.intervals) == ["all customers", "free", "pro"]
    for label, rows in {"all customers": plan != "", "pro": plan == "pro"}.items():
        found, mean = display.intervals[label], score[rows].mean()
        half = 1.959964 * score[rows].std() / np.sqrt(rows.sum())
        assert found.value == pytest.approx(mean)
        assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
    points = display.points_.lines[0]
    assert points.get_xdata()[0] == display.intervals["all customers"].value
    with pytest.raises(ChurnkitError, match="one row per customer"):
        displays.IntervalDisplay.from_scores(score, plan[1:])


def test_shadow_prices_are_named_by_actions():
    prices = allocate(VALUE[:, None], 0.0, capacity=[10]).shadow_prices
    display = prices.plot(actions=["call"])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["budget, per unit of money", "capacity of call"]
    tenth = np.sort(VALUE)[-11:-9]
    assert tenth[0] - 1e-6 <= display.bars_[1].get_width() <= tenth[1] + 1e-6


def test_the_most_valuable_customers_come_first():
    worth = RESULTS["LifetimeValue"]()
    display = worth.plot()
    share, value = display.drawn_.get_data()
    at = int(np.flatnonzero(np.isclose(share, 0.1))[0])
    assert value[at] == pytest.approx(np.sort(VALUE)[::-1][: N // 10].sum() / VALUE.sum())
    bars = worth.plot(kind="histogram", bins=10).drawn_
    assert sum(bar.get_height() for bar in bars) == N


def test_the_targeting_curve_ends_at_the_mean_effect():
    effect, priority = RANDOM.normal(size=N), RANDOM.random(N)
    display = displays.TocDisplay.from_predictions(effect, priority, name="mine")
    drawn = display.line_.get_ydata()
    assert drawn[-1] == pytest.approx(0.0)
    first = np.argsort(-priority)[: N // 2]
    assert toc_curve(effect, priority)[N // 2 - 1] == pytest.approx(
        effect[first].mean() - effect.mean()
    )
    np.testing.assert_array_equal(drawn, toc_curve(effect, priority)[N // 50 :])


def test_the_forecast_starts_with_the_revenue_of_today():
    display = RESULTS["RevenueForecast"]().plot()
    revenue = display.line_.get_ydata()
    assert revenue[0] == 30.0
    assert revenue[1] == pytest.approx(0.9 * 10 + 0.95 * 20, rel=0.02)


def test_the_uplift_curve_has_its_own_title():
    display = displays.QiniDisplay.from_predictions(STAYED, RISK, ARM, kind="uplift")
    assert display.ax_.get_title() == "Uplift curve"


def test_the_contributions_of_one_customer_lead_from_the_mean_to_its_score():
    values = [[0.2, -1.0, 0.5], [0.1, 0.3, -0.4]]
    display = displays.ShapDisplay(values, [[1, 2, 3], [4, 5, 6]], ["fee", "age", "use"], base=-2.0)
    bars = display.plot(kind="waterfall", max_features=1).points_[0]
    first, others = bars
    assert first.get_x() + first.get_width() == pytest.approx(-2.0 - 1.0 + 0.7)
    assert (others.get_x(), others.get_width()) == pytest.approx((-2.0, 0.7))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["age", "2 others"]
    with pytest.raises(ChurnkitError, match="no row 2"):
        display.plot(kind="waterfall", row=2)


def test_the_dependence_on_a_feature_is_its_contribution_by_value():
    display = displays.ShapDisplay([[0.2], [0.1]], [[1], [4]], ["fee"]).plot(kind="dependence")
    assert display.points_[0].get_offsets().tolist() == [[1.0, 0.2], [4.0, 0.1]]
    with pytest.raises(ChurnkitError, match="no feature 'age'"):
        display.plot(kind="dependence", feature="age")


def test_contributions_and_the_base_add_up_to_the_score():
    from churnkit.models import LightGBMTrees

    X = RANDOM.normal(size=(N, 3))
    model = LightGBMTrees().fit(X, LEFT)
    display = displays.ShapDisplay.from_estimator(model, X)
    probability = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(
        display.base + display.contributions.sum(axis=1), np.log(probability / (1 - probability))
    )

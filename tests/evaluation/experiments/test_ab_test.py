"""Experiments: intervals hold what they say, also for those who look every day."""

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from churnkit.evaluation import (
    EvaluationError,
    detectable_effect,
    experiment_report,
    plan_experiment,
    read_experiment,
    sample_ratio,
    sequential_interval,
)


def covered(draw, truth, *, runs=400, of="effect"):
    hits = 0
    for seed in range(runs):
        outcome, treated, before = draw(np.random.default_rng(seed))
        result = getattr(read_experiment(outcome, treated, covariates=before), of)
        hits += result.low <= truth <= result.high
    return hits / runs


def shares(rng, rows=400):
    treated = rng.random(rows) < 0.7
    return rng.random(rows) < np.where(treated, 0.15, 0.10), treated, None


def money(rng, rows=600):
    treated = rng.random(rows) < 0.5
    before = rng.gamma(2, 50, size=rows)
    return before + 10 * treated + rng.normal(scale=30, size=rows), treated, before


def test_effects_on_shares_are_covered():
    assert 0.92 <= covered(shares, 0.05) <= 0.98


def test_relative_effects_are_covered():
    assert 0.92 <= covered(shares, 0.5, of="relative") <= 0.98


@pytest.mark.slow
def test_effects_on_money_are_covered_with_and_without_cuped():
    assert 0.92 <= covered(money, 10.0) <= 0.98
    assert 0.92 <= covered(money, 10.0, of="adjusted") <= 0.98


def test_cuped_removes_the_explained_variance():
    outcome, treated, before = money(np.random.default_rng(1), rows=5000)
    result = read_experiment(outcome, treated, covariates=before)
    correlation = np.corrcoef(outcome - 10 * treated, before)[0, 1]
    assert result.adjusted is not None
    assert result.variance_removed == pytest.approx(correlation**2, abs=0.01)
    ratio = (result.adjusted.high - result.adjusted.low) / (result.effect.high - result.effect.low)
    assert ratio == pytest.approx(math.sqrt(1 - correlation**2), abs=0.04)
    assert result.best is result.adjusted


def test_cuped_imputes_missing_values_and_ignores_constants():
    outcome, treated, before = money(np.random.default_rng(1))
    before[::3] = np.nan
    result = read_experiment(outcome, treated, covariates=np.column_stack([before, np.ones(600)]))
    assert 0 < result.variance_removed < 1


def test_the_difference_of_means_is_close_to_welchs_where_tails_are_light():
    outcome, treated, _ = money(np.random.default_rng(2))
    welch = stats.ttest_ind(outcome[treated], outcome[~treated], equal_var=False)
    result = read_experiment(outcome, treated).effect
    expected = welch.confidence_interval()
    # Quantiles of 999 permutations in place of Student's.
    assert result.low == pytest.approx(expected.low, abs=0.05 * (expected.high - expected.low))
    assert result.high == pytest.approx(expected.high, abs=0.05 * (expected.high - expected.low))


def test_the_sample_ratio_check_is_the_chi_square_test():
    expected = stats.chisquare([5200, 4800], [5000, 5000]).pvalue
    assert sample_ratio(5200, 4800, share=0.5).p_value == pytest.approx(expected)


def test_a_broken_split_is_the_verdict_for_any_effect():
    treated = np.repeat([True, False], [900, 100])
    result = read_experiment(treated.astype(float), treated, share=0.5)
    assert result.verdict == "broken split"


@pytest.mark.parametrize("outcome", ["shares", "money"])
def test_only_the_always_valid_interval_holds_under_daily_looks(outcome):
    """Peek 40 times at an experiment without effect: how often does zero ever fall outside."""
    runs, days, daily = 300, 40, 60
    rng = np.random.default_rng(5)
    missed = {"fixed": 0, "always valid": 0}
    for _ in range(runs):
        treated = rng.random(days * daily) < 0.5
        if outcome == "shares":
            value = (rng.random(days * daily) < 0.2).astype(float)
        else:
            value = rng.gamma(1, 40, size=days * daily)
        fixed = always = False
        for day in range(2, days + 1):
            seen, arm = value[: day * daily], treated[: day * daily]
            means = seen[arm].mean() - seen[~arm].mean()
            variance = seen[arm].var() / arm.sum() + seen[~arm].var() / (~arm).sum()
            fixed |= abs(means) > 1.96 * math.sqrt(variance)
            planned = variance * day / days
            result = sequential_interval(means, variance, planned_variance=planned)
            always |= not result.low <= 0 <= result.high
        missed["fixed"] += fixed
        missed["always valid"] += always
    assert missed["always valid"] / runs <= 0.05
    assert missed["fixed"] / runs > 0.2


def test_the_always_valid_interval_is_narrowest_where_it_was_planned():
    def width(planned):
        result = sequential_interval(0.0, 1.0, planned_variance=planned)
        return result.high - result.low

    assert width(1.0) == min(width(planned) for planned in (0.1, 0.5, 1.0, 2.0, 10.0))
    assert 1.3 < width(1.0) / (2 * 1.96) < 1.7


def test_planned_customers_have_the_power_that_was_asked_for():
    plan = plan_experiment(0.05, baseline=0.2, share=0.6)
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(500):
        treated = np.repeat([True, False], [plan.treated, plan.control])
        outcome = rng.random(plan.customers) < np.where(treated, 0.25, 0.2)
        seen += read_experiment(outcome, treated).effect.low > 0
    assert 0.74 <= seen / 500 <= 0.86


def test_planning_and_its_inverse_agree_for_money():
    plan = plan_experiment(3.0, spread=60.0, share=0.3, variance_removed=0.4)
    again = detectable_effect(plan.customers, spread=60.0, share=0.3, variance_removed=0.4)
    assert again == pytest.approx(3.0, rel=0.001)
    assert plan_experiment(3.0, spread=60.0, share=0.3).customers > plan.customers


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"effect": 0.0, "baseline": 0.1}, "effect must not be 0"),
        ({"effect": 0.1}, "pass either baseline"),
        ({"effect": 0.1, "baseline": 0.95}, "must lie between 0 and 1"),
        ({"effect": 0.1, "spread": -1.0}, "spread must be above 0"),
        ({"effect": 0.1, "spread": 1.0, "share": 1.0}, "share must lie"),
        ({"effect": 0.1, "spread": 1.0, "customers_per_day": 0.0}, "customers_per_day"),
        ({"effect": 0.1, "spread": 1.0, "variance_removed": 1.0}, "variance_removed"),
    ],
)
def test_plans_that_are_invalid_are_refused(settings, message):
    with pytest.raises(EvaluationError, match=message):
        plan_experiment(**settings)


@pytest.mark.parametrize(
    ("outcome", "treated", "message"),
    [
        ([0, 1], [True], "pass one per customer"),
        ([0.0, math.nan] * 20, [True, False] * 20, "20 outcomes are missing"),
        ([0, 1] * 20, [True] * 35 + [False] * 5, "5 held-out customers are too few"),
        ([0, 1] * 20, [0, 2] * 20, "true or false"),
    ],
)
def test_experiments_that_cannot_be_read_are_refused(outcome, treated, message):
    with pytest.raises(EvaluationError, match=message):
        read_experiment(outcome, treated)


START = datetime(2026, 1, 1, tzinfo=UTC)


def journal_tables(rows=2000, *, lift=0.1, seed=0):
    """Tables as the journal gives them: a tenth held out, another tenth from calls alone."""
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    held = np.where(rng.random(rows) < 0.1, "global", "")
    held = np.where((held == "") & (rng.random(rows) < 0.1), "call", held)
    stayed = rng.random(rows) < 0.6 + lift * (held == "")
    days = rng.integers(0, 30, size=rows)
    decisions = pa.table(
        {
            "key": [f"k{i}" for i in range(rows)],
            "customer": [f"c{i}" for i in range(rows)],
            "decided_at": pa.array(
                [START + timedelta(days=int(day)) for day in days], pa.timestamp("us", tz="UTC")
            ),
            "holdout": pa.array([name or None for name in held], pa.string()),
            "verdict": ["decide"] * rows,
        }
    ).sort_by("decided_at")
    who = np.flatnonzero(stayed)
    outcomes = pa.table(
        {
            "customer": [f"c{i}" for i in who],
            "decision": pa.array([None] * len(who), pa.string()),
            "kind": ["stayed"] * len(who),
            "value": np.ones(len(who)),
            "observed_at": pa.array(
                [START + timedelta(days=int(days[i]) + 20) for i in who],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )
    return decisions, outcomes


def test_the_report_reads_the_global_holdout_and_each_actions_own():
    result = experiment_report(
        *journal_tables(8000),
        kind="stayed",
        horizon_days=21,
        until=START + timedelta(days=90),
        shares={"global": 0.1},
    )
    assert list(result.readouts) == ["global", "call"]
    everything = result.readouts["global"]
    assert everything.ratio is not None
    assert everything.ratio.ok
    assert everything.effect.low < 0.09 < everything.effect.high
    assert result.readouts["call"].verdict == "works"
    assert result.customers == 8000
    assert list(result.to_frame()["holdout"]) == ["global", "call"]
    json.dumps(result.to_dict())


def test_the_report_excludes_immature_decisions():
    result = experiment_report(
        *journal_tables(),
        kind="stayed",
        horizon_days=21,
        until=START + timedelta(days=36),
    )
    assert result.immature > 500
    assert result.customers + result.immature == 2000


def test_lower_is_better_reverses_the_effect():
    decisions, outcomes = journal_tables()
    up, down = (
        experiment_report(
            decisions, outcomes, kind="stayed", horizon_days=21, lower_is_better=turned
        ).readouts["global"]
        for turned in (False, True)
    )
    assert up.effect.value == -down.effect.value


def test_reports_give_the_reason_if_there_is_nothing_to_read():
    decisions, outcomes = journal_tables(200)
    with pytest.raises(EvaluationError, match="no outcome 'spend'; it has: stayed"):
        experiment_report(decisions, outcomes, kind="spend", horizon_days=21)
    with pytest.raises(EvaluationError, match="wait, or shorten the horizon"):
        experiment_report(decisions, outcomes, kind="stayed", horizon_days=400)
    with pytest.raises(EvaluationError, match="no decisions"):
        experiment_report(decisions.slice(0, 0), outcomes, kind="stayed", horizon_days=21)
    result = experiment_report(decisions.slice(0, 40), outcomes, kind="stayed", horizon_days=21)
    assert "too few" in result.unread["global"]

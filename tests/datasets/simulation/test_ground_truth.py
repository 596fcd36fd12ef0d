"""Ground truth, compared with explicit path sums and with simulated outcomes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import numpy as np
import pandas as pd
import pytest

from churnkit.datasets import simulate
from churnkit.datasets.simulation.churn_hazard import monthly_hazard, transitions
from churnkit.errors import ChurnkitError

STATES = range(6)


@pytest.fixture(scope="module")
def small():
    return simulate(400, seed=4)


def hazard_of(truth, customer, month, since, state, effect=0.0):
    """The law for one customer, `since` months after `month`."""
    people, history = truth._population, truth._history
    return float(
        monthly_hazard(
            np.array([people.log_odds[customer] + effect]),
            np.array([people.annual[customer]]),
            np.array([int(history.tenure[customer, month]) + since]),
            np.array([state]),
        )[0]
    )


def sum_over_paths(truth, customer, month, fractions, effects):
    """P(leaving) by writing out every path of states; a fraction is the covered part [a, b)."""
    chain = transitions()[int(truth._population.onboarded[customer])]
    first = int(truth._history.state[customer, month])
    total = 0.0
    for path in product(STATES, repeat=len(fractions) - 1):
        states, chance, staying = (first, *path), 1.0, 1.0
        for since, (begin, end) in enumerate(fractions):
            if since:
                chance *= chain[states[since - 1], states[since]]
            hazard = hazard_of(truth, customer, month, since, states[since], effects[since])
            staying *= (1 - hazard * end) / (1 - hazard * begin)
        total += chance * (1 - staying)
    return total


def test_churn_probability_equals_the_sum_over_all_paths_of_states(small):
    truth = small.truth
    # 2025-10-01 and 90 days: October, November, and 29 of December's 31 days.
    result = truth.churn_probability("2025-10-01", horizon_days=90)
    for customer in np.flatnonzero(~np.isnan(result))[:25]:
        fractions = [(0, 1), (0, 1), (0, 29 / 31)]
        expected = sum_over_paths(truth, customer, 21, fractions, [0.0] * 3)
        assert result[customer] == pytest.approx(expected, rel=1e-12)


def test_churn_probability_from_mid_month_is_conditional_on_being_active(small):
    truth = small.truth
    result = truth.churn_probability("2025-10-11T12:00", horizon_days=30)
    for customer in np.flatnonzero(~np.isnan(result))[:40]:
        fractions = [(10.5 / 31, 1), (0, 9.5 / 30)]
        expected = sum_over_paths(truth, customer, 21, fractions, [0.0] * 2)
        assert result[customer] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("action", ["call", "discount", "training"])
def test_an_action_works_for_its_month_and_the_two_after_it(small, action):
    truth = small.truth
    column = truth.actions.index(action)
    result = truth.churn_probability("2025-08-01", horizon_days=31 + 30 + 31 + 30, action=action)
    for customer in np.flatnonzero(~np.isnan(result))[:6]:
        effect = truth._population.response[customer, column]
        expected = sum_over_paths(truth, customer, 19, [(0, 1)] * 4, [effect, effect, effect, 0.0])
        assert result[customer] == pytest.approx(expected, rel=1e-12)


def test_effect_is_the_difference_that_the_action_makes(small):
    truth = small.truth
    effect = truth.effect("2025-09-01", horizon_days=60)
    nothing = truth.churn_probability("2025-09-01", horizon_days=60, action="none")
    call = truth.churn_probability("2025-09-01", horizon_days=60, action="call")
    assert effect.shape == (400, 3)
    np.testing.assert_array_equal(effect[:, 0], call - nothing)


def test_each_group_responds_as_its_name_says(business):
    effect = business.truth.effect("2025-09-01")
    group = business.truth.group
    there = ~np.isnan(effect[:, 0]) & (effect[:, 0] != 0.0)
    idle = np.isin(group, ["sure thing", "lost cause"])
    assert (effect[there & (group == "persuadable")] < 0).all()
    assert (effect[there & (group == "sleeping dog")] > 0).all()
    assert not there[idle].any()
    assert np.abs(np.nan_to_num(effect[idle])).max() == 0.0
    shares = pd.Series(group).value_counts(normalize=True)
    assert (shares > 0.08).all()
    # Doing the same to everyone is not the best, so choosing pays.
    best = np.minimum(effect.min(axis=1), 0.0)
    assert np.nanmean(best) < 1.25 * np.nanmean(effect, axis=0).min()


def test_past_actions_work_on_and_then_end(small):
    truth = small.truth
    campaign = small.tables["treatments"].to_pandas()
    decided = pd.Timestamp("2025-04-01", tz="UTC")
    called = campaign[(campaign.action == "call") & (campaign.decided_at == decided)]
    persuadable = truth.customer_id[truth.group == "persuadable"]
    rows = np.isin(truth.customer_id, called.customer_id) & np.isin(truth.customer_id, persuadable)
    for moment, working in (("2025-04-01", False), ("2025-05-01", True), ("2025-07-01", False)):
        now = truth.churn_probability(moment, horizon_days=20)[rows]
        never = truth.churn_probability(moment, horizon_days=20, action="none")[rows]
        differs = (now != never) & ~np.isnan(now) & (never > 0)
        assert differs.any() == working


@pytest.mark.parametrize(
    ("as_of", "horizon_days"),
    [("2025-07-01", 30), ("2025-07-13", 75), ("2025-10-01", 90), ("2025-05-20", 200)],
)
def test_the_label_happens_as_often_as_truth_says(business, as_of, horizon_days):
    churned = business.snapshot(as_of, horizon_days=horizon_days)["churned"].to_numpy()
    truth = business.snapshot_truth(as_of, horizon_days=horizon_days)
    chance = truth["churn_probability"].to_numpy()
    for part in np.array_split(np.argsort(chance), 5):
        spread = np.sqrt((chance[part] * (1 - chance[part])).sum())
        assert abs(churned[part].sum() - chance[part].sum()) < 4 * spread


def test_the_monthly_hazard_happens_in_months_without_actions_at_work(business):
    rows = business.tables["subscriptions"].to_pandas()
    ends = rows.ended_at[rows.end_reason == "cancelled"].dt.tz_localize(None).dt.to_period("M")
    truth = business.truth
    for month in (0, 1, 2, 6, 10, 14, *range(18, 24)):
        hazard = truth.hazard[:, month]
        hazard = hazard[~np.isnan(hazard)]
        happened = (
            ends == pd.Period(truth.months[month].astype("datetime64[M]").item(), "M")
        ).sum()
        assert abs(happened - hazard.sum()) < 4 * np.sqrt((hazard * (1 - hazard)).sum())


def test_the_hazard_is_known_just_for_customers_of_the_month(small):
    rows = small.tables["subscriptions"].to_pandas()
    truth = small.truth
    edges = pd.to_datetime([*truth.months, small.end]).tz_localize("UTC")
    for month in range(24):
        ended_before = rows.ended_at.notna() & (rows.ended_at < edges[month])
        there = rows[(rows.started_at < edges[month + 1]) & ~ended_before].customer_id
        customers = truth.customer_id[~np.isnan(truth.hazard[:, month])]
        assert set(customers) == set(there)


def test_remaining_value_equals_the_mean_of_later_payments(business):
    rows = business.tables["subscriptions"].to_pandas()
    truth = business.truth
    expected = pd.Series(truth.remaining_value("2025-07-01", months=6), truth.customer_id).dropna()
    running = rows[rows.ended_at.isna() | (rows.ended_at >= pd.Timestamp("2025-07-01", tz="UTC"))]
    spell = running[running.started_at < pd.Timestamp("2025-07-01", tz="UTC")].subscription_id
    paid = pd.Series(0.0, expected.index)
    for payment in pd.date_range("2025-07-01", periods=6, freq="MS", tz="UTC"):
        due = rows[(rows.started_at < payment) & ~(rows.ended_at < payment)]
        due = due[due.subscription_id.isin(spell)].set_index("customer_id").mrr
        paid = paid.add(due, fill_value=0.0)
    difference = paid - expected
    for part in np.array_split(np.argsort(expected.to_numpy()), 5):
        of_part = difference.iloc[part]
        assert abs(of_part.mean()) < 4 * of_part.std() / np.sqrt(len(part))
        assert abs(of_part.mean()) < 0.02 * expected.iloc[part].mean()


def test_remaining_value_of_one_payment_is_the_revenue_in_force(small):
    truth = small.truth
    np.testing.assert_allclose(
        truth.remaining_value("2025-03-01", months=1), truth.mrr("2025-03-01")
    )
    snapshot = small.snapshot("2025-03-20", horizon_days=None).to_pandas()
    there = truth.active("2025-03-20")
    np.testing.assert_array_equal(snapshot.mrr, truth.mrr("2025-03-20")[there])


def test_a_discount_lowers_the_remaining_value(small):
    plain = small.truth.remaining_value("2025-03-01")
    discounted = small.truth.remaining_value("2025-03-01", monthly_discount=0.01)
    there = ~np.isnan(plain)
    assert (discounted[there] < plain[there]).all()


@pytest.mark.parametrize("action", ["call", "discount", "training"])
def test_the_experiment_in_the_tables_shows_the_true_mean_effect(business, action):
    treatments = business.tables["treatments"].to_pandas()
    truth = business.truth
    position = truth.actions.index(action)
    row = pd.Series(np.arange(20_000), truth.customer_id)[treatments.customer_id].to_numpy()
    effect = np.concatenate(
        [
            truth.effect(str(moment.date()))[row[treatments.decided_at == moment], position - 1]
            for moment in treatments.decided_at.unique()
        ]
    )
    churned = treatments.churned.astype(float).to_numpy()
    treated = (treatments.action == action).to_numpy() / truth.propensities[:, position]
    control = (treatments.action == "none").to_numpy() / truth.propensities[:, 0]
    estimate = churned * (treated - control)
    error = estimate - effect
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error))
    assert effect.mean() < -0.001


def test_ground_truth_and_snapshot_agree_on_active_customers(small):
    for moment in ("2024-01-20", "2024-12-01", "2026-01-01"):
        names = small.snapshot(moment, horizon_days=None)["customer_id"].to_pylist()
        assert small.truth.customer_id[small.truth.active(moment)].tolist() == names


def test_moments_with_a_time_zone_are_brought_to_utc(small):
    plain = small.truth.mrr("2025-03-20T08:00")
    zoned = small.truth.mrr("2025-03-20T10:00:00+02:00")
    aware = small.truth.mrr(datetime(2025, 3, 20, 8, tzinfo=UTC))
    np.testing.assert_array_equal(plain, zoned)
    np.testing.assert_array_equal(plain, aware)


def test_times_outside_the_simulation_are_refused(small):
    with pytest.raises(ChurnkitError, match="outside the simulated period"):
        small.truth.churn_probability("2023-12-31")
    with pytest.raises(ChurnkitError, match="outside the simulated period"):
        small.truth.mrr("2026-01-02")
    with pytest.raises(ChurnkitError, match="unknown action 'gift'"):
        small.truth.churn_probability("2025-03-01", action="gift")

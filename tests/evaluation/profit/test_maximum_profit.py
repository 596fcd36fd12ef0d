"""Profit measures against published definitions, a peer's values, and slow sums."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.evaluation import (
    CustomerCosts,
    EvaluationError,
    MaximumProfit,
    ThresholdRule,
    expected_max_profit,
    expected_max_profit_b2b,
    expected_savings,
    max_profit,
    profit_curve,
    savings,
)


@pytest.fixture(scope="module")
def campaign():
    """200 customers with scores in hundredths, so that there are ties; the peer saw the same."""
    rng = np.random.default_rng(7)
    y = (rng.random(200) < 0.3).astype(int)
    p = np.round(np.clip(rng.normal(0.35 + 0.15 * y, 0.2), 0, 1), 2)
    clv = np.round(rng.gamma(2.0, 100.0, 200), 2)
    false_positive = np.round(rng.uniform(5, 20, 200), 2)
    false_negative = np.round(rng.uniform(50, 200, 200), 2)
    true_positive = np.round(rng.uniform(5, 20, 200), 2)
    return y, p, clv, CustomerCosts(false_positive, false_negative, true_positive)


# Made with empulse 0.13.1 on the customers of the fixture: mpc_score, empc_score and empb_score,
# with their optimal_rate as the fraction.
OFFER = {"clv": 150.0, "incentive_cost": 20.0, "contact_cost": 2.0}
EMPULSE = [
    (max_profit, {}, 9.284999999999998, 0.77),
    (max_profit, {**OFFER, "accept_rate": 0.4}, 5.3, 0.43),
    (expected_max_profit, {}, 9.625442378158633, 0.6307843525388289),
    (
        expected_max_profit,
        {**OFFER, "alpha": 3.0, "beta": 5.0},
        4.956407865010496,
        0.3511241133817736,
    ),
    (expected_max_profit_b2b, {}, 3.050662000000001, 0.365),
    (
        expected_max_profit_b2b,
        {"incentive_fraction": 0.1, "contact_cost": 5.0, "alpha": 3.0, "beta": 5.0},
        7.330003750000007,
        0.455,
    ),
]


@pytest.mark.parametrize(("measure", "settings", "profit", "fraction"), EMPULSE)
def test_profit_and_fraction_agree_with_empulse(campaign, measure, settings, profit, fraction):
    y, p, clv, _ = campaign
    if measure is expected_max_profit_b2b:
        settings = {"clv": clv, **settings}
    result = measure(y, p, **settings)
    assert result == pytest.approx(profit, abs=1e-9)
    assert result.fraction == pytest.approx(fraction, abs=1e-9)


def test_savings_agree_with_empulse(campaign):
    # empulse 0.13.1: savings_score and expected_savings_score on the fixture's customers.
    y, p, _, costs = campaign
    rule = ThresholdRule((1.0,), customers=200, churners=int(y.sum()))
    assert savings(y, rule.decide(p, costs), costs) == pytest.approx(0.06757293392324937)
    assert expected_savings(y, p, costs) == pytest.approx(-0.8116614855134958)


def integrated_by_hand(y, p, *, clv, incentive_cost, contact_cost, alpha, beta, steps=4000):
    """The definition: the best cut at each acceptance rate, averaged over a grid of rates."""
    rates = (np.arange(steps) + 0.5) / steps
    density = rates ** (alpha - 1) * (1 - rates) ** (beta - 1)
    density /= density.sum()
    cuts = np.append(np.unique(p), 2.0)
    churners = np.array([(y[p >= cut] == 1).sum() for cut in cuts]) / len(y)
    stayers = np.array([(y[p >= cut] == 0).sum() for cut in cuts]) / len(y)
    profit = np.outer(rates * (clv - incentive_cost) - contact_cost, churners)
    profit -= (incentive_cost + contact_cost) * stayers
    best = profit.argmax(axis=1)
    share = (churners + stayers)[best]
    return density @ profit.max(axis=1), density @ share


@given(seed=st.integers(0, 10_000), size=st.integers(5, 60), steps=st.sampled_from([4, 1000]))
def test_the_expected_profit_is_the_integral_of_the_best_cuts(seed, size, steps):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, size)
    y[:2] = 0, 1
    p = rng.integers(0, steps, size) / steps
    offer = {"clv": 90.0, "incentive_cost": 12.0, "contact_cost": 3.0, "alpha": 2.0, "beta": 3.0}
    profit, fraction = integrated_by_hand(y, p, **offer)
    result = expected_max_profit(y, p, **offer)
    assert result == pytest.approx(profit, abs=2e-3)
    assert result.fraction == pytest.approx(fraction, abs=2e-3)


def test_a_sure_acceptance_rate_makes_the_expected_profit_the_plain_one(campaign):
    y, p, _, _ = campaign
    sure = expected_max_profit(y, p, **OFFER, alpha=0.4e6, beta=0.6e6)
    plain = max_profit(y, p, **OFFER, accept_rate=0.4)
    assert sure == pytest.approx(plain, rel=1e-3)
    assert sure.fraction == pytest.approx(plain.fraction, abs=1e-3)


def test_the_campaigns_costs_draw_the_curve_whose_top_is_the_maximum_profit(campaign):
    y, p, _, _ = campaign
    costs = CustomerCosts.from_campaign(**OFFER, accept_rate=0.4)
    best = profit_curve(y, p, costs).best
    plain = max_profit(y, p, **OFFER, accept_rate=0.4)
    assert best == pytest.approx(plain)
    assert best.fraction == plain.fraction


@given(seed=st.integers(0, 10_000))
def test_the_profit_curve_is_the_difference_of_costs(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 30)
    y[:2] = 0, 1
    p = rng.integers(0, 6, 30) / 6
    costs = CustomerCosts(*rng.uniform(1, 50, (4, 30)).cumsum(axis=0)[[1, 3, 2, 0]])
    curve = profit_curve(y, p, costs)
    for share, profit in zip(curve.share_of_customers, curve.profit, strict=True):
        cut = np.sort(p)[::-1][round(share * 30) - 1] if share else 2.0
        acted = p >= cut
        assert acted.mean() == pytest.approx(share)
        saved = costs.total(y.astype(float), 0.0) - costs.total(
            y.astype(float), acted.astype(float)
        )
        assert profit == pytest.approx(saved / 30)


@given(seed=st.integers(0, 10_000))
def test_no_decision_has_a_lower_expected_cost_than_the_rules(seed):
    rng = np.random.default_rng(seed)
    waste, benefit = rng.uniform(0, 10, (2, 40))
    costs = CustomerCosts(false_positive=waste, false_negative=benefit)
    p = rng.random(40)
    decided = ThresholdRule((1.0,), 900, 90).decide(p, costs)
    act, leave = (1 - p) * waste, p * benefit
    assert np.where(decided, act, leave) == pytest.approx(np.minimum(act, leave))


def test_where_acting_never_pays_or_always_does_no_probability_changes_it():
    rule = ThresholdRule((1.0,), 900, 90)
    never = CustomerCosts(false_positive=1.0, false_negative=5.0, true_positive=9.0)
    always = CustomerCosts(false_positive=0.0, false_negative=5.0, true_negative=1.0)
    assert not rule.decide([1.0], never).any()
    assert rule.decide([1e-9], always).all()


@pytest.fixture(scope="module")
def honest():
    """Customers whose probabilities are true, and what is at stake with each."""
    rng = np.random.default_rng(3)
    probability = rng.beta(1, 9, 6000)
    y = (rng.random(6000) < probability).astype(int)
    return y, probability, CustomerCosts(10.0, rng.gamma(2.0, 100.0, 6000))


def test_true_probabilities_are_let_through(honest):
    y, probability, costs = honest
    rule = ThresholdRule.checked(y, probability, costs)
    assert rule.observed_over_expected == pytest.approx([1.0] * 4, abs=0.15)
    assert savings(y, rule.decide(probability, costs), costs) > 0


def test_scores_trained_with_costs_are_refused(honest):
    # What a model that is perfect under cost weights message: p * C_FN against (1 - p) * C_FP.
    y, probability, costs = honest
    kept, lost = probability * costs.benefit, (1 - probability) * costs.waste
    with pytest.raises(EvaluationError, match="these scores are not probabilities"):
        ThresholdRule.checked(y, kept / (kept + lost), costs)


def test_scores_biased_towards_expensive_customers_are_refused(honest):
    y, probability, costs = honest
    leaning = probability * costs.at_stake / costs.at_stake.mean()
    leaning *= probability.sum() / leaning.sum()
    with pytest.raises(EvaluationError, match="the third of customers with the"):
        ThresholdRule.checked(y, np.minimum(leaning, 1.0), costs)


def test_scores_of_a_balanced_sample_are_refused(honest):
    y, probability, costs = honest
    odds = probability / (1 - probability) * 9
    with pytest.raises(EvaluationError, match="churn for all customers"):
        ThresholdRule.checked(y, odds / (1 + odds), costs)


def test_too_few_churners_are_refused(honest):
    y, probability, costs = honest
    few = np.r_[np.flatnonzero(y)[:19], np.flatnonzero(y == 0)]
    with pytest.raises(EvaluationError, match="19 churners are too few"):
        ThresholdRule.checked(y[few], probability[few], costs.take(few))


def test_savings_take_decisions_and_no_scores(campaign):
    y, p, _, costs = campaign
    with pytest.raises(EvaluationError, match=r"use ThresholdRule\.decide"):
        savings(y, p, costs)


def test_perfect_decisions_save_all_that_mistakes_cost():
    y = np.array([0, 1, 1, 0])
    costs = CustomerCosts([4, 1, 2, 2], [1, 3, 3, 1])
    assert savings(y, y, costs) == 1.0
    assert savings(y, np.zeros(4), costs) == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CustomerCosts([1.0, 2.0], [1.0]), None),
        (lambda: CustomerCosts([1.0, 2.0], [1.0, 2.0, 3.0]), "differ in length"),
        (lambda: CustomerCosts(float("nan"), 1.0), "false_positive is missing"),
        (lambda: CustomerCosts("x", 1.0), "not numbers"),
        (lambda: CustomerCosts(1.0, 1.0, 5.0, 5.0), "swapped"),
        (lambda: savings([0, 1, 1], [0, 1, 1], CustomerCosts([1.0, 2.0], 9.0)), "2 costs for 3"),
        (lambda: savings([0, 1], [0, 1], CustomerCosts(0.0, 0.0)), "already costs nothing"),
        (lambda: max_profit([0, 1], [0.1, 0.2], clv=-1.0), "clv must be a finite amount"),
        (lambda: max_profit([0, 1], [0.1, 0.2], accept_rate=2.0), "accept_rate"),
        (lambda: max_profit([0, 1], [0.1, 1.2]), "outside 0 to 1"),
        (lambda: expected_max_profit([0, 1], [0.1, 0.2], alpha=0.0), "alpha and beta"),
        (lambda: expected_max_profit([0, 1], [0.1, 0.2], clv=5.0), "no offer can pay"),
        (lambda: expected_max_profit_b2b([0, 1], [0.1, 0.2], clv=[1.0] * 3), "3 values for 2"),
        (lambda: expected_max_profit_b2b([0, 1], [0.1, 0.2], clv=[1.0, -1.0]), "1 values of clv"),
    ],
)
def test_invalid_settings_are_refused(make, message):
    if message is None:
        assert make().at_stake.shape == (2,)
        return
    with pytest.raises(EvaluationError, match=message):
        make()


def test_a_maximum_profit_is_a_number_that_keeps_its_fraction():
    result = MaximumProfit(2.5, fraction=0.25)
    assert result + 1 == 3.5
    assert pickle.loads(pickle.dumps(result)).fraction == 0.25  # noqa: S301
    assert result.to_dict() == {"profit": 2.5, "fraction": 0.25}


def test_a_ranking_that_earns_nothing_contacts_no_one():
    result = max_profit([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], np.linspace(0, 1, 10), clv=15.0)
    assert (float(result), result.fraction) == (0.0, 0.0)


@pytest.mark.data
def test_thresholds_of_their_own_save_money_on_real_customers(data_dir):
    import pandas as pd

    from churnkit.models import LightGBMTrees

    table = pd.read_csv(data_dir / "tv_subscription" / "churn_tv_subscriptions.csv.gz")
    X = table.filter(regex="^x").to_numpy(float)
    y = table["target"].to_numpy().astype(int)
    costs = CustomerCosts(*(table[name].to_numpy() for name in ("C_FP", "C_FN", "C_TP", "C_TN")))
    saved = []
    for test in np.array_split(np.random.default_rng(0).permutation(len(y)), 4):
        train = np.setdiff1d(np.arange(len(y)), test)
        plain = LightGBMTrees(rounds=150).fit(X[train], y[train])
        probability = plain.predict_proba(X[test])[:, 1]
        rule = ThresholdRule.checked(y[test], probability, costs.take(test))
        decided = rule.decide(probability, costs.take(test))
        saved.append(savings(y[test], decided, costs.take(test)))
    assert np.mean(saved) > 0.13
    weight = np.where(y == 1, costs.benefit, costs.waste)[train]
    weighted = LightGBMTrees(rounds=150).fit(X[train], y[train], sample_weight=weight)
    with pytest.raises(EvaluationError, match="not probabilities"):
        ThresholdRule.checked(y[test], weighted.predict_proba(X[test])[:, 1], costs.take(test))
